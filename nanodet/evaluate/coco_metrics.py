"""Average precision as COCO defines it, computed by pycocotools on records in memory."""

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.bootstrap import Intervals
from nanodet.evaluate.crowd_metrics import CrowdMetrics
from nanodet.evaluate.matches import Matches, matches_of
from nanodet.runtime.detections import Detections

MAX_DETECTIONS = 100  # per image and class that COCO's AP counts, or more if more are given
AREAS = {"APs": (0, 32**2), "APm": (32**2, 96**2), "APl": (96**2, np.inf)}  # square pixels
SUMMARY = ("AP", "AP50", "AP75", "APs", "APm", "APl")


class ClassAP(NamedTuple):
    """One class: name, AP and AP50 in percent (None where it has no objects), objects."""

    name: str
    AP: float | None
    AP50: float | None
    objects: int


@dataclass
class Metrics:
    """How good the boxes are.

    Attributes:
        AP: mean over classes and over IoU 0.50 to 0.95, in percent; None without objects.
        AP50, AP75: at IoU 0.5 and 0.75.
        APs, APm, APl: AP of objects up to 32 x 32, up to 96 x 96 and larger, by their area.
        images: how many images were evaluated.
        precision: float64 (10 IoU thresholds, 101 recalls, classes), 0..1, and -1 for classes
            without objects.
        iou_thresholds: float64 (10,); recalls: float64 (101,): the axes of ``precision``.
        ap_per_class: one `ClassAP` per class, in order of the class index.
        matches: per class and size (all, small, medium, large) what was matched in each image, from which
            `nanodet.evaluate.intervals` computes how far AP may be off by chance.
        intervals: these, if they were computed.
        crowd: the measures of CrowdHuman, if the annotations are an ``.odgt`` file.
    """

    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    images: int
    precision: np.ndarray = field(repr=False)
    iou_thresholds: np.ndarray = field(repr=False)
    recalls: np.ndarray = field(repr=False)
    ap_per_class: list[ClassAP] = field(default_factory=list, repr=False)
    matches: list[list[Matches | None]] = field(default_factory=list, repr=False)
    intervals: Intervals | None = field(default=None, repr=False)
    crowd: CrowdMetrics | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the six values in percent (None where undefined), ``images``, and what is known of
        ``intervals`` (metric to its two ends) and ``crowd``.
        """
        values = {name: getattr(self, name) for name in SUMMARY}
        rounded = {k: None if v is None else round(v, 4) for k, v in values.items()}
        more = {"intervals": self.intervals, "crowd": self.crowd}
        known = {name: one.to_dict() for name, one in more.items() if one is not None}
        return {**rounded, "images": self.images, **known}

    def to_json(self) -> str:
        """Return `to_dict` as one line of JSON."""
        return json.dumps(self.to_dict())


def evaluate_detections(annotations: Annotations, detections: Sequence[Detections]) -> Metrics:
    """Compare detections with the ground truth.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        detections: a `Detections` for each of ``annotations.pictures``, in their order; all of
            them count, so that a ``per_picture`` above COCO's 100 has its effect.

    Returns:
        `Metrics`.

    Raises:
        NanodetError: pycocotools is not installed.
        ValueError: the number of detections differs from the number of images.
    """
    evaluation, order = _coco_eval(annotations, detections)
    pictures, classes = annotations.pictures, len(annotations.class_names)
    matches: list[list[Matches | None]] = []
    if pictures and classes:
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation.evaluate()
            evaluation.accumulate()
        precision = evaluation.eval["precision"][..., 0]  # IoU, recall, class, size
        matches = matches_of(evaluation, order)
    else:
        precision = -np.ones((10, 101, classes, 4))
    ious = evaluation.params.iouThrs
    at50, at75 = (int(np.argmin(np.abs(ious - iou))) for iou in (0.5, 0.75))
    whole = precision[..., 0]
    objects = np.zeros(classes, np.int64)
    for picture in pictures:
        objects += np.bincount(picture.labels, minlength=classes)
    return Metrics(
        AP=_percent(whole),
        AP50=_percent(whole[at50]),
        AP75=_percent(whole[at75]),
        APs=_percent(precision[..., 1]),
        APm=_percent(precision[..., 2]),
        APl=_percent(precision[..., 3]),
        images=len(pictures),
        precision=whole,
        iou_thresholds=np.asarray(ious),
        recalls=np.asarray(evaluation.params.recThrs),
        ap_per_class=[
            ClassAP(name, _percent(whole[..., i]), _percent(whole[at50, :, i]), int(objects[i]))
            for i, name in enumerate(annotations.class_names)
        ],
        matches=matches,
    )


def match_at_50(
    annotations: Annotations, detections: Sequence[Detections]
) -> list[list[Matches | None]]:
    """Return what is matched at IoU 0.5, of all sizes: `Metrics.matches` of fewer values, in less time.

    Args and errors: as `evaluate_detections`.
    """
    evaluation, order = _coco_eval(annotations, detections)
    evaluation.params.iouThrs = evaluation.params.iouThrs[:1]
    evaluation.params.areaRng = evaluation.params.areaRng[:1]
    if not evaluation.params.imgIds or not evaluation.params.catIds:
        return []
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    return matches_of(evaluation, order)


def has_objects(annotations: Annotations, metric: str = "AP") -> bool:
    """Tell whether annotations have an object that a metric is measured on.

    Args:
        annotations: an `nanodet.data.records.Annotations`.
        metric: one of `SUMMARY`; APs, APm and APl count objects of their size only.
    """
    return any(counts_for(metric, picture.areas).any() for picture in annotations.pictures)


def counts_for(metric: str, areas: np.ndarray) -> np.ndarray:
    """Return which objects, of these areas in square pixels, one of `SUMMARY` is measured on: bool (N,).

    As COCO has it, one of exactly 32 x 32 is small and medium.
    """
    low, high = AREAS.get(metric, (0, np.inf))
    return (areas >= low) & (areas <= high)


def check_pycocotools() -> None:
    """Raise `NanodetError` with the remedy if pycocotools is not installed."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as error:
        raise NanodetError(
            f"evaluation needs pycocotools ({error}); install it with: pip install pycocotools"
        ) from None


