"""What is to be timed: sizes, names, efforts, and what is refused."""

import pytest

from nanodet.bench.plan import STANDARD, STRICT, effort_of, plan_entries, split_size
from nanodet.errors import NanodetError
from nanodet.runtime.engines.ncnn import has_fp16_arithmetic

GRAPH = "7767517\n2 2\nInput in 0 1 data\nReLU relu 1 1 data out\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.param", "b.param", "sub/a.param", "a.onnx", "odd@320x320.param"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(GRAPH)
    return tmp_path


def refusal(*arguments):
    with pytest.raises(NanodetError) as caught:
        plan_entries(*arguments)
    return str(caught.value)


def test_every_model_is_timed_with_every_thread_count_and_precision(folder):
    a, b, onnx = folder / "a.param", folder / "b.param", folder / "a.onnx"
    entries = plan_entries(
        [f"{b}@416x320", str(onnx)], [(str(a), (64, 32))], (1, 2), ("fp32", "bf16")
    )
    seen = [(e.path, e.size, e.graph, e.threads, e.precision) for e in entries]
    assert seen == [
        (str(b), (416, 320), False, 1, "fp32"), (str(b), (416, 320), False, 1, "bf16"),
        (str(b), (416, 320), False, 2, "fp32"), (str(b), (416, 320), False, 2, "bf16"),
        (str(onnx), None, False, 1, "fp32"), (str(onnx), None, False, 2, "fp32"),
        (str(a), (64, 32), True, 1, "fp32"), (str(a), (64, 32), True, 1, "bf16"),
        (str(a), (64, 32), True, 2, "fp32"), (str(a), (64, 32), True, 2, "bf16"),
    ]  # fmt: skip
    assert len({entry.label for entry in entries}) == len(entries)


def test_names_are_as_short_as_they_can_be(folder):
    paths = [str(folder / name) for name in ("a.param", "b.param", "sub/a.param", "a.onnx")]
    assert [e.name for e in plan_entries(paths)] == [paths[0], "b", paths[2], "a.onnx"]
    sizes = [f"{paths[1]}@{side}x{side}" for side in (64, 96)]
    assert [e.name for e in plan_entries(sizes)] == ["b", "b"]


def test_a_size_behind_a_file_name(folder):
    odd = folder / "odd@320x320.param"
    assert split_size("m.param@416x320") == ("m.param", (416, 320))
    assert split_size(str(odd)) == (str(odd), None)
    assert split_size(f"{odd}@64x32") == (str(odd), (64, 32))
    assert split_size("me@home/m.param") == ("me@home/m.param", None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, STANDARD),
        ({"strict": True}, STRICT),
        ({"runs": 1024, "seconds": 60.0}, STRICT),
        ({"runs": 500}, (500, 10.0, "standard")),
        ({"strict": True, "seconds": 20.0}, (1024, 20.0, "standard")),
        ({"runs": 99}, (99, 10.0, "quick")),
        ({"seconds": 9.9}, (100, 9.9, "quick")),
    ],
)
def test_less_than_standard_is_called_quick(options, expected):
    effort = effort_of(**options)
    assert (effort.runs, effort.seconds, effort.name) == (
        expected
        if isinstance(expected, tuple)
        else (expected.runs, expected.seconds, expected.name)
    )
    assert (effort.warmup_runs, effort.warmup_s) == (10, 1.0)


def test_refusals_name_the_file_and_what_is_wrong(folder):
    a, onnx = str(folder / "a.param"), str(folder / "a.onnx")
    (folder / "x.tflite").write_text("")
    (folder / "bad.param").write_text("7767517\n1 1\n")
    assert "nothing to time" in refusal([])
    assert refusal([f"{folder}/no.param"]) == f"{folder}/no.param: there is no such model file"
    assert "x.tflite: unknown kind of model" in refusal([str(folder / "x.tflite")])
    assert "multiples of 32" in refusal([f"{a}@100x100"])
    assert "no.param: cannot read this model" in refusal([], [("no.param", (64, 64))])
    assert "bad.param: has 0 layers" in refusal([], [(str(folder / "bad.param"), (64, 64))])
    assert "precision: must be one of fp32" in refusal([a], (), (1,), ("int4",))
    assert refusal([onnx, a], (), (1,), ("bf16",)).startswith(f"precision: {onnx} is calculated in")
    assert "is to be timed twice" in refusal([a, a])
    if not has_fp16_arithmetic():
        assert "this CPU has no 16-bit" in refusal([a], (), (1,), ("fp32", "fp16"))
