"""The report of a finished run: tables, curves and images."""

from collections.abc import Sequence
from pathlib import Path

from nanodet.data.records import Annotations
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.confusion import confusion_matrix
from nanodet.evaluate.plots import (
    plot_confusion,
    plot_curves,
    plot_precision_recall,
    write_class_table,
)
from nanodet.evaluate.sheet import validation_sheet
from nanodet.files import StrPath
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections
from nanodet.train.outputs import METRICS

TABLE, PRECISION_RECALL, CONFUSION = (
    "ap_per_class.md",
    "precision_recall.png",
    "confusion_matrix.png",
)
LOSS, AP, SHEET = "loss.png", "ap.png", "validation.jpg"
REPORT = (TABLE, PRECISION_RECALL, CONFUSION, LOSS, AP, SHEET)


def write_report(
    folder: StrPath, annotations: Annotations, detections: Sequence[Detections], metrics: Metrics
) -> None:
    """Write the report of the best checkpoint's validation into the run folder.

    Args:
        folder: the run folder; holds metrics.csv already.
        annotations: the validation set; detections: one `Detections` an image.
        metrics: its `Metrics`.
    """
    folder = Path(folder)
    write_class_table(metrics, folder / TABLE)
    plot_precision_recall(metrics, folder / PRECISION_RECALL)
    matrix = confusion_matrix(annotations, detections)
    plot_confusion(matrix, annotations.class_names, folder / CONFUSION)
    plot_curves(folder / METRICS, folder / LOSS, folder / AP)
    sheet = validation_sheet(annotations, detections)
    write_picture(folder / SHEET, sheet)
