"""The JSON schema of the spec and `Spec` accept and refuse the same."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import NANODET_M

import nanodet.runtime.spec
from nanodet.errors import NanodetError
from nanodet.export.onnx_nms import boxes_spec
from nanodet.runtime.box_codes import Bins
from nanodet.runtime.fit import FITS
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import forms

jsonschema = pytest.importorskip("jsonschema")

SCHEMA = json.loads(Path(nanodet.runtime.spec.__file__).with_name("spec.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

numbers = st.floats(-1e4, 1e4, allow_nan=False)
names = st.text(min_size=1, max_size=8)
levels = st.dictionaries(st.integers(1, 1024), st.floats(1e-6, 1e6), min_size=1, max_size=16)
specs = st.builds(
    lambda levels, calibrated, form, layout, class_names, scores, **keys: Spec(
        class_names=class_names,
        class_scores=(
            tuple(scores[: len(class_names)])
            if scores and not (form == "boxes" and keys["class_agnostic_nms"])
            else None
        ),
        strides=tuple(sorted(levels)),
        form=form,
        layout="rows" if form == "boxes" else layout,
        edge_std_factors=tuple(levels.values()) if calibrated else None,
        **keys,
    ),
    levels=levels,
    calibrated=st.booleans(),
    class_names=st.lists(names, min_size=1, max_size=5).map(tuple),
    input_size=st.tuples(st.integers(32, 16384), st.integers(32, 16384)),
    fit=st.sampled_from(FITS),
    colour_order=st.sampled_from(["bgr", "rgb"]),
    mean=st.tuples(numbers, numbers, numbers),
    std=st.tuples(*[st.floats(1e-3, 1e4)] * 3),
    reg_max=st.integers(1, 256),
    bin_spacing=st.sampled_from([1.0, 0.5, 0.25]),
    point_offset=st.floats(-16, 16),
    form=st.sampled_from(sorted(forms())),
    layout=st.sampled_from(["rows", "maps"]),
    output_name=names,
    score=st.floats(0, 1),
    scores=st.none() | st.lists(st.floats(0, 1), min_size=5, max_size=5),
    nms_iou=st.floats(0, 1),
    per_level=st.integers(1, 10**9),
    per_picture=st.integers(1, 10**9),
    class_agnostic_nms=st.booleans(),
    batch=st.integers(1, 65536),
    any_size=st.booleans(),
    files=st.dictionaries(names, st.text("0123456789abcdef", min_size=64, max_size=64), max_size=2),
    source=st.dictionaries(names, st.integers(), max_size=2),
)


def accepts(mapping):
    try:
        Spec.from_dict(mapping, "m.json")
    except NanodetError:
        return False
    return True


def places(value, path=()):
    """Yield the path of everything in a JSON value, lists' items too."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, (dict, list)):
            yield from places(inner, (*path, key))
        else:
            yield (*path, key)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(specs)
def test_what_is_written_is_valid_and_read_again(spec):
    mapping = json.loads(json.dumps(spec.to_dict()))
    VALIDATOR.validate(mapping)
    assert Spec.from_dict(mapping, "m.json") == spec
    lowest = 4 if spec.bin_spacing != 1 else 3 if spec.class_agnostic_nms else 1
    lowest = lowest if spec.class_scores is None else 6
    assert mapping["format"] == max(lowest, forms()[spec.form], 5 if spec.layout == "maps" else 1)
    assert ("class_scores" in mapping["thresholds"]) == (spec.class_scores is not None)
    assert ("layout" in mapping["output"]) == (spec.layout == "maps")
    assert ("class_agnostic_nms" in mapping["thresholds"]) == spec.class_agnostic_nms


