"""The AP of a model file on annotated images: what ``nanodet eval`` does."""

import sys
from collections.abc import Callable
from typing import Any

from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import Metrics, check_pycocotools
from nanodet.evaluate.crowd_metrics import crowd_metrics
from nanodet.evaluate.ground_truth import data_of, given, of_config
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.files import StrPath
from nanodet.files.files import check_writable, write_text
from nanodet.text.printable import say


def evaluate(
    model: StrPath,
    images: StrPath | None = None,
    annotations: StrPath | None = None,
    reading: Reading | None = None,
    json_path: StrPath | None = None,
    config: StrPath | None = None,
    show: Callable[[Metrics], None] | None = None,
    **options: Any,
) -> Metrics:
    """Evaluate a model at the thresholds of its config's ``evaluator``.

    Args:
        model: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file.
        images: folder of the images; None takes ``data.val`` of the model's config.
        annotations: COCO's JSON or CrowdHuman's .odgt file, or a folder of VOC's XML or YOLO's text files.
        reading: the `nanodet.data.reading.Reading`; None for the defaults.
        json_path: file to write the AP values to; None for none.
        config: config file of a checkpoint that contains none; for an exported model, the one whose
            ``data.val`` is taken, see `nanodet.evaluate.ground_truth.data_for`.
        show: called with the `Metrics`, before ``json_path`` is written: shown even if that fails.
        options: further arguments of `nanodet.runtime.detector.Detector`.

    Returns:
        `Metrics`, with CrowdHuman's measures if the annotations are an ``.odgt`` file.

    Raises:
        NanodetError: anything the user can fix, before the long run where possible.
    """
    check_pycocotools()
    if json_path is not None:
        check_writable(json_path)
    source = given(images, annotations, reading)
    if source is not None and annotations is None:
        raise NanodetError("--images: needs --annotations to measure AP")
    detector = evaluation_detector(model, config=config, **options)
    if source is None:
        data, file = data_of(detector, config)
        source = of_config(data, file, "val", reading)
        say(source, file=sys.stderr)
    found = source.read(detector.spec, detector.backend.path)
    metrics, detections = evaluate_model(detector, found)
    if source.kind == "OdgtDataset":
        metrics.crowd = crowd_metrics(found, detections)
    if show is not None:
        show(metrics)
    if json_path is not None:
        write_text(json_path, metrics.to_json() + "\n")
    return metrics
