"""AP of resampled images, from matches made once, equals COCOeval's of the images so repeated."""

import collections
import contextlib
import dataclasses
import io
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.data.read import read_annotations
from nanodet.data.records import Annotations, Picture
from nanodet.evaluate import resample
from nanodet.evaluate.bootstrap import Interval, interval_of_percent, resample_counts
from nanodet.evaluate.coco_metrics import SUMMARY, evaluate_detections
from nanodet.evaluate.intervals import TOO_FEW, change_of, intervals_of, resampled
from nanodet.evaluate.resample import average_precisions
from nanodet.evaluate.run import evaluate_model, evaluation_detector, format_table
from nanodet.runtime.detections import Detections

COCO = pytest.importorskip("pycocotools.coco").COCO
COCOeval = pytest.importorskip("pycocotools.cocoeval").COCOeval


def drawn(seed, images=6, classes=3, noise=8.0):
    """Annotations with objects of all sizes and ignored regions, and detections near them and elsewhere."""
    rng = np.random.default_rng(seed)

    def boxes(count):
        corners = rng.uniform(0, 300, (count, 2))
        return np.hstack([corners, corners + rng.uniform(8, 200, (count, 2))]).astype(np.float32)

    pictures, found = [], []
    for i in range(images):
        truth, away, ignored = (boxes(rng.integers(0, most)) for most in (5, 5, 3))
        labels = rng.integers(0, classes, len(truth))
        areas = np.prod(truth[:, 2:] - truth[:, :2], axis=1)
        regions = rng.integers(0, classes, len(ignored))
        number = int(rng.integers(0, 99)) * images + i  # COCO ranks equal scores by it
        pictures.append(
            Picture(f"{i}.png", number, 500, 500, truth, labels, areas, ignored, regions,
                    np.prod(ignored[:, 2:] - ignored[:, :2], axis=1), rng.random(len(ignored)) < 0.5)
        )  # fmt: skip
        near = np.concatenate([truth, truth[: len(truth) // 2], ignored]).astype(np.float32)
        near += rng.normal(0, noise, near.shape).astype(np.float32)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        every = np.concatenate([near, away])
        others = rng.integers(0, classes, len(away))
        kinds = np.concatenate([labels, labels[: len(truth) // 2], regions, others])
        # equal scores in different images, but not in one
        scores = rng.permutation(40)[: len(every)] / 40
        found.append(Detections(every, scores, kinds))
    return Annotations(tuple("abcdef"[:classes]), (None,) * classes, pictures), found


def repeated(truth, found, weights):
    """Each image as often as its weight says, one copy after another in COCO's order."""
    order = [i for i, weight in enumerate(weights) for _ in range(weight)]
    pictures = [
        dataclasses.replace(truth.pictures[i], image_id=1000 * truth.pictures[i].image_id + copy)
        for copy, i in enumerate(order)
    ]
    return dataclasses.replace(truth, pictures=pictures), [found[i] for i in order]


def direct(truth, found, weights):
    return evaluate_detections(*repeated(truth, found, weights))


def intervals(truth, found):
    return intervals_of(evaluate_detections(truth, found))


def change(truth, ours, theirs):
    return change_of(*(evaluate_detections(truth, found) for found in (ours, theirs)))


def close(value, wanted):
    return value == pytest.approx(np.nan if wanted is None else wanted, abs=1e-9, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_weighted_images_equal_repeated_ones(seed, weights):
    truth, found = drawn(seed)
    metrics = evaluate_detections(truth, found)
    values = average_precisions(metrics.matches, np.array([weights], np.int32).T)
    wanted = direct(truth, found, weights).precision
    mean = np.where(wanted.min(axis=1) < 0, np.nan, wanted.mean(axis=1))
    np.testing.assert_allclose(values[0, ..., 0], mean, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cells", [resample.CELLS, 64])
def test_resamples_equal_the_direct_computation(monkeypatch, cells):
    monkeypatch.setattr(resample, "CELLS", cells)
    truth, found = drawn(1, images=12)
    fast = resampled(evaluate_detections(truth, found), resamples=20, seed=5)
    weights = resample_counts(12, range(21), seed=5)
    assert (weights.sum(axis=0) == 12).all()
    weights[:, 0] = 1
    for number, column in enumerate(weights.T):
        wanted = direct(truth, found, column)
        for name in SUMMARY:
            assert close(fast.summary[name][number], getattr(wanted, name))
        for at, one in enumerate(wanted.ap_per_class):
            assert close(fast.AP[number, at], one.AP) and close(fast.AP50[number, at], one.AP50)


def test_intervals_hold_their_values_and_stay_the_same():
    truth, found = drawn(2, images=100)
    metrics = evaluate_detections(truth, found)
    first = intervals(truth, found)
    assert first == intervals_of(metrics)  # the seed is fixed
    for name in SUMMARY:
        value, low, high = first.summary[name]
        assert value == pytest.approx(getattr(metrics, name))
        assert 0 <= low <= value <= high <= 100 and low < high
    assert [round(one.value, 6) for one in first.AP] == [
        round(one.AP, 6) for one in metrics.ap_per_class
    ]


def test_a_change_is_known_better_than_both_values():
    truth, found = drawn(3, images=40)
    worse = [Detections(one.xyxy + np.float32(1), one.confidence, one.class_id) for one in found]
    loss = change(truth, worse, found)
    whole = intervals(truth, found).summary["AP"]
    assert loss.value == pytest.approx(
        evaluate_detections(truth, worse).AP - evaluate_detections(truth, found).AP
    )
    assert loss.low <= loss.value <= loss.high
    assert loss.high - loss.low < (whole.high - whole.low) / 2
    assert change(truth, found, found) == (0, 0, 0)
    back = change(truth, found, worse)
    assert back == pytest.approx((-loss.value, -loss.high, -loss.low))


def test_what_has_no_interval():
    truth, found = drawn(4, images=1)
    assert set(intervals(truth, found).summary.values()) == {None}  # of one image
    assert change(truth, found, found) is None
    none = Annotations(("a", "b"), (1, 2), [])
    empty = intervals(none, [])
    assert set(empty.summary.values()) == {None} and empty.AP == empty.AP50 == [None, None]
    assert change_of(evaluate_detections(none, []), evaluate_detections(none, [])) is None
    with pytest.raises(ValueError, match="metrics of 1 images, but of 0"):
        change_of(evaluate_detections(truth, found), evaluate_detections(none, []))


def test_a_class_of_few_images_has_no_interval():
    """Two found objects of two would be 100 (100 .. 100)."""
    truth, found = drawn(2, images=30)
    holders = [i for i, one in enumerate(truth.pictures) if (one.labels == 0).any()]
    known = []
    for count in (9, 10):
        pictures = list(truth.pictures)
        for i in holders[count:]:
            labels = np.where(pictures[i].labels == 0, 1, pictures[i].labels)
            pictures[i] = dataclasses.replace(pictures[i], labels=labels)
        known.append(intervals(dataclasses.replace(truth, pictures=pictures), found))
    nine, ten = known
    assert nine.AP[0] is None and nine.AP50[0] is None and ten.AP[0] is not None
    assert nine.summary["AP"] is not None


def test_the_mean_needs_as_many_images_as_a_class():
    """All found in three images is not AP of 100 (100 .. 100)."""
    for count in (3, 9, 10):
        truth, found = drawn(7, images=count, classes=1)
        objects = np.array([[10, 10, 60, 60]], np.float32)
        for picture in truth.pictures:
            picture.boxes, picture.labels = objects, np.zeros(1, np.int64)
            picture.areas = np.full(1, 2500, np.float32)
        found = [Detections(objects, np.ones(1, np.float32), np.zeros(1, int))] * count
        metrics = evaluate_detections(truth, found)
        metrics.intervals = intervals_of(metrics)
        known = count >= 10
        assert (metrics.intervals.summary["AP"] is not None) == known
        assert (change(truth, found, found) is not None) == known
        assert (TOO_FEW in format_table(metrics)) != known
        drawn_again = resampled(metrics, sizes=False)
        assert drawn_again.minus(drawn_again, 2) == (0, 0, 0)  # `verify` judges by it


def test_text():
    assert str(Interval(25.333, 23.1, 27.61)) == "25.33 (23.10 .. 27.61)"
    assert Interval(-0.02, -0.35, 0.29).signed() == "-0.02 (-0.35 .. +0.29)"
    assert Interval(-0.001, -0.004, 0.0).signed() == "+0.00 (+0.00 .. +0.00)"  # not -0.00


def test_the_interval_holds_the_truth():
    """Of 60 samples of a set whose AP is known, about 57 intervals have to hold it."""
    truth, found = drawn(5, images=400, classes=2, noise=12)
    metrics = evaluate_detections(truth, found)
    known = metrics.AP
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        chosen = rng.integers(0, 400, 80)
        matches = [[_only(one, chosen) for one in row[:1]] for row in metrics.matches]
        part = dataclasses.replace(metrics, matches=matches, images=80)
        values = resampled(part, resamples=200, sizes=False).summary["AP"]
        _, low, high = interval_of_percent(values[0], values[1:])
        held += low <= known <= high
    assert 51 <= held <= 60, held


def _only(one, chosen):
    """The matches of the chosen images, each of which becomes an image of its own."""
    at = [np.flatnonzero(one.image == i) for i in chosen]
    where, place = np.concatenate(at), np.repeat(np.arange(len(chosen)), list(map(len, at)))
    ranked = np.argsort(where, kind="stable")
    where = where[ranked]
    return one._replace(
        image=place[ranked], hit=one.hit[:, where], counted=one.counted[:, where],
        objects=one.objects[chosen],
    )  # fmt: skip


@pytest.mark.slow
def test_the_intervals_of_500_images(shared, root):
    """Equal to pycocotools alone on resamples written as COCO's files; soon known; alike with other seeds."""
    data = shared / "data" / "coco-val-mini"
    file = data / "annotations.json"
    checkpoint = shared / "weights" / "nanodet-m_320.ckpt"
    detector = evaluation_detector(checkpoint, config=root / "config" / "nanodet-m.yml")
    truth = read_annotations("coco", data / "images", file, class_names=detector.spec.class_names)
    metrics, found = evaluate_model(detector, truth, progress=False)
    start = time.monotonic()
    first = intervals_of(metrics)
    assert time.monotonic() - start < 20

    fast = resampled(metrics, resamples=4)
    for number in range(1, 5):
        weights = resample_counts(len(found), [number])[:, 0]
        wanted = plain_cocoeval(json.loads(file.read_text()), truth, found, weights)
        values = [fast.summary[name][number] for name in SUMMARY]
        assert values == pytest.approx(100 * wanted[:6], abs=1e-9)

    again = resampled(metrics, seed=1)
    for name in SUMMARY:
        values = again.summary[name]
        other = interval_of_percent(values[0], values[1:])
        # the standard error of a 2.5 % quantile of 1,000 normal values is 0.085 of their deviation
        allowed = 4 * 0.085 * 2**0.5 * np.nanstd(values[1:])
        assert other == pytest.approx(first.summary[name], abs=allowed)


def plain_cocoeval(content, truth, found, weights):
    """The summary of pycocotools of images repeated ``weights`` times, 0..1."""
    of_image, results = collections.defaultdict(list), []
    for one in content["annotations"]:
        of_image[one["image_id"]].append(one)
    images, objects = [], []
    for picture, detections, weight in zip(truth.pictures, found, weights, strict=True):
        for copy in range(weight):
            number = 100 * picture.image_id + copy
            images.append({"id": number, "width": picture.width, "height": picture.height})
            for one in of_image[picture.image_id]:
                objects.append({**one, "image_id": number, "id": len(objects) + 1})
            boxes = np.asarray(detections.xyxy, np.float64)
            for box, score, label in zip(
                boxes, detections.confidence, detections.class_id, strict=True
            ):
                results.append({
                    "image_id": number, "category_id": truth.category_ids[label],
                    "bbox": [*box[:2], *(box[2:] - box[:2])], "score": float(score),
                })  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": images,
            "annotations": objects,
            "categories": content["categories"],
        }
        known.createIndex()
        plain = COCOeval(known, known.loadRes(results), "bbox")
        plain.evaluate()
        plain.accumulate()
        plain.summarize()
    return plain.stats
