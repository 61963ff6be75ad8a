"""Precision, recall and F1 over the score, against a plain loop, and their intervals against a bootstrap."""

from pathlib import Path

import numpy as np
import pytest

from nanodet import Detections
from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.bootstrap import resample_counts
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.plots import plot_score_curves
from nanodet.evaluate.score_curves import score_curves, wilson

pytest.importorskip("pycocotools")
NAMES = ("a", "b", "none")


def boxes(count):
    """Boxes that do not touch."""
    left = 20.0 * np.arange(count)
    return np.stack([left, left * 0, left + 10, left * 0 + 10], axis=1)


def image(number, labels, ignored=()):
    objects, regions = boxes(len(labels)), boxes(len(labels) + len(ignored))[len(labels) :]
    return Picture(
        Path(f"{number}.png"), number, 2000, 20, boxes=objects, labels=np.array(labels, int),
        areas=np.full(len(labels), 100.0), ignored=regions, ignored_labels=np.array(ignored, int),
        ignored_areas=np.full(len(ignored), 100.0), ignored_crowd=np.zeros(len(ignored), bool),
    )  # fmt: skip


def made(seed=0, images=60):
    """Return annotations and detections: some right, some on ignored regions, some on nothing."""
    rng = np.random.default_rng(seed)
    pictures, detections = [], []
    for number in range(images):
        labels = rng.integers(0, 2, rng.integers(0, 6)).tolist()
        pictures.append(image(number, labels, ignored=[0, 1]))
        ease = rng.normal(0, 1)  # boxes of one image are found or missed together
        places, classes = np.arange(len(labels) + 2), [*labels, 0, 1]
        seen = rng.normal(ease, 1, len(places)) > 0
        xyxy = [*boxes(len(places))[seen], *(boxes(20)[12:] + 5)]
        found = [*np.array(classes)[seen], *rng.integers(0, 2, 8)]
        confidence = np.round(rng.uniform(0.05, 0.6, len(found)), 2)
        confidence[: seen.sum()] += 0.2
        order = np.argsort(-confidence, kind="stable")
        detections.append(
            Detections(np.array(xyxy)[order], confidence[order], np.array(found)[order])
        )
    return Annotations(NAMES, (1, 2, 3), pictures), detections


def curves_of(annotations, detections):
    metrics = evaluate_detections(annotations, detections)
    return score_curves(metrics.matches, detections, annotations.class_names)


def by_hand(annotations, detections, label, score):
    """Return hits and detections per image, (images, 2), of those that score at least ``score``."""
    counts = np.zeros((len(detections), 2), int)
    for count, picture, found in zip(counts, annotations.pictures, detections, strict=True):
        for box, one, confidence in zip(found.xyxy, found.class_id, found.confidence, strict=True):
            if one != label or confidence < score:
                continue
            regions = picture.ignored[picture.ignored_labels == label]
            if any((box == region).all() for region in regions):
                continue
            hit = any((box == own).all() for own in picture.boxes[picture.labels == label])
            count += hit, 1
    return counts


def test_curves_equal_a_plain_count():
    annotations, detections = made()
    curves, together = curves_of(annotations, detections)
    assert [curve.name for curve in (*curves, together)] == [*NAMES, "all classes"]
    for label, curve in enumerate(curves[:2]):
        assert (np.diff(curve.score) < 0).all() and len(curve.score) > 20
        total = sum((picture.labels == label).sum() for picture in annotations.pictures)
        assert curve.objects == total
        for entry in (0, 3, 15, len(curve.score) - 1):
            hits, found = by_hand(annotations, detections, label, curve.score[entry]).sum(axis=0)
            assert curve.detections[entry] == found
            assert curve.precision[entry] == pytest.approx(hits / found)
            assert curve.recall[entry] == pytest.approx(hits / total)
            assert curve.f1[entry] == pytest.approx(2 * hits / (found + total))
            assert curve.at(curve.score[entry] - 0.004) == entry
    assert together.objects == sum(curve.objects for curve in curves)
    assert together.detections[-1] == sum(curve.detections[-1] for curve in curves[:2])
    assert together.at(1) is None
    assert curves[2].objects == 0 and len(curves[2].score) == 0


def test_intervals_are_those_of_a_bootstrap_over_images():
    """Boxes of one image go together: as many independent ones would be known better."""
    annotations, detections = made(1, images=300)
    curve = curves_of(annotations, detections)[0][0]
    drawn = resample_counts(len(detections), range(1000))
    objects = np.array([(picture.labels == 0).sum() for picture in annotations.pictures])
    for entry in (20, 40):
        counts = by_hand(annotations, detections, 0, curve.score[entry])
        hits, found, total = (drawn.T @ one for one in (*counts.T, objects))
        for measure, resampled in (("precision", hits / found), ("recall", hits / total)):
            interval = curve.interval(measure, entry)
            assert interval.low < interval.value < interval.high
            width = np.quantile(resampled, 0.975) - np.quantile(resampled, 0.025)
            assert interval.high - interval.low == pytest.approx(width, rel=0.12)
    size = np.array([float(curve.objects)])
    low, high = wilson(curve.recall[40:41], size)
    assert curve.recall_size[40] < curve.objects / 1.2
    assert high - low < 0.95 * (interval.high - interval.low)


def test_wilson():
    """Brown, Cai and DasGupta 2001, Interval estimation: within 0..1, also for none and all."""
    low, high = wilson(np.array([0.0, 0.5, 1.0]), np.array([10.0, 10.0, 10.0]))
    np.testing.assert_allclose(low, [0, 0.2366, 0.7225], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634, 1], atol=1e-4)


@pytest.mark.parametrize("found", [True, False])
def test_a_plot(tmp_path, found):
    pytest.importorskip("matplotlib")
    annotations, detections = made()
    if not found:
        detections = [Detections.empty(NAMES) for _ in detections]
    curves, together = curves_of(annotations, detections)
    plot_score_curves(curves, together, tmp_path / "s.png", (0.5, 0.2, 0.9))
    assert (tmp_path / "s.png").stat().st_size > 10_000


def test_dots_lie_on_the_steps_of_their_curves(tmp_path, monkeypatch):
    """Between two scores, precision and recall are those of the higher one."""
    pytest.importorskip("matplotlib")
    from nanodet.evaluate import plots

    figures = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    curves, together = curves_of(*made())
    curve = curves[0]
    entry = int(np.argmax(np.abs(np.diff(curve.precision))))
    between = float(curve.score[entry] + curve.score[entry + 1]) / 2
    plot_score_curves(curves, together, tmp_path / "s.png", (between, 0.2, 0.9))
    for axes, measure in zip(figures[0].axes, ("precision", "recall", "f1"), strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) > 1]
        assert {line.get_drawstyle() for line in lines} == {"steps-post"} and len(lines) == 3
        assert axes.lines[0].get_xdata()[entry] > between > axes.lines[0].get_xdata()[entry + 1]
        (value,) = axes.lines[1].get_ydata()
        assert value == axes.lines[0].get_ydata()[entry] == getattr(curve, measure)[entry]