def _percent(precision: np.ndarray) -> float | None:
    """Return the mean of the entries that are defined, in percent, or None."""
    defined = precision[precision > -1]
    return float(defined.mean()) * 100 if defined.size else None


def _coco_eval(annotations: Annotations, detections: Sequence[Detections]) -> tuple[Any, list[int]]:
    """Return a COCOeval of the records, and the position of each of its images in them."""
    pictures = annotations.pictures
    if len(pictures) != len(detections):
        raise ValueError(f"{len(pictures)} images, but detections for {len(detections)}")
    # Equal scores are ranked by the order of images: pycocotools orders them by id.
    order = sorted(range(len(pictures)), key=lambda i: pictures[i].image_id)
    some = [pictures[i] for i in order], [detections[i] for i in order]
    return _evaluator(*some, len(annotations.class_names)), order


def _evaluator(pictures: Sequence[Picture], detections: Sequence[Detections], classes: int) -> Any:
    """Return a COCOeval of the records; it identifies images by their position."""
    check_pycocotools()
    from pycocotools.cocoeval import COCOeval

    class RecordsEval(COCOeval):
        """COCOeval without json files.

        COCOeval's ``_prepare`` sets every object's ``ignore`` to ``iscrowd``; ignored regions that are
        not crowds (VOC's "difficult") need the two kept apart.
        """

        def _prepare(self) -> None:
            self._gts.clear()
            self._dts.clear()
            for number, (picture, found) in enumerate(zip(pictures, detections, strict=True)):
                for entry in _objects(picture):
                    self._gts[number, entry["category_id"]].append(entry)
                for entry in _found(found):
                    self._dts[number, entry["category_id"]].append(entry)
            # matches are kept by id, and id 0 means "no match" there
            for entries in (self._gts, self._dts):
                for number, entry in enumerate((e for group in entries.values() for e in group), 1):
                    entry["id"] = number

    evaluation = RecordsEval(iouType="bbox")
    evaluation.params.imgIds = list(range(len(pictures)))
    evaluation.params.catIds = list(range(classes))
    evaluation.params.maxDets = [max([MAX_DETECTIONS, *map(len, detections)])]
    return evaluation


def _xywh(xyxy: np.ndarray) -> np.ndarray:
    xyxy = np.asarray(xyxy, np.float64).reshape(-1, 4)
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def _objects(picture: Picture) -> Iterator[dict[str, Any]]:
    for box, label, area in zip(_xywh(picture.boxes), picture.labels, picture.areas, strict=True):
        yield _entry(label, box, area, ignore=0, iscrowd=0)
    for box, label, area, crowd in zip(
        _xywh(picture.ignored),
        picture.ignored_labels,
        picture.ignored_areas,
        picture.ignored_crowd,
        strict=True,
    ):
        yield _entry(label, box, area, ignore=1, iscrowd=int(crowd))


def _found(found: Detections) -> Iterator[dict[str, Any]]:
    boxes = _xywh(found.xyxy)
    for box, label, score in zip(boxes, found.class_id, found.confidence, strict=True):
        yield _entry(label, box, box[2] * box[3], score=float(score))


def _entry(label: int, box: np.ndarray, area: float, **more: Any) -> dict[str, Any]:
    return {"category_id": int(label), "bbox": box.tolist(), "area": float(area), **more}
