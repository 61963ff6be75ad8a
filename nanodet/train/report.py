"""What a finished run leaves behind for people: tables, curves and pictures."""

from pathlib import Path

from nanodet.evaluate.confusion import confusion_matrix
from nanodet.evaluate.plots import (
    plot_confusion,
    plot_curves,
    plot_precision_recall,
    write_class_table,
)
from nanodet.evaluate.sheet import save_picture, validation_sheet
from nanodet.runtime.pictures import read_picture
from nanodet.train.metrics_csv import NAME


def write_report(folder, annotations, detections, metrics):
    """Write the report of the best checkpoint's validation into the run folder.

    Args:
        folder: the run folder; holds metrics.csv already.
        annotations: the validation set; detections: one `Detections` a picture.
        metrics: its `Metrics`.
    """
    folder = Path(folder)
    write_class_table(metrics, folder / "ap_per_class.md")
    plot_precision_recall(metrics, folder / "precision_recall.png")
    matrix = confusion_matrix(annotations, detections)
    plot_confusion(matrix, annotations.class_names, folder / "confusion_matrix.png")
    plot_curves(folder / NAME, folder / "loss.png", folder / "ap.png")
    sheet = validation_sheet(annotations, detections, read_picture)
    save_picture(sheet, folder / "validation.jpg")
