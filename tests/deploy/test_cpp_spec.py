"""The C++ side reads and refuses the same specs as Python."""

import copy
import dataclasses
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probe import ProbeError
from specs import NANODET_M

from nanodet.errors import NanodetError
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec

SPEC = Spec(
    class_names=("a", "Größe"), input_size=(512, 288), files={"m.bin": "0" * 64}, **NANODET_M
)
FULL = dataclasses.replace(  # has the keys of all formats
    SPEC, class_agnostic_nms=True, bin_spacing=0.5, edge_std_factors=(0.5, 1.0, 2.0),
    layout="maps", class_scores=(0.25, 0.75),
    quality=QualityPredictor(1, 1, (0.5,) * 8, (-1.0,), (2.0,), 3.0),
)  # fmt: skip
SHORT = (  # float32 in C++
    "mean", "std", "edge_std_factors", "class_scores", "hidden_weight", "hidden_bias", "output_weight",
    "output_bias",
)  # fmt: skip


def both(probe, text):
    """Return what C++ and Python say of a spec: a dict or a message each."""
    try:
        found = probe.ask("spec", text.encode())[0]
    except ProbeError as error:
        found = str(error)
    try:
        expected = Spec.from_json(text, "spec.json")
    except NanodetError as error:
        return found, str(error)
    return found, {key: getattr(expected, key) for key in found} if isinstance(
        found, dict
    ) else expected


def compare(probe, mapping):
    """Check that C++ reads the same values, or gives the same message to the letter."""
    found, expected = both(probe, json.dumps(mapping))
    if isinstance(found, dict) and isinstance(expected, dict):
        for key, value in expected.items():
            assert_same(found[key], value, key)
        return
    if ": format: " in str(expected) and " is not known" in str(expected):
        # C++ clips the number to an int
        found, expected = found.split()[::3], expected.split()[::3]
    assert found == expected


def assert_same(found, value, key):
    """Assert that a value of C++ is Python's; of a predictor each."""
    if isinstance(value, QualityPredictor):
        for name, one in dataclasses.asdict(value).items():
            assert_same(found[name], one, name)
        return
    value = list(value) if isinstance(value, tuple) else value
    assert found == (pytest.approx(value, rel=1e-6) if key in SHORT and value else value), key


def leaves(mapping, prefix=()):
    """Yield the path of every key."""
    for key, value in mapping.items():
        yield (*prefix, key)
        if isinstance(value, dict) and key in ("input", "output", "thresholds", "quality"):
            yield from leaves(value, (*prefix, key))


def changed(path, value):
    """Return the JSON of FULL with another value at a path; a missing key for ``KeyError``."""
    mapping = copy.deepcopy(FULL.to_dict())
    inner = mapping
    for key in path[:-1]:
        inner = inner[key]
    if value is KeyError:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return mapping


def test_a_sound_spec(probe):
    compare(probe, SPEC.to_dict())
    compare(probe, FULL.to_dict())
    boxes = Spec(class_names=("a",), form="boxes", fit="stretch", class_scores=(0.5,), **NANODET_M)
    compare(probe, boxes.to_dict())
    boxes.class_agnostic_nms = True
    compare(probe, boxes.to_dict())


def test_names_are_as_long_and_values_as_deep(probe):
    specs = [changed(("class_names",), [name, "b"]) for name in ("ä" * 500, "ä" * 501)]
    for levels in (98, 99, 100, 101):
        value = "x"
        for _ in range(levels):
            value = {"a": value}
        specs.append(changed(("source",), value))
    for spec in specs:
        compare(probe, spec)
    refused = [isinstance(both(probe, json.dumps(spec))[1], str) for spec in specs]
    assert refused == [False, True, False, False, True, True]


VALUES = [
    KeyError, None, True, "", "rgb", 0, -1, 1, 2, 3.5, 8.0, 1e9, 1e300, -(2**63), 2**64, 10**30, -(10**40),
    [], [1, 2, 3], [0.5, 1e-4, 2.0], ["a", 1], [[]], {}, {"a": "b"}, {"a": "0" * 64},
]  # fmt: skip


@pytest.mark.parametrize("path", list(leaves(FULL.to_dict())), ids=".".join)
def test_every_key_with_every_kind_of_value(probe, path):
    for value in VALUES:
        compare(probe, changed(path, value))


@settings(max_examples=150)
@given(
    path=st.sampled_from(list(leaves(FULL.to_dict()))),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
)  # fmt: skip
def test_any_value(probe, path, value):
    compare(probe, changed(path, value))


@settings(max_examples=150)
@given(at=st.integers(0, 2000), length=st.integers(0, 40), put=st.binary(max_size=8))
def test_damaged_text(probe, at, length, put):
    """C++ reads UTF-8 and JSON as strictly as Python does, and never ends the process."""
    text = json.dumps(SPEC.to_dict(), ensure_ascii=False).encode()
    at %= len(text)
    damaged = text[:at] + put + text[at + length :]
    try:
        expected = Spec.from_json(damaged.decode(), "spec.json") is not None
    except (NanodetError, UnicodeDecodeError):
        expected = False
    try:
        found = probe.ask("spec", damaged)[0] is not None
    except ProbeError as error:
        assert str(error).startswith("spec.json: ")
        found = False
    assert found == expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "1", '"text"', "{}", "[" * 100_000, '{"a":' * 100_000,
     json.dumps(SPEC.to_dict()).replace('"measured": {}', '"measured": {"AP": NaN}'),
     "\ufeff" + json.dumps(SPEC.to_dict()),
     '{"source":' + "[" * 2000 + "]" * 2000 + "}", "9" * 100_000, '{"format": 1e999}', "\0" * 50,
     json.dumps(SPEC.to_dict()) + "\0 more", json.dumps(SPEC.to_dict())[:-1] + ', "x": [1e999]}'],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_no_spec(probe, text):
    with pytest.raises(NanodetError, match=r"^spec\.json: "):
        Spec.from_json(text, "spec.json")
    with pytest.raises(ProbeError, match=r"^spec\.json: "):
        probe.ask("spec", text.encode())


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_003])
def test_sha256(probe, size):
    data = bytes(i * 7 % 251 for i in range(size))
    assert probe.ask("sha256", data)[0]["sha256"] == hashlib.sha256(data).hexdigest()
