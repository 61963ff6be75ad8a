"""Small YAML files that stand for endless values: refused in a line, before anything is made of them."""

import re

import pytest

LOAD = "nanodet.config.load:load_config"
READ = "nanodet.data.read:read_annotations"
ALIASES = "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'])}]\n" for n in range(40)
)
INLINE = ALIASES.strip().replace("\n", ", ")  # the same, inside one value
INLINE = f"[{re.sub(r'a[0-9]+: ', '', INLINE)}]"
MERGES = "".join(
    f"a{n}: &a{n} {{{'<<: [' + ', '.join([f'*a{n - 1}'] * 9) + '], ' if n else ''}k{n}: 1}}\n"
    for n in range(40)
)
SAMPLE = """save_dir: run
seed: 0
class_names: [a, b]
grad_clip: 35
device: {gpu_ids: -1}
data:
  train: &d {name: CocoDataset, img_path: a, ann_path: a.json, input_size: [160, 128]}
  val: *d
schedule:
  total_epochs: 1
  optimizer: {name: SGD, lr: 0.1}
"""
KEYS = ("save_dir: run", "seed: 0", "class_names: [a, b]", "grad_clip: 35", "gpu_ids: -1",
        "input_size: [160, 128]", "total_epochs: 1", "name: SGD", "lr: 0.1")  # fmt: skip


def with_value(old, value):
    """Return the sample with another value under the key of ``old``."""
    return SAMPLE.replace(old, f"{old.partition(':')[0]}: {value}", 1)


@pytest.mark.parametrize("old", KEYS)
def test_a_value_of_aliases_is_not_written_out(bounded, tmp_path, old):
    path = tmp_path / "c.yml"
    path.write_text(with_value(old, INLINE))
    assert "holds more than 1,000,000 values" in bounded.refusal(LOAD, str(path))


def test_an_override_of_aliases_is_no_value(bounded, tmp_path):
    path = tmp_path / "c.yml"
    path.write_text(SAMPLE)
    assert "not valid YAML" in bounded.refusal(LOAD, str(path), [f"seed={INLINE}"])


NOT_YAML = {
    "merged mappings": (MERGES + "<<: *a39\n" + SAMPLE, "values"),
    "a list in itself": (with_value("seed: 0", "&a [*a]"), "holds itself"),
    "a mapping in itself": (with_value("seed: 0", "&a {b: *a}"), "holds itself"),
    "merged with itself": (with_value("seed: 0", "&a {<<: *a}"), "holds itself"),
    "deep brackets": (with_value("seed: 0", "[" * 5_000), "deep"),
    "deeper than Python's stack likes": (with_value("seed: 0", "[" * 150 + "]" * 150), "deep"),
    "deep lines": (SAMPLE + "\n".join(" " * n + "x:" for n in range(1000)), "deep"),
    "hexadecimal digits": (with_value("seed: 0", "0x" + "f" * 200_000), "no number"),
    "decimal digits": (with_value("grad_clip: 35", "9" * 200_000), "no number"),
    "base 60": (with_value("seed: 0", ":".join(["1"] * 100_000)), "no number"),
    "two of a key": (SAMPLE + "seed: 1\n", "given twice"),
    "NUL": (SAMPLE + "\0", "UTF-8"),
    "large": (SAMPLE + "#" * 3_000_000, "too many"),
}


@pytest.mark.parametrize("case", NOT_YAML)
def test_endless_yaml_is_one_line(bounded, tmp_path, case):
    text, word = NOT_YAML[case]
    path = tmp_path / "c.yml"
    path.write_text(text)
    line = bounded.refusal(LOAD, str(path))
    assert line.startswith(str(path)) and word in line


@pytest.mark.parametrize("old", KEYS)
@pytest.mark.parametrize("value", ["0x" + "f" * 900, "x" * 100_000, f"[{'1, ' * 4_000}1]"])
def test_a_message_about_a_large_value_is_short(bounded, tmp_path, old, value):
    path = tmp_path / "c.yml"
    path.write_text(with_value(old, value))
    answer = bounded.call(LOAD, str(path))
    assert answer["error"] is None or answer["error"][0] == "NanodetError"
    assert answer["error"] is None or len(answer["error"][1]) < 2500


def test_files_of_class_names_are_read_as_carefully(bounded, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"")
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .1 .1\n")
    for text in ("names: *a39", "names: [*a39]", "names: [a]\nkpt_shape: *a39"):
        (tmp_path / "data.yaml").write_text(ALIASES + text)
        line = bounded.refusal(READ, "yolo", str(tmp_path / "images"), str(tmp_path / "labels"))
        assert "data.yaml" in line and "values" in line
