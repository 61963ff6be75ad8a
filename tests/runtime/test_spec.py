"""The spec: round trips, and one line for every way it can be wrong."""

import copy

import numpy as np
import pytest
from specs import NANODET_M

from nanodet.errors import NanodetError
from nanodet.files.files import replacing, write_text
from nanodet.runtime.spec import Spec

SPEC = Spec(
    class_names=("a", "Größe"), input_size=(512, 288), files={"m.bin": "0" * 64}, **NANODET_M
)


def test_a_spec_survives_its_file(tmp_path):
    SPEC.save(tmp_path / "m.json")
    assert Spec.load(tmp_path / "m.json") == SPEC


def paths(mapping, prefix=()):
    for key, value in mapping.items():
        yield (*prefix, key)
        if isinstance(value, dict) and key in ("input", "output", "thresholds"):
            yield from paths(value, (*prefix, key))


@pytest.mark.parametrize("path", list(paths(SPEC.to_dict())), ids=".".join)
@pytest.mark.parametrize(
    "wrong", ["missing", [[]], -(10**400), float("nan")], ids=["missing", "list", "huge", "nan"]
)
def test_every_key_is_checked(path, wrong):
    mapping = copy.deepcopy(SPEC.to_dict())
    inner = mapping
    for key in path[:-1]:
        inner = inner[key]
    if wrong == "missing":
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    with pytest.raises(NanodetError) as caught:
        Spec.from_dict(mapping, "m.json")
    assert str(caught.value).startswith("m.json: ")
    assert path[-1] in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("input.width", 0), ("input.fit", "crop"), ("input.colour_order", "hsv"), ("input.std", [1, 0, 1]),
        ("input.mean", [1, 2]), ("output.strides", [16, 8]), ("output.strides", []), ("output.reg_max", 0),
        ("thresholds.score", 2), ("thresholds.per_level", 0), ("class_names", []), ("format", 99),
    ],
)  # fmt: skip
def test_impossible_values_are_refused(key, value):
    mapping = SPEC.to_dict()
    *parents, last = key.split(".")
    inner = mapping
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(NanodetError, match=key):
        Spec.from_dict(mapping, "m.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_a_file_that_is_no_spec_is_one_line(tmp_path, text):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(NanodetError, match=r"m\.json"):
        Spec.load(tmp_path / "m.json")


def test_an_output_that_does_not_fit_says_what_was_expected():
    with pytest.raises(NanodetError) as caught:
        SPEC.check_output(np.zeros((10, 3), np.float32), (64, 64), "m.param")
    assert "10 x 3" in str(caught.value)
    assert f"{64 + 16 + 4} points x {2 + 32}" in str(caught.value)
    output = np.full((84, 34), np.nan, np.float32)
    with pytest.raises(NanodetError, match="finite"):
        SPEC.check_output(output, (64, 64), "m.param")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "first")

    class Broken(Exception):
        pass

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise Broken

    with pytest.raises(Broken):
        fail()
    assert path.read_text() == "first"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    with pytest.raises(NanodetError, match="folder"):
        write_text(path / "b.txt", "x")
