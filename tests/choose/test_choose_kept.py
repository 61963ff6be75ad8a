"""What an earlier run of ``nanodet choose`` left, and when it is made anew."""

import dataclasses
import json
import os

import numpy as np
import pytest
from choosing import QUICK, chosen, given_truth

from nanodet.choose import measure
from nanodet.choose.candidates import find_candidates
from nanodet.choose.files import Making, ModelFile, make_files
from nanodet.choose.sets import truth_key
from nanodet.choose.times import TimingOptions, time_files, timed_before
from nanodet.errors import NanodetError
from nanodet.quantize.quantize import NothingToQuantise


def test_the_best_within_the_budget_and_what_is_kept(models, data, tmp_path, timed):
    lines = []
    first = chosen(models, data, tmp_path / "out", lines)
    by_name = {one.name: one for one in first.choices}
    assert set(by_name) == {"whole fp32", "half fp32"}
    # the annotations are what "whole" finds with higher scores
    assert by_name["whole fp32"].ap.value > by_name["half fp32"].ap.value
    assert by_name["half fp32"].ms < by_name["whole fp32"].ms
    assert first.recommendation.choice.name == "whole fp32"
    # of so few images AP may be anything, and one line says so
    (line,) = [one for one in first.notes if "fewer than 10 images have objects" in one]
    assert line in lines and all((one.ap.low, one.ap.high) == (0, 100) for one in first.choices)
    assert any("do not show that its AP is lower" in one for one in first.recommendation.reasons)
    page = (tmp_path / "out" / "choose.html").read_text(encoding="utf-8")
    assert "<b>Take whole fp32</b>" in page and "data:image/png" in page
    result = json.loads((tmp_path / "out" / "choose.json").read_text())
    (best,) = [one for one in result["choices"] if one["recommended"]]
    assert best["file"] == models[0] and best["ap"]["low"] <= best["ap"]["value"]
    before = (tmp_path / "out" / "bench.json").read_bytes()
    again = chosen(models, data, tmp_path / "out")
    assert again.choices == first.choices
    assert (tmp_path / "out" / "bench.json").read_bytes() == before
    assert len(timed[0]) == 1
    faster = (by_name["half fp32"].ms + by_name["whole fp32"].ms) / 2
    assert chosen(models, data, tmp_path / "out", budget=faster).recommendation.choice.name == (
        "half fp32"
    )


