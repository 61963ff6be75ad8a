"""Standard deviations against true errors: figures worked out by hand, and factors that are known."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import NANODET_M

from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.calibrate import calibrate, check_calibratable, fit_factors, write_factors
from nanodet.evaluate.correlation import rank_correlation
from nanodet.evaluate.evaluate import evaluate
from nanodet.evaluate.uncertainty import (
    Edges,
    format_uncertainty,
    matched_edges,
    measure,
)
from nanodet.files.files import sha256, write_text
from nanodet.runtime.detections import Detections
from nanodet.runtime.detector import Detector
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds
from nanodet.verify.specs import DECODING, LAYOUT, PREPROCESSING, differing_beside, differing_keys

STRIDES = (8, 16, 32)
ABOVE = Thresholds(score=0.3)


def edges(error, std, level=None):
    level = np.zeros(len(error)) if level is None else level
    arrays = (np.asarray(values, np.float64) for values in (error, std))
    return Edges(*arrays, np.asarray(level, np.int64), 0, len(error) // 4, 0.3)


def image(boxes, labels, size=(100, 80)):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Picture(Path("a.jpg"), 1, *size, boxes, np.asarray(labels), np.ones(len(boxes)))


def data(*pictures):
    return Annotations(("a", "b"), (1, 2), list(pictures))


def found(boxes, scores, labels, std=1.0, level=0):
    count = len(scores)
    return Detections(
        boxes, scores, labels, edge_std=np.full((count, 4), std), level=np.full(count, level)
    )


def test_coverage_worked_out_by_hand():
    """Errors of 0.5, 1, 1.5 and 3 sigma on one level; exactly 1 sigma is within."""
    result = measure(edges([1, -2, 3, -6, 5], [2, 2, 2, 2, 10], [0, 0, 0, 0, 2]), STRIDES)
    assert result.coverage == (5, 0.6, 0.8)
    assert result.per_level == {8: (4, 0.5, 0.75), 16: (0, None, None), 32: (1, 1.0, 1.0)}
    shown = format_uncertainty(result)
    assert "     8       4   50.0 %   75.0 %" in shown and "    16       0        -" in shown


def test_deciles_and_ratio_worked_out_by_hand():
    """Twenty edges in no order: two to a decile, whose mean errors are 1, 2, ..., 10."""
    std = np.arange(20.0)
    error = np.repeat(np.arange(1.0, 11), 2) + np.tile([-0.5, 0.5], 10)
    order = np.random.default_rng(0).permutation(20)
    result = measure(edges(error[order], std[order]), STRIDES)
    assert [group.edges for group in result.deciles] == [2] * 10
    assert [group.mean_error for group in result.deciles] == list(range(1, 11))
    assert [group.mean_std for group in result.deciles] == [0.5 + 2 * i for i in range(10)]
    assert result.ratio == 10
    few = measure(edges([1, 2], [1, 2]), STRIDES)
    assert len(few.deciles) == 2 and few.ratio == 2


def test_nothing_matched_has_no_figures():
    result = measure(matched_edges(data(), [], ABOVE), STRIDES)
    assert (result.edges, result.coverage.one_sigma, result.ratio) == (0, None, None)
    assert result.deciles == [] and result.rank_correlation is None
    json.dumps(result.to_dict(), allow_nan=False)
    text = format_uncertainty(result)
    assert "0 detections" in text and text.endswith(
        "no detection above the score matches an object"
    )


def test_rank_correlation_worked_out_by_hand():
    assert rank_correlation(np.array([1, 2, 3]), np.array([10, 100, 101])) == pytest.approx(1)
    assert rank_correlation(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    # ranks 1 2 3 4 and 1.5 1.5 3 4: covariance 1.125, variances 1.25 and 1.125
    tied = rank_correlation(np.array([1.0, 2, 3, 4]), np.array([5.0, 5, 6, 7]))
    assert tied == pytest.approx(1.125 / (1.25 * 1.125) ** 0.5)
    assert rank_correlation(np.array([1.0, 1]), np.array([1.0, 2])) is None


def test_matching_is_greedy_within_the_class_and_above_the_score():
    picture = image([[10, 10, 50, 50], [60, 10, 90, 40]], [0, 1])
    boxes = [[12, 10, 50, 49], [10, 10, 50, 50], [60, 10, 90, 40], [60, 10, 90, 40]]
    detections = found(boxes, [0.9, 0.8, 0.7, 0.2], [0, 0, 0, 1])
    result = matched_edges(data(picture), [detections], ABOVE)
    # the second has no object left, the third is of another class, the fourth below the score
    assert result.boxes == 1
    assert result.error.tolist() == [-2, 0, 0, -1]  # 2 too far inside at the left, 1 at the bottom


def test_edges_count_above_the_threshold_of_their_class():
    picture = image([[10, 10, 50, 50], [60, 10, 90, 40]], [0, 1])
    detections = [found([[10, 10, 50, 50], [60, 10, 90, 40]], [0.5, 0.25], [0, 1])]
    for scores, boxes in (((0.5, 0.25), 0), ((0.45, 0.25), 1), ((0.6, 0.2), 1), ((0.4, 0.2), 2)):
        result = matched_edges(
            data(picture), detections, Thresholds(score=0.3, class_scores=scores)
        )
        assert result.boxes == boxes
    one = matched_edges(data(picture), detections, Thresholds(score=0.25))
    assert (one.boxes, one.score, result.score) == (1, 0.25, None)
    assert "above the threshold of their class" in format_uncertainty(measure(result, STRIDES))
    assert "above 0.25" in format_uncertainty(measure(one, STRIDES))


def test_clipped_edges_are_left_out_and_counted():
    picture = image([[0, 10, 60, 80]], [0])
    result = matched_edges(data(picture), [found([[0, 12, 64, 80]], [0.9], [0], 3, 1)], ABOVE)
    assert result.at_border == 2
    assert result.error.tolist() == [-2, 4] and result.std.tolist() == [3, 3]
    assert result.level.tolist() == [1, 1]
    # the object is cut off, the detected edge is not
    result = matched_edges(data(picture), [found([[1, 12, 64, 79]], [0.9], [0])], ABOVE)
    assert result.at_border == 0 and result.error.tolist() == [-1, -2, 4, -1]


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0.05, 20), min_size=3, max_size=3))
def test_calibration_finds_a_known_factor(seed, factors):
    rng = np.random.default_rng(seed)
    level = np.repeat(np.arange(3), 2000)
    std = rng.uniform(0.5, 50, len(level))
    made = edges(rng.normal(0, std * np.array(factors)[level]), std, level)
    fitted = fit_factors(made, 3)
    np.testing.assert_allclose(fitted, factors, rtol=0.15)
    result = measure(made.scaled(fitted), STRIDES)
    for one in (result.coverage, *result.per_level.values()):
        assert one.one_sigma == pytest.approx(0.6827, abs=1e-3)


def test_a_level_of_few_edges_gets_the_factor_of_all():
    error = np.concatenate([np.full(200, 2.0), np.full(10, 50.0)])
    made = edges(error, np.ones(210), [0] * 200 + [2] * 10)
    assert fit_factors(made, 3, fewest=11) == (2, 2, 2)
    assert fit_factors(made, 3, fewest=10) == (2, 2, 50)
    assert fit_factors(made, 3, fewest=211) is None
    assert fit_factors(edges(np.ones(60), np.zeros(60)), 1) is None  # no factor covers them
    assert fit_factors(edges(np.zeros(60), np.ones(60)), 1) is None


def many(count, std=1.0):
    """Images of one object each, whose edges are normally off by 3."""
    rng = np.random.default_rng(0)
    box = np.array([200.0, 200, 300, 300])
    pictures = [image([box], [0], (500, 500)) for _ in range(count)]
    return data(*pictures), [found([box + rng.normal(0, 3, 4)], [0.9], [0], std) for _ in pictures]


def test_calibration_is_measured_on_other_images():
    spec = Spec(("a", "b"), **NANODET_M)
    truth, detections = many(400)
    result = calibrate(truth, detections, spec, 0, "m.onnx")
    assert (result.images, result.after.boxes, result.shared) == (400, 400, (16, 32))
    np.testing.assert_allclose(result.factors, [3] * 3, rtol=0.1)
    assert result.before.coverage.one_sigma < 0.4
    assert 0.6 < result.after.coverage.one_sigma < 0.76
    assert calibrate(truth, detections, spec, 0, "m") == result
    other = calibrate(truth, detections, spec, 1, "m")
    assert other.factors == result.factors and other.after != result.after
    # each half with the factors of the other one: those of all images leave exactly 68.27 %
    whole = matched_edges(truth, detections, spec).scaled(result.factors)
    assert measure(whole, spec.strides).coverage.one_sigma == pytest.approx(0.6827, abs=1e-3)
    assert result.after.coverage.one_sigma != measure(whole, spec.strides).coverage.one_sigma
    # a second calibration replaces the first: what is stated holds its factors
    again = dataclasses.replace(spec, edge_std_factors=result.factors)
    scaled = [dataclasses.replace(d, edge_std=d.edge_std * result.factors[0]) for d in detections]
    np.testing.assert_allclose(
        calibrate(truth, scaled, again, 0, "m").factors, result.factors, 1e-4
    )
    with pytest.raises(NanodetError, match=r"m\.onnx: --calibrate: 20 edges .* give more images"):
        calibrate(*many(10), spec, 0, "m.onnx")


@pytest.fixture
def exported(exported_small, tmp_path):
    """The files of the stem ``small``: ONNX and ncnn, with one spec."""
    from nanodet.export.stages import SIMPLIFIED

    source = exported_small.files[SIMPLIFIED]
    for suffix in (".onnx", ".param", ".bin", ".json"):
        shutil.copy(source.with_suffix(suffix), tmp_path)
    return tmp_path / source.name


@pytest.mark.parametrize("suffix", [".onnx", ".param"])
def test_factors_reach_every_copy_of_the_spec(exported, suffix, tmp_path):
    before = Spec.load(exported.with_suffix(".json"))
    written = write_factors(exported.with_suffix(suffix), (0.5, 1, 2), {"images": 3})
    assert sorted(path.name for path in written) == ["small.json", "small.onnx"]
    after = Spec.load(exported.with_suffix(".json"))
    assert after.edge_std_factors == (0.5, 1, 2) and after.measured["edge_std"] == {"images": 3}
    assert {name: sha256(tmp_path / name) for name in after.files} == after.files
    assert set(after.files) == {"small.onnx", "small.param", "small.bin"}
    kept = {"edge_std_factors": None, "files": before.files, "measured": before.measured}
    assert dataclasses.replace(after, **kept) == before
    for one in (".onnx", ".param"):
        assert Detector(exported.with_suffix(one)).spec.edge_std_factors == (0.5, 1, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "small.bin", "small.json", "small.onnx", "small.param",
    ]  # fmt: skip
    write_factors(exported.with_suffix(suffix), (1, 1, 1))
    assert Detector(exported).spec.edge_std_factors == (1, 1, 1)


def test_a_spec_of_one_file_alone(exported):
    exported.with_suffix(".json").unlink()
    assert [path.name for path in write_factors(exported, (1, 2, 3))] == ["small.onnx"]
    assert Detector(exported).spec.edge_std_factors == (1, 2, 3)


def test_a_spec_of_another_model_of_the_stem_stays(exported):
    beside = exported.with_suffix(".json")
    spec = Spec.load(beside)
    files = {name: digest for name, digest in spec.files.items() if name != exported.name}
    dataclasses.replace(spec, files=files).save(beside)
    before = beside.read_bytes()
    assert [path.name for path in write_factors(exported, (1, 2, 3))] == ["small.onnx"]
    assert beside.read_bytes() == before


def test_a_file_that_is_another_than_the_spec_lists_is_refused(exported):
    shutil.copy(exported, exported.with_name("was.onnx"))
    write_factors(exported, (1, 2, 3))
    shutil.copy(exported.with_name("was.onnx"), exported)
    before = exported.with_suffix(".json").read_bytes()
    for act in (
        lambda: write_factors(exported.with_suffix(".param"), (1, 1, 1)),
        lambda: check_calibratable(exported, Detector(exported).spec),
    ):
        with pytest.raises(
            NanodetError, match=r"small\.onnx: --calibrate: is not the file that .*json"
        ):
            act()
    assert exported.with_suffix(".json").read_bytes() == before


def test_a_checkpoint_and_a_model_of_boxes_are_one_line(tmp_path):
    spec = Spec(("a",), **NANODET_M)
    with pytest.raises(NanodetError, match=r"m\.ckpt: --calibrate: a checkpoint has no spec"):
        check_calibratable("m.ckpt", spec)
    with pytest.raises(NanodetError, match=r"m\.onnx: --calibrate: it outputs boxes without"):
        check_calibratable("m.onnx", dataclasses.replace(spec, form="boxes"))
    with pytest.raises(
        NanodetError, match="nanodet-m_320: --calibrate: a published model in the cache"
    ):
        evaluate("nanodet-m_320", tmp_path, tmp_path, calibrate_seed=0)


def test_copies_of_a_spec_have_the_same_factors(exported):
    before = Spec.load(exported.with_suffix(".json"))
    write_factors(exported, (0.5, 1, 2))
    spec = Spec.load(exported.with_suffix(".json"))
    for keys in (PREPROCESSING, DECODING, LAYOUT):  # what verify compares with a checkpoint
        assert differing_keys(spec, before, keys, "the checkpoint") == []
    inside = Detector(exported).spec
    assert differing_beside(exported, inside) == []
    dataclasses.replace(spec, edge_std_factors=(0.5, 1, 1.5)).save(exported.with_suffix(".json"))
    ((key, sentence),) = differing_beside(exported, inside)
    assert key == "output.edge_std_factors"
    assert sentence.endswith("[0.5, 1, 1.5], but small.onnx itself has [0.5, 1, 2]")


@pytest.mark.slow
def test_verify_accepts_a_calibrated_model_and_names_a_wrong_count(exported, small_checkpoint):
    from nanodet.verify.verify import verify

    write_factors(exported, (0.5, 1, 2))
    assert verify(small_checkpoint, [exported, exported.with_suffix(".param")]).agrees
    beside = exported.with_suffix(".json")
    beside.write_text(beside.read_text().replace("   0.5,\n", ""))
    report = verify(small_checkpoint, [exported.with_suffix(".param")])
    assert not report.agrees
    assert "output.edge_std_factors: must be 3 numbers, one per stride" in str(
        [(row.faults, row.notes) for row in report.rows]
    )


def test_the_command_writes_and_reports_them(tmp_path):
    """A model that finds one box; the annotated edges are normally off by a quarter of its sigma."""
    from box_model import BOX, write_box_model

    from nanodet.cli import eval as command
    from nanodet.images.image_file import write_picture

    model = write_box_model(tmp_path / "box.onnx", bins=[1, 3])  # sigma: 16 and 12 pixels
    rng = np.random.default_rng(0)
    for i in range(40):
        write_picture(tmp_path / "images" / f"{i}.png", np.full((96, 128, 3), 150, np.uint8))
        x0, y0, x1, y1 = np.array(BOX) + rng.normal(0, 0.25, 4) * 8 / 64
        line = f"1 {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}\n"
        write_text(tmp_path / "labels" / f"{i}.txt", line)
    write_text(tmp_path / "labels" / "classes.txt", "dark\nlamp\n")
    given = ["--images", tmp_path / "images", "--annotations", tmp_path / "labels"]

    def run(*more):
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        words = [model, *given, "--json", tmp_path / "found.json", *more]
        command.run(parser.parse_args([str(word) for word in words]))
        return json.loads((tmp_path / "found.json").read_text())

    stated = run("--uncertainty")["uncertainty"]
    assert stated["boxes"] == 40 and stated["coverage"]["one_sigma"] > 0.98
    assert Detector(model).spec.edge_std_factors is None
    both = run("--uncertainty", "--calibrate")
    fitted = both["calibration"]
    assert both["uncertainty"] == stated  # as the model states them, before the factors
    assert fitted["images"] == 40 and fitted["shared"] == [16, 32]
    np.testing.assert_allclose(fitted["factors"], [0.25] * 3, rtol=0.2)
    assert Detector(model).spec.edge_std_factors == tuple(fitted["factors"])
    found = Detector(model)(np.full((96, 128, 3), 150, np.uint8))
    np.testing.assert_allclose(found.edge_std[0, 0], 16 * fitted["factors"][0], rtol=1e-5)
    assert run("--uncertainty")["uncertainty"]["coverage"]["one_sigma"] == pytest.approx(
        0.68, abs=0.1
    )
    run("--plots", tmp_path / "plots")
    assert len(list((tmp_path / "plots").iterdir())) == 4
    with pytest.raises(NanodetError, match="--seed: needs --calibrate"):
        run("--seed", "1")
    write_box_model(model)
    with pytest.raises(NanodetError, match=r"box\.onnx: --calibrate: 80 edges"):
        run("--calibrate")
