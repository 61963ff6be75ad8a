"""`nanodet adopt` of files that come with a spec."""

import json
import re

import pytest
from foreign_files import write_ncnn

from nanodet import NanodetError
from nanodet.adopt.adopt import adopt
from nanodet.adopt.facts import Facts
from nanodet.evaluate.calibrate import write_factors
from nanodet.evaluate.model_specs import change_specs
from nanodet.runtime.spec import Spec

NAMES = ("disc", "square", "Dreieck ü")


@pytest.fixture
def param(exported_small):
    return exported_small.files["ncnn fp32"]


def silent(line):
    pass


def test_a_spec_that_came_with_the_file_is_kept(param, tmp_path):
    made = write_ncnn(param, tmp_path, "six")
    facts = Facts(
        NAMES, fit="stretch", size=(128, 96), mean=(1, 2, 3), std=(4, 5, 6), colour_order="rgb",
        point_offset=0.25,
    )  # fmt: skip
    first = adopt(made, tmp_path / "first", facts, report=silent).path
    write_factors(first, (0.5, 1, 2))
    change_specs(first, "--wish", {"class_scores": (0.25, 0.5, 0.75)})
    lines = []
    second = adopt(first, tmp_path / "second", report=lines.append).path
    third = adopt(first, tmp_path / "third", Facts(fit="letterbox"), report=silent).path
    specs = [Spec.load(path.with_suffix(".json")) for path in (first, second, third)]
    kept = (
        "class_names", "mean", "std", "colour_order", "point_offset", "input_size", "edge_std_factors",
        "class_scores",
    )  # fmt: skip
    for key in kept:
        assert len({getattr(spec, key) for spec in specs}) == 1, key
    assert specs[0].class_scores == (0.25, 0.5, 0.75)
    assert [spec.fit for spec in specs] == ["stretch", "stretch", "letterbox"]
    assert lines[1] == "taken from its spec, as far as no option says otherwise"


def test_a_damaged_spec_is_refused_and_another_json_file_is_none(param, tmp_path):
    made = write_ncnn(param, tmp_path, "six")
    first = adopt(made, tmp_path / "first", Facts(NAMES, fit="stretch"), report=silent).path
    beside = first.with_suffix(".json")
    whole = json.loads(beside.read_text())
    for damaged in (json.dumps({**whole, "rewriting": 5}), beside.read_text()[:-9]):
        beside.write_text(damaged)
        with pytest.raises(NanodetError, match=re.escape(f"{beside}: ")):
            adopt(first, tmp_path / "second", report=silent)
    beside.write_text('{"license": "MIT"}')
    lines = []
    adopt(first, tmp_path / "second", Facts(NAMES), report=lines.append)
    assert "taken from its spec, as far as no option says otherwise" not in lines
