"""AP of models on the same images, and how far chance moves it."""

from collections.abc import Sequence

from nanodet.data.records import Annotations
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.intervals import Resampled, resampled
from nanodet.runtime.detections import Detections


def resampled_ap(truth: Annotations | None, detections: Sequence[Detections]) -> Resampled | None:
    """Return AP with its resamples, None without annotated objects or where images have no detections.

    Args:
        truth: an `nanodet.data.records.Annotations`, or None.
        detections: a `Detections` for each of ``truth.pictures``, or for fewer.
    """
    if truth is None or len(detections) != len(truth.pictures):
        return None
    metrics = evaluate_detections(truth, detections)
    return None if metrics.AP is None else resampled(metrics, sizes=False)
