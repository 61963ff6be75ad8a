"""The budget of AP: of the measured loss, or with --sure of all of its interval."""

from pathlib import Path

import numpy as np
import pytest

from nanodet import NanodetError
from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.intervals import TOO_FEW, change_of
from nanodet.quantize import judge as judge_file
from nanodet.quantize.judge import ApJudge, Budget
from nanodet.quantize.report import Quantised, summary
from nanodet.runtime.detections import Detections

pytest.importorskip("pycocotools")


@pytest.fixture
def sets(monkeypatch):
    """Calibration and measuring images, and a function that sets what models "full" and "int8" find."""
    rng = np.random.default_rng(0)

    def images(count):
        pictures = []
        for i in range(count):
            corners = rng.uniform(0, 200, (4, 2))
            boxes = np.hstack([corners, corners + rng.uniform(20, 80, (4, 2))]).astype(np.float32)
            labels = np.arange(4) % 2
            pictures.append(
                Picture(Path(f"{i}.png"), i, 300, 300, boxes, labels, np.full(4, 900.0))
            )
        return Annotations(("a", "b"), (None, None), pictures)

    calibration, measuring = images(20), images(30)

    def detections(truth, model):
        noise = np.random.default_rng(7)
        found = []
        for picture in truth.pictures:
            by = noise.normal(0, 2, (4, 4)) + (model == "int8") * noise.normal(0, 0.5, (4, 4))
            scores = np.linspace(0.9, 0.3, 4)
            found.append(Detections(picture.boxes + by, scores, picture.labels))
        return found

    def evaluate(model, truth, progress, intervals):
        assert not intervals  # of every try, they would cost a second each
        found = detections(truth, model)
        return evaluate_detections(truth, found), found

    monkeypatch.setattr(judge_file, "evaluation_detector", str)
    monkeypatch.setattr(judge_file, "evaluate_model", evaluate)
    int8, full = (
        evaluate_detections(measuring, detections(measuring, kind)) for kind in ("int8", "full")
    )
    loss = change_of(int8, full)
    return calibration, measuring, loss.negative()


def test_the_end_of_the_interval_decides_otherwise_than_the_value(sets):
    *images, loss = sets
    assert 0 < loss.value < loss.high - 0.1
    between = (loss.value + loss.high) / 2
    for max_drop, sure, wanted in (
        (between, False, True),
        (between, True, False),
        (loss.high + 0.01, True, True),
        (loss.value - 0.01, False, False),
    ):
        judge = ApJudge(*images, Budget(max_drop, sure))
        judge.start("full")
        good, words = judge.accepts("int8", final=True)
        assert good is wanted and words.endswith(f"images: {loss.negative().signed()}")
        # on the calibration images the value alone counts
        drop = -float(judge.accepts("int8", final=False)[1].split()[-1])
        assert judge.accepts("int8", final=False)[0] is (round(drop, 2) <= max_drop)
        assert judge.looks == 1


def test_the_report_has_the_intervals(sets):
    *images, loss = sets
    judge = ApJudge(*images, Budget(100))
    judge.start("full")
    judge.accepts("int8", final=True)
    found = judge.accuracy()
    assert found["drop"] == pytest.approx(loss.value)
    assert found["intervals"]["drop"] == loss.ends(3)
    low, high = found["intervals"]["fp32"]
    assert low < found["fp32"] < high
    result = Quantised(
        [], [], 20, 30, found, None, {"before": 2, "after": 1}, {"fp32": 1, "int8": 1}
    )
    text = "\n".join(summary(result, "fast"))
    assert f"int8 minus fp32: {loss.negative().signed()}" in text
    assert f"{found['fp32']:.2f} ({low:.2f} .. {high:.2f}) fp32" in text
    assert result.to_dict()["ap"]["intervals"] == found["intervals"]


def test_one_image_is_sure_of_nothing(sets):
    calibration, measuring, _ = sets
    one = Annotations(measuring.class_names, measuring.category_ids, measuring.pictures[:1])
    with pytest.raises(NanodetError, match="--sure: needs objects in 10 or more of the images"):
        ApJudge(calibration, one, Budget(0.5, sure=True)).start("full")
    judge = ApJudge(calibration, one, Budget(0.5))
    judge.start("full")
    assert "(" not in judge.accepts("int8", final=True)[1]
    found = judge.accuracy()
    assert found["intervals"] == dict.fromkeys(("fp32", "int8", "drop"))
    result = Quantised(
        [], [], 20, 1, found, None, {"before": 2, "after": 1}, {"fp32": 1, "int8": 1}
    )
    assert any(TOO_FEW in line for line in summary(result, "fast"))