@given(specs, st.data())
def test_both_refuse_the_same(spec, data):
    mapping = json.loads(json.dumps(spec.to_dict()))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(sorted(places(mapping), key=str)))
        inner = mapping
        for key in path[:-1]:
            inner = inner[key]
        kind = data.draw(st.sampled_from(["other", "near", "missing", "more"]))
        if kind == "missing":
            del inner[path[-1]]
        elif kind == "more" and isinstance(inner, dict):
            inner[data.draw(names)] = 1
        elif kind == "near" and type(inner[path[-1]]) in (int, float):
            inner[path[-1]] += data.draw(st.sampled_from([-1, 1, 0.5, -(10**5), 10**5, 10**9]))
        else:
            values = (
                0,
                -1,
                1,
                2,
                1.0,
                0.5,
                3.5,
                10**12,
                True,
                None,
                "",
                "rgb",
                "boxes",
                [],
                {},
                [1, 2],
            )
            inner[path[-1]] = copy.deepcopy(data.draw(st.sampled_from(values)))
    # a schema cannot ask for an order, nor for lists of one length, nor for a whole quotient
    output = mapping.get("output", {}) if isinstance(mapping.get("output"), dict) else {}
    strides, factors = output.get("strides"), output.get("edge_std_factors")
    ordered = not isinstance(strides, list) or not all(
        isinstance(s, (int, float)) for s in strides
    ) or strides == sorted(strides)  # fmt: skip
    paired = (
        not isinstance(strides, list) or not isinstance(factors, list)
        or len(strides) == len(factors)
    )  # fmt: skip
    spacing, reg_max = output.get("bin_spacing", 1), output.get("reg_max")
    limits, classes = mapping.get("thresholds"), mapping.get("class_names")
    scores = limits.get("class_scores") if isinstance(limits, dict) else None
    paired &= (
        mapping.get("format") != 6 or not isinstance(scores, list) or not isinstance(classes, list)
        or len(scores) == len(classes)
    )  # fmt: skip
    whole = (
        mapping.get("format") not in (4, 5, 6)
        or not all(isinstance(v, (int, float)) and v > 0 for v in (spacing, reg_max))
        or not Bins(reg_max, spacing).problem
    )
    fits = ordered and paired and whole
    assert accepts(mapping) == (VALIDATOR.is_valid(mapping) and fits), mapping


@pytest.mark.parametrize(
    ("number", "form", "fine"),
    [(1, None, True), (1, "boxes", True), (2, None, False), (2, "distributions", True), (2, "boxes", True),
     (2, "masks", False), (3, "boxes", False), (2, "gaussians", False), (4, None, False),
     (4, "boxes", True), (5, "boxes", True), (6, "boxes", True), (7, "boxes", False), (0, None, False),
     ("1", None, False)],
)  # fmt: skip
def test_formats(number, form, fine):
    mapping = boxes_spec(Spec(("a",), **NANODET_M)).to_dict()
    mapping["format"] = number
    mapping["output"].pop("form")
    if form is not None:
        mapping["output"]["form"] = form
    assert accepts(mapping) == VALIDATOR.is_valid(mapping) == fine
    if fine:
        expected = "boxes" if number in (2, 4, 5, 6) and form == "boxes" else "distributions"
        assert Spec.from_dict(mapping, "m.json").form == expected


@pytest.mark.parametrize(
    ("number", "value", "fine"),
    [(1, True, False), (2, True, False), (2, "yes", False), (3, True, True), (3, False, False),
     (3, 1, None), (3, None, None), (4, True, True), (4, 1, None)],
)  # fmt: skip
def test_class_agnostic_nms_is_of_format_3(number, value, fine):
    """``fine``: what is read; None where it is refused."""
    mapping = Spec(("a",), class_agnostic_nms=True, **NANODET_M).to_dict() | {"format": number}
    mapping["thresholds"]["class_agnostic_nms"] = value
    assert accepts(mapping) == VALIDATOR.is_valid(mapping) == (fine is not None)
    if fine is not None:
        assert Spec.from_dict(mapping, "m.json").class_agnostic_nms == fine


def test_a_reader_of_lower_formats_refuses_higher_ones_in_one_line():
    assert boxes_spec(Spec(("a",), **NANODET_M)).to_dict()["format"] == 2
    assert Spec(("a",), class_agnostic_nms=True, **NANODET_M).to_dict()["format"] == 3
    assert Spec(("a",), bin_spacing=0.5, **NANODET_M).to_dict()["format"] == 4
    assert Spec(("a",), layout="maps", **NANODET_M).to_dict()["format"] == 5
    assert Spec(("a",), class_scores=(0.5,), **NANODET_M).to_dict()["format"] == 6
    mapping = {**Spec(("a",), **NANODET_M).to_dict(), "format": 7}
    with pytest.raises(
        NanodetError,
        match=r"m\.json: format: 7 is not known; this version reads 1, 2, 3, 4, 5 and 6",
    ):
        Spec.from_dict(mapping, "m.json")


@pytest.mark.parametrize(
    ("number", "form", "agnostic", "scores", "read"),
    [(6, "distributions", True, [0, 0.5], (0.0, 0.5)), (6, "boxes", False, [1, 0.5], (1.0, 0.5)),
     (5, "distributions", False, [0.1, 0.5], None), (5, "boxes", True, ["x"], None),
     (6, "boxes", True, [0.1, 0.5], "class-agnostic NMS"), (6, "distances", False, [0.1, 1.5], "0 to 1"),
     (6, "distances", False, [0.1, "x"], "a number"), (6, "distances", False, 0.5, "list")],
)  # fmt: skip
def test_class_scores_are_of_format_6(number, form, agnostic, scores, read):
    """``read``: what is read; a text for why it is refused."""
    mapping = boxes_spec(Spec(("a", "b"), class_agnostic_nms=agnostic, **NANODET_M)).to_dict()
    mapping |= {"format": number}
    mapping["output"]["form"] = form
    mapping["thresholds"]["class_scores"] = scores
    assert VALIDATOR.is_valid(mapping) == (not isinstance(read, str))
    if not isinstance(read, str):
        assert Spec.from_dict(mapping, "m.json").class_scores == read
        return
    with pytest.raises(NanodetError, match=rf"m\.json: thresholds\.class_scores.*{read}"):
        Spec.from_dict(mapping, "m.json")


