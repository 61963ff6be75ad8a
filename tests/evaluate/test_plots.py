"""Plots, tables and sheets come out whole for few classes, for many and for none."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.confusion import confusion_matrix
from nanodet.evaluate.intervals import intervals_of
from nanodet.evaluate.run import format_table
from nanodet.evaluate.sheet import contact_sheet, validation_sheet
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections

plots = pytest.importorskip("nanodet.evaluate.plots")
pytest.importorskip("matplotlib")
pytest.importorskip("pycocotools")


def data(classes, seed=0):
    """Return records and noisy detections of six images."""
    rng = np.random.default_rng(seed)
    pictures, found = [], []
    for number in range(1, 7):
        count = min(classes, 8)
        labels = rng.integers(0, max(classes, 1), count)
        corner = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 100, (count, 2))], 1)
        pictures.append(
            Picture(f"{number}.png", number, 320, 300, boxes.astype(np.float32), labels,
                    np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).astype(np.float32))
        )  # fmt: skip
        found.append(
            Detections(boxes + rng.normal(0, 4, boxes.shape), rng.uniform(0, 1, count), labels)
        )
    names = tuple(f"class | {i}" for i in range(classes))
    return Annotations(names, tuple(range(1, classes + 1)), pictures), found


def blank(record):
    return np.full((300, 320, 3), 128, np.uint8)


@pytest.mark.parametrize("classes", [1, 80])
def test_plots_and_table(classes, tmp_path):
    annotations, found = data(classes)
    metrics = evaluate_detections(annotations, found)
    plots.plot_precision_recall(metrics, tmp_path / "new" / "pr.png")
    matrix = confusion_matrix(annotations, found)
    plots.plot_confusion(matrix, annotations.class_names, tmp_path / "confusion.png")
    for name in ("new/pr.png", "confusion.png"):
        height, width = cv2.imread(str(tmp_path / name)).shape[:2]
        assert 300 < height < 4000 and 300 < width < 4000
    plots.write_class_table(metrics, tmp_path / "ap_per_class.md")
    lines = (tmp_path / "ap_per_class.md").read_text().splitlines()
    assert len(lines) == 3 + classes and f"{metrics.AP50:.2f}" in lines[2]
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ap_per_class.md", "confusion.png", "new"]


@pytest.mark.filterwarnings("error")  # matplotlib warns of letters that its font lacks
def test_plots_show_names_of_any_script(tmp_path):
    """Names of equal length differ in the plot; as empty boxes they would not."""
    annotations, found = data(2)
    shown = []
    for names in (("翘头剪", "קַו"), ("止血钳", "קַו"), ("$\\x$", "_a")):
        annotations = replace(annotations, class_names=names)
        plots.plot_precision_recall(evaluate_detections(annotations, found), tmp_path / "pr.png")
        plots.plot_confusion(np.full((3, 3), 2), names, tmp_path / "confusion.png")
        shown.append([cv2.imread(str(tmp_path / f)) for f in ("pr.png", "confusion.png")])
    for one, other in zip(*shown[:2], strict=True):
        assert one.shape == other.shape and (one != other).any()


def test_the_confusion_matrix_names_its_score_and_iou(tmp_path):
    """Plots of the same numbers, which differ in the title alone."""
    shown = []
    for limits in ({}, {"score": 0.35, "iou": 0.5}, {"score": 0.25}, {"iou": 0.75}):
        plots.plot_confusion(np.full((3, 3), 2), ("a", "b"), tmp_path / "c.png", **limits)
        shown.append(cv2.imread(str(tmp_path / "c.png")))
    assert (shown[0] == shown[1]).all()
    for other in shown[2:]:
        rows = np.flatnonzero((shown[0] != other).any(axis=(1, 2)))
        assert 0 < len(rows) and rows.max() < 0.2 * len(other)


def test_plots_without_objects_or_classes_do_not_fail(tmp_path):
    annotations, found = data(0)
    plots.plot_precision_recall(evaluate_detections(annotations, found), tmp_path / "pr.png")
    plots.plot_confusion(np.zeros((1, 1), int), (), tmp_path / "confusion.png")
    assert len(list(tmp_path.iterdir())) == 2


def test_table_for_the_terminal(monkeypatch):
    monkeypatch.setattr("nanodet.evaluate.intervals.FEWEST", 2)  # of six images
    annotations, found = data(80)
    text = format_table(evaluate_detections(annotations, found), width=100)
    assert max(map(len, text.splitlines())) <= 100 and len(text.splitlines()) == 4 + 40
    assert all(name in text for name in annotations.class_names)
    metrics = evaluate_detections(annotations, found)
    metrics.intervals = intervals_of(metrics)
    text = format_table(metrics, width=100)
    assert max(map(len, text.splitlines())) <= 100 and len(text.splitlines()) == 4 + 2 + 80
    values, low, high = text.splitlines()[1:4]
    assert low.endswith("95 % interval: from") and high.endswith("  to")
    value, *ends = (float(line.split()[0]) for line in (values, low, high))
    assert ends == pytest.approx(metrics.intervals.summary["AP"][1:], abs=0.006)
    assert ends[0] <= value <= ends[1] and metrics.to_dict()["intervals"]["AP"] == pytest.approx(
        ends, abs=0.006
    )
    known = [str(one) for one in (*metrics.intervals.AP, *metrics.intervals.AP50) if one]
    assert known and all(one in text for one in known)
    renamed = [f"other {i}" for i in range(80)]
    assert "other 79" in format_table(evaluate_detections(annotations, found), renamed)
    none = evaluate_detections(annotations, [Detections.empty()] * 6)
    none.ap_per_class = []
    assert len(format_table(none).splitlines()) == 2 and " - " in format_table(
        evaluate_detections(*data(0))
    )


def test_curves_from_a_csv_with_empty_cells(tmp_path):
    rows = ["epoch,step,train/loss,train/loss_qfl,train/lr,val/AP,val/AP50"]
    rows += [f"{s // 10},{s},{3 / (s + 1)},{1 / (s + 1)},0.1,," for s in range(30)]
    rows += ["0,9,,,,12.5,30.0", "1,19,,,,nan,31.0", "2,29,,,,14.0,"]
    file = tmp_path / "metrics.csv"
    file.write_text("\n".join(rows))
    loss, ap = tmp_path / "loss.png", tmp_path / "ap.png"
    assert plots.plot_curves(file, loss, ap) == [loss, ap]
    assert cv2.imread(str(loss)) is not None and cv2.imread(str(ap)) is not None
    file.write_text("\n".join(rows[:5]))
    ap.unlink()
    assert plots.plot_curves(file, loss, ap) == [loss] and not ap.exists()
    file.write_text("")
    assert plots.plot_curves(file, loss, ap) == []
    with pytest.raises(NanodetError, match=r"absent.csv"):
        plots.plot_curves(tmp_path / "absent.csv", loss, ap)


def test_losses_of_any_name_are_drawn(tmp_path):
    file = tmp_path / "metrics.csv"
    file.write_text("epoch,step,train/lr,train/aux_loss_toy\n1,1,0.1,2.0\n")
    assert plots.plot_curves(file, tmp_path / "loss.png", tmp_path / "ap.png") == [
        tmp_path / "loss.png"
    ]


def test_contact_sheet():
    parts = [np.full((h, w, 3), 255, np.uint8) for h, w in ((10, 1000), (500, 20), (60, 80))]
    sheet = contact_sheet(parts, columns=2, cell=(80, 60))
    assert sheet.shape == (2 * 64 + 4, 2 * 84 + 4, 3)
    assert (sheet == 255).all(axis=2).sum() >= 80 * 60
    assert contact_sheet([], cell=(80, 60)).shape == (68, 88, 3)


def test_a_sheet_shows_pictures_as_their_annotation_saw_them(tmp_path):
    path = tmp_path / "turned.jpg"
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:, :40] = 255  # its left half
    data = cv2.imencode(".jpg", stored)[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    head = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(data[:2] + head + data[2:])
    boxes = np.zeros((0, 4), np.float32)
    # stored 80 x 40 with a white left half; turned, it is 40 x 80 with a white upper half
    for size, start, end in (((80, 40), (4, 24), (44, 64)), ((40, 80), (24, 4), (64, 44))):
        none = np.zeros(0, np.int64), np.zeros(0, np.float32)
        record = Picture(path, 1, *size, boxes, *none, turned=size == (40, 80))
        annotations = Annotations(("a",), (1,), [record])
        sheet = validation_sheet(annotations, [Detections.empty()], cell=(80, 80))[:84]
        rows, columns = np.nonzero((sheet > 200).all(axis=2))
        assert (columns.min(), rows.min()) == start
        assert (columns.max() + 1, rows.max() + 1) == end


def test_validation_sheet(tmp_path):
    annotations, found = data(3)
    sheet = validation_sheet(annotations, found, count=4, score=0.2, read=blank)
    few = validation_sheet(annotations, [Detections.empty()] * 6, count=4, read=blank)
    assert sheet.shape == few.shape == (2 * 364 + 4 + 26, 3 * 484 + 4, 3)
    assert (sheet != few).any()
    write_picture(tmp_path / "sheet.png", sheet)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "sheet.png")), sheet)
    assert validation_sheet(annotations, found, count=99, read=blank).shape[0] > sheet.shape[0] - 1
    empty = Annotations(("a",), (1,), [])
    assert validation_sheet(empty, []).ndim == 3
