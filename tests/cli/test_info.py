"""``nanodet info``: an option that means nothing for a file is an error."""

import pytest
import yaml
from specs import NANODET_M

from nanodet.cli.info import _onnx_parameters, _scores
from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.export.stages import SIMPLIFIED
from nanodet.runtime.spec import Spec


@pytest.mark.parametrize("name", ["c.yml", "m.onnx", "m.param"])
def test_config_is_for_checkpoints(name, tmp_path, capsys):
    (tmp_path / name).touch()
    assert main(["info", str(tmp_path / name), "--config", "nothing"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nanodet: error: --config: ") and name in line


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.train.name", "LVIS", "'LVIS' is not supported; known: CocoDataset"),
        ("device.precision", 8, "8 is not supported; known: 32, 32-true, 16"),
        ("device.strategy", "x", "'x' is not known to Lightning; known: auto, "),
        (
            "schedule.optimizer.param_level_cfg", {"bakbone": {"lr_mult": 0.1}},
            "bakbone: the network has no such part",
        ),
    ],
)  # fmt: skip
def test_a_config_is_refused_as_a_training_refuses_it(root, tmp_path, capsys, key, value, words):
    mapping = yaml.safe_load((root / "config" / "nanodet-m_bccd.yml").read_text())
    mapping["save_dir"] = str(tmp_path / "run")
    section = mapping
    for name in key.split(".")[:-1]:
        section = section[name]
    section[key.split(".")[-1]] = value
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump(mapping))
    for verb in ("info", "train"):
        if verb == "train" and "param_level" in key:
            continue  # after its images
        assert main([verb, str(path)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"nanodet: error: {path}: {key}") and words in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "more",
    [
        b"\x88\x80\x80\x80\x10\x08",  # the number of a field in more than 32 bits
        b"\x88\x80\x80\x80\x80\x00\x08",  # in more bytes than it needs
        b"\x3a\x0b\x2a\x09\x10\x01\x42\x01x\x22\x02ab",  # two bytes of numbers of four
        b"\x32\x7f",  # less text than is said
    ],
)
def test_an_onnx_file_that_engines_read_and_others_do_not(exported_small, tmp_path, more):
    path = tmp_path / "m.onnx"
    path.write_bytes(exported_small.files[SIMPLIFIED].read_bytes() + more)
    with pytest.raises(NanodetError, match=r"m\.onnx: cannot be taken apart"):
        _onnx_parameters(path)


def test_scores_per_class_are_shown_from_the_lowest_to_the_highest():
    spec = Spec(("a", "b"), score=0.3, **NANODET_M)
    shown = []
    for scores in (None, (0.5, 0.5), (0.25, 0.5)):
        spec.class_scores = scores
        shown.append(_scores(spec))
    assert shown == ["0.3", "0.5", "0.25 to 0.5, by class"]