def test_there_is_one_class_score_for_each_class():
    mapping = Spec(("a", "b"), class_scores=(0.5, 0.5), **NANODET_M).to_dict()
    mapping["thresholds"]["class_scores"].append(0.5)
    with pytest.raises(NanodetError, match=r"class_scores: must be 2 numbers, one per class"):
        Spec.from_dict(mapping, "m.json")


@pytest.mark.parametrize(
    ("number", "form", "layout", "read"),
    [(5, "distributions", "maps", "maps"), (5, "gaussians", "maps", "maps"), (5, "distances", "rows", "rows"),
     (4, "distributions", "maps", "rows"), (5, "boxes", "rows", "rows"), (5, "boxes", "maps", None),
     (5, "distributions", "columns", None), (5, "distributions", 1, None)],
)  # fmt: skip
def test_the_layout_is_of_format_5(number, form, layout, read):
    """``read``: what is read; None where it is refused."""
    mapping = boxes_spec(Spec(("a",), **NANODET_M)).to_dict() | {"format": number}
    mapping["output"] |= {"form": form, "layout": layout}
    assert accepts(mapping) == VALIDATOR.is_valid(mapping) == (read is not None)
    if read is not None:
        assert Spec.from_dict(mapping, "m.json").layout == read


def test_a_quality_is_of_format_4_and_complete():
    quality = QualityPredictor(1, 2, tuple([0.5] * 16), (0.0, 1.0), (0.25, -1.5), 0.125)
    spec = Spec(("a",), quality=quality, **NANODET_M)
    mapping = json.loads(json.dumps(spec.to_dict()))
    assert mapping["format"] == 4 and Spec.from_dict(mapping, "m.json") == spec
    VALIDATOR.validate(mapping)
    assert Spec.from_dict(mapping | {"format": 2}, "m.json").quality is None
    for key, value, line in (
        ("topk", 0, "topk: must be 1 to 8"), ("topk", 9, "topk: must be 1 to 8"),
        ("hidden", 4097, "hidden: must be 1 to 4096"), ("hidden", 1, "hidden_weight: must have 8"),
        ("hidden_bias", [0.5], "hidden_bias: must have 2"),
        ("output_weight", [1.0, 1e7], "output_weight: must be -1000000 to 1000000"),
        ("output_bias", "x", "output_bias: "),
    ):  # fmt: skip
        wrong = copy.deepcopy(mapping)
        wrong["output"]["quality"][key] = value
        with pytest.raises(NanodetError, match=rf"m\.json: output\.quality\.{line}"):
            Spec.from_dict(wrong, "m.json")
    del mapping["output"]["quality"]["output_bias"]
    assert not accepts(mapping) and not VALIDATOR.is_valid(mapping)


def properties(schema, path=()):
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner
        yield from properties(inner, (*path, key))


def test_every_key_is_described_here_and_in_the_docs(root):
    described = {path: inner for path, inner in properties(SCHEMA)}
    more = {"class_agnostic_nms": True, "batch": 2, "edge_std_factors": (1.0, 2.0, 0.5)}
    written = boxes_spec(Spec(("a",), **more, **NANODET_M)).to_dict()
    rewriting = {"rewriting": {}}
    spaced = Spec(("a",), bin_spacing=0.5, layout="maps", **rewriting, **NANODET_M).to_dict()
    scored = Spec(("a",), class_scores=(0.5,), **NANODET_M).to_dict()
    paths = {*places(written), *places(spaced), *places(scored), ("output", "quality")}
    keys = {path for path in paths if all(isinstance(key, str) for key in path)}
    assert set(described) == keys
    assert all(inner.get("description", "").endswith(".") for inner in described.values())
    text = (root / "docs" / "spec.md").read_text(encoding="utf-8")
    for path in keys - {("input",), ("output",), ("thresholds",)}:
        name = ".".join(path)
        assert f"`{name}`" in text or (path[0] == "thresholds" and f"`{path[1]}`" in text), name


def test_exported_files_are_valid(exported_small):
    for path in exported_small.files.values():
        beside = path.with_suffix(".json")
        if beside.is_file():
            VALIDATOR.validate(json.loads(beside.read_text(encoding="utf-8")))