def test_what_was_kept_and_is_damaged_is_made_again(models, data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = chosen(models, data, out)
    report = json.loads((out / "bench.json").read_text())
    timed, measured = [], []
    monkeypatch.setattr("nanodet.choose.times.bench", lambda *_, **__: timed.append(1) or report)
    detect = measure.detect_all
    monkeypatch.setattr(measure, "detect_all", lambda *a: measured.append(1) or detect(*a))
    (found,) = (out / "models" / "whole").glob("*.npz")
    with np.load(found) as file:
        arrays = dict(file)
    for damaged in (
        {"counts": arrays["counts"][1:]}, {"counts": arrays["counts"] + 1}, {"xyxy": arrays["xyxy"][:-1]},
        {"confidence": np.ones(3)}, None, b"PK",
    ):  # fmt: skip
        whole = found.read_bytes()
        if isinstance(damaged, dict):
            np.savez(found, **arrays | damaged)
        else:
            found.write_bytes(damaged or whole[: len(whole) // 2])
        truth = given_truth(data, models[0])
        (one,) = find_candidates(models[:1], [], tmp_path).all
        measure.detect_or_read(ModelFile(one, "fp32", one.model), truth, found.parent)
    assert len(measured) == 6
    results = [one | {"times_us": {}} for one in report["results"]]
    for damaged in ("[]", "{", json.dumps(report | {"results": results}),
                    json.dumps({k: v for k, v in report.items() if k != "machine"})):  # fmt: skip
        (out / "bench.json").write_text(damaged)
        (out / "models" / "whole" / "made.json").write_text(damaged)
        assert chosen(models, data, out).choices == first.choices
    assert len(timed) == 4 and len(measured) == 6


def test_times_that_were_disturbed_or_are_of_another_machine_are_not_kept(models, tmp_path, timed):
    calls, doubts = timed
    found = find_candidates(models, [], tmp_path).all
    files = [ModelFile(one, "fp32", one.model) for one in found]

    def times():
        return time_files(files, QUICK, "a.jpg", tmp_path)

    doubts.append("too hot")
    assert times().doubts == ("too hot",)
    doubts.clear()
    assert not times().doubts and len(calls) == 2
    assert times().kept and len(calls) == 2
    path = tmp_path / "bench.json"
    report = json.loads(path.read_text())
    report["machine"]["soc"] = "another"
    path.write_text(json.dumps(report))
    assert not times().kept and len(calls) == 3


def test_images_that_are_read_in_another_orientation_are_detected_again(models, data):
    truth = given_truth(data, models[0])
    keys = [truth_key(truth)]
    for change in ({"turned": False}, {"width": 1, "height": 2}):
        pictures = [dataclasses.replace(truth.pictures[0], **change), *truth.pictures[1:]]
        keys.append(truth_key(dataclasses.replace(truth, pictures=pictures)))
    assert len(set(keys)) == 3
    box = truth.pictures[0].boxes + 1
    moved = [dataclasses.replace(truth.pictures[0], boxes=box), *truth.pictures[1:]]
    other = dataclasses.replace(truth, pictures=moved)
    assert truth_key(other) == keys[0]  # detections do not depend on the labels, a training does
    assert truth_key(other, labels=True) != truth_key(truth, labels=True)
    first = truth.pictures[0]  # its objects are called difficult
    ignored = dataclasses.replace(
        first, boxes=first.boxes[:0], labels=first.labels[:0], ignored=first.boxes,
        ignored_labels=first.labels,
    )  # fmt: skip
    difficult = dataclasses.replace(truth, pictures=[ignored, *truth.pictures[1:]])
    assert truth_key(difficult, labels=True) != truth_key(truth, labels=True)
    os.utime(truth.pictures[0].path)
    assert truth_key(truth) != keys[0]
    assert truth_key(other, labels=True) != truth_key(truth, labels=True)


def test_the_device_is_not_tried_again_if_the_times_are_there(models, tmp_path):
    words = ("--target", "ssh:pi@board")
    timing = TimingOptions(1, QUICK.effort, words=words)
    assert not timed_before(timing, tmp_path)
    undisturbed = {"results": [], "throttling": {"reasons": []}}
    (tmp_path / "bench.json").write_text(
        json.dumps({"command": timing.command([], "a b.jpg"), **undisturbed})
    )
    assert timed_before(timing, tmp_path)
    for other in (("--target", "ssh:pi@other"), words[:0], (*words, "--program", "bench")):
        assert not timed_before(TimingOptions(1, QUICK.effort, words=other), tmp_path)


@pytest.mark.parametrize(
    ("error", "kept"), [(NothingToQuantise("slower"), True), (NanodetError("no images"), False)]
)
def test_int8_that_failed_for_want_of_data_is_tried_again(
    models, tmp_path, monkeypatch, error, kept
):
    tried = []

    def quantize(*arguments, **options):
        tried.append(arguments)
        raise error

    monkeypatch.setattr("nanodet.choose.files.quantize", quantize)
    (one,) = find_candidates(models[:1], [], tmp_path).all
    for _ in range(2):
        made, notes = make_files(one, tmp_path, Making("any"), lambda line: None)
        assert [file.form for file in made] == ["fp32"] and str(error) in notes[0]
    assert len(tried) == (1 if kept else 2)


def test_another_config_makes_the_files_anew(models, tmp_path):
    (one,) = find_candidates(models[:1], [], tmp_path).all
    config, said = tmp_path / "my.yml", []
    for text, kept in (("a: 1", False), ("a: 1", True), ("a: 2", False)):
        config.write_text(text)
        said.clear()
        make_files(one, tmp_path, Making("any", int8=False, config=str(config)), said.append)
        assert bool(said) == kept


def test_other_data_choose_the_int8_layers_anew(models, tmp_path):
    (one,) = find_candidates(models[:1], [], tmp_path).all
    said = []
    for key, kept in (("a", False), ("a", True), (None, True), ("b", False)):
        said.clear()
        make_files(one, tmp_path, Making("any", int8=False), said.append, key)
        assert bool(said) == kept
