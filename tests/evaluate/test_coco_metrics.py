"""AP on records in memory equals plain pycocotools on the original json."""

import contextlib
import io
import json

import numpy as np
import pytest

from nanodet.data.records import Annotations, Picture
from nanodet.evaluate.coco_metrics import SUMMARY, counts_for, evaluate_detections
from nanodet.runtime.detections import Detections

pytest.importorskip("pycocotools")


def picture(boxes=(), labels=(), number=1, **more):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    labels = np.asarray(labels, np.int64)
    return Picture(f"{number}.jpg", number, 640, 480, boxes, labels, areas, **more)


def region(box, crowd, label=0):
    box = np.asarray([box], np.float32)
    return {
        "ignored": box,
        "ignored_labels": np.array([label]),
        "ignored_areas": np.prod(box[:, 2:] - box[:, :2], axis=1),
        "ignored_crowd": np.array([crowd]),
    }


def xyxy(entries):
    boxes = np.array([entry["bbox"] for entry in entries], float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def records(truth, results, count):
    """Build the records of the first ``count`` images by id from COCO mappings."""
    index = {c["id"]: i for i, c in enumerate(sorted(truth["categories"], key=lambda c: c["id"]))}
    pictures, found = [], []
    images = sorted(truth["images"], key=lambda image: image["id"])[:count]
    for image in reversed(images):  # the order of the records must not matter
        entries = [a for a in truth["annotations"] if a["image_id"] == image["id"]]
        parts = []
        for crowd in (0, 1):
            part = [a for a in entries if a["iscrowd"] == crowd]
            labels = np.array([index[a["category_id"]] for a in part], np.int64)
            areas = np.array([a["area"] for a in part], np.float32)
            parts.append((xyxy(part).astype(np.float32), labels, areas))
        (b, lab, ar), (ib, il, ia) = parts
        pictures.append(
            Picture(image["file_name"], image["id"], image["width"], image["height"],
                    b, lab, ar, ib, il, ia, np.ones(len(il), bool))
        )  # fmt: skip
        mine = [r for r in results if r["image_id"] == image["id"]]
        scores, classes = [r["score"] for r in mine], [index[r["category_id"]] for r in mine]
        found.append(Detections(xyxy(mine), scores, classes))
    names = tuple(c["name"] for c in sorted(truth["categories"], key=lambda c: c["id"]))
    return Annotations(names, tuple(index), pictures), found


def test_equals_pycocotools_on_the_reference(shared):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    file = shared / "data" / "coco-val-mini" / "annotations.json"
    truth = json.loads(file.read_text())
    results = json.loads((shared / "reference" / "nanodet-m_320_detections20.json").read_text())
    with contextlib.redirect_stdout(io.StringIO()):
        plain_truth = COCO(file)
        plain = COCOeval(plain_truth, plain_truth.loadRes([dict(r) for r in results]), "bbox")
        plain.params.imgIds = sorted(plain_truth.getImgIds())[:20]
        plain.evaluate()
        plain.accumulate()
        plain.summarize()
    assert any(a["iscrowd"] for a in truth["annotations"] if a["image_id"] in plain.params.imgIds)
    metrics = evaluate_detections(*records(truth, results, 20))
    assert metrics.images == 20
    expected = 100 * plain.stats[:6]
    assert [getattr(metrics, k) for k in SUMMARY] == pytest.approx(expected, abs=1e-6)
    defined = plain.eval["precision"][..., 0, -1]
    np.testing.assert_allclose(metrics.precision, defined, atol=1e-9)
    assert len(metrics.ap_per_class) == 80 and metrics.ap_per_class[0].name == "person"


def test_perfect_detections(capsys):
    annotations = Annotations(
        ("a", "b"), (1, 2), [picture([[10, 10, 60, 60]], [0]), picture([[5, 5, 25, 25]], [1], 2)]
    )
    found = [Detections([[10, 10, 60, 60]], [0.9], [0]), Detections([[5, 5, 25, 25]], [0.8], [1])]
    metrics = evaluate_detections(annotations, found)
    assert metrics.to_dict() == {
        "AP": 100, "AP50": 100, "AP75": 100, "APs": 100, "APm": 100, "APl": None, "images": 2,
    }  # fmt: skip
    assert json.loads(metrics.to_json()) == metrics.to_dict()
    assert metrics.ap_per_class[1] == ("b", pytest.approx(100), pytest.approx(100), 1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("crowd", [True, False])
def test_ignored_regions_are_neither_found_nor_missed(crowd):
    wanted, apart = [10, 10, 60, 60], [200, 200, 300, 300]
    annotations = Annotations(("a",), (1,), [picture([wanted], [0], **region(apart, crowd))])
    # without the region the better scored box would be a false positive: AP 50
    found = [Detections([apart, wanted], [0.9, 0.8], [0, 0])]
    assert evaluate_detections(annotations, found).AP == pytest.approx(100)
    assert evaluate_detections(annotations, [found[0][[1]]]).AP == pytest.approx(100)
    bare = Annotations(("a",), (1,), [picture([wanted], [0])])
    assert evaluate_detections(bare, found).AP == pytest.approx(50)
    assert evaluate_detections(annotations, found).ap_per_class[0].objects == 1


def test_only_a_crowd_takes_many_detections():
    wanted, apart = [10, 10, 60, 60], [200, 200, 400, 400]
    inside = [[200, 200, 260, 260], [300, 300, 360, 360]]
    found = [Detections([*inside, wanted], [0.9, 0.9, 0.8], [0, 0, 0])]
    crowd, single = (
        evaluate_detections(
            Annotations(("a",), (1,), [picture([wanted], [0], **region(apart, kind))]), found
        ).AP
        for kind in (True, False)
    )
    assert crowd == pytest.approx(100) and single == pytest.approx(100 / 3)


def test_nothing_found_nothing_there_nothing_at_all():
    there = Annotations(("a", "b"), (1, 2), [picture([[10, 10, 60, 60]], [0])])
    nothing = evaluate_detections(there, [Detections.empty()])
    assert nothing.AP == 0 and nothing.APm == 0 and nothing.APs is None
    assert nothing.ap_per_class[1] == ("b", None, None, 0)
    bare = Annotations(("a",), (1,), [picture()])
    for found in (Detections.empty(), Detections([[1, 1, 9, 9]], [0.9], [0])):
        assert evaluate_detections(bare, [found]).AP is None
    none = evaluate_detections(Annotations(("a",), (1,), []), [])
    assert none.AP is None and none.images == 0
    with pytest.raises(ValueError, match="1 images"):
        evaluate_detections(bare, [])


def test_every_detection_counts_where_more_than_a_hundred_are_given():
    corners = np.array([(x, y) for y in range(0, 480, 24) for x in range(0, 640, 40)], float)
    boxes = np.concatenate([corners, corners + 20], axis=1)[:301]
    truth = Annotations(("a",), (1,), [picture(boxes, [0] * 301)])
    scores = np.linspace(1, 0.1, 301)
    found = Detections(boxes, scores, np.zeros(301, int))
    assert evaluate_detections(truth, [found]).AP == pytest.approx(100)
    first = Detections(boxes[:100], scores[:100], np.zeros(100, int))
    # recalls 0.00 to 0.33 of 101 are reached
    assert evaluate_detections(truth, [first]).AP == pytest.approx(100 * 34 / 101)


def test_objects_of_every_area_are_of_a_size():
    """Also one without area, and both sizes have one at their limit."""
    areas = np.array([0.0, 1024, 9216, 1e9])
    sizes = [counts_for(name, areas).tolist() for name in ("APs", "APm", "APl", "AP")]
    assert sizes == [
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
        [True] * 4,
    ]
