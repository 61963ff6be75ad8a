"""The AP of a model file on annotated pictures: what ``nanodet eval`` does."""

from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.evaluate.truth import read_truth
from nanodet.runtime.files import check_writable, write_text


def evaluate(
    model, images, annotations, kind=None, list_path=None, json_path=None, reading=None, **options
):
    """Evaluate a model at the thresholds of its config's ``evaluator``.

    Args:
        model: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file.
        images: folder of the pictures.
        annotations: COCO's JSON file, or a folder of VOC's XML or YOLO's text files.
        kind: ``coco``, ``voc`` or ``yolo``; None lets the files tell.
        list_path: a text file with one picture name a line; None for all.
        json_path: file to write the AP values to; None for none.
        reading: the `nanodet.data.reading.Reading`; None for the defaults.
        options: further arguments of `nanodet.runtime.detector.Detector`, such as ``config``.

    Returns:
        `Metrics`.

    Raises:
        NanodetError: anything the user can mend, before the long run wherever it can be known.
    """
    check_pycocotools()
    if json_path is not None:
        check_writable(json_path)
    detector = evaluation_detector(model, **options)
    found = read_truth(
        detector.spec, detector.backend.path, images, annotations, kind, list_path, reading
    )
    metrics, _ = evaluate_model(detector, found)
    if json_path is not None:
        write_text(json_path, metrics.to_json() + "\n")
    return metrics
