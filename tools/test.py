"""``python tools/test.py --task val|test --config C --model M``, as in the original NanoDet.

``val`` measures AP on the config's ``data.val``; with ``--save_result`` it goes to ``eval_results.txt``
in ``save_dir`` too. ``test`` only writes what was found in the images
of ``data.test`` (or ``data.val``), in COCO's result format, to ``results_test.json`` in ``save_dir``.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import run_command
from nanodet.cli.packages import needed_packages


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", choices=("val", "test"), default="val")
    parser.add_argument("--config", required=True)
    parser.add_argument("--model", required=True, help=".ckpt, .pth, .onnx or .param file")
    parser.add_argument(
        "--save_result", action="store_true", help="of val: write AP to a text file"
    )
    return run_command(run, parser.parse_args(argv))


def run(args):
    with needed_packages():
        from nanodet.config import load_config
        from nanodet.data.reading import Reading
        from nanodet.evaluate.ground_truth import AnnotatedImages
        from nanodet.evaluate.run import (
            detect_all,
            evaluate_model,
            evaluation_detector,
            format_table,
        )
        from nanodet.files.files import check_writable, write_text
        from nanodet.text.printable import say

    config = load_config(args.config)
    testing = args.task == "test"
    section = (config.data.test if testing else None) or config.data.val
    results = Path(config.save_dir) / ("results_test.json" if testing else "eval_results.txt")
    if testing or args.save_result:
        check_writable(results)
    detector = evaluation_detector(args.model, config.evaluator, config=args.config)
    place = "data.test." if testing and config.data.test else "data.val."
    source = AnnotatedImages(section.img_path, section.ann_path, Reading.of_section(section, place))
    annotations = source.read(detector.class_names, detector.backend.path, annotated=not testing)
    if testing:
        detections = detect_all(detector, annotations)
        write_text(results, json.dumps(coco_results(annotations, detections)))
        say(results)
    else:
        metrics, _ = evaluate_model(detector, annotations)
        say(*format_table(metrics).split("\n"))
        if args.save_result:
            write_text(results, original_results(metrics))


def original_results(metrics):
    """Return `Metrics` as lines with the original's names, 0..1; -1 where there is nothing to measure."""
    values = {
        "mAP": metrics.AP, "AP_50": metrics.AP50, "AP_75": metrics.AP75,
        "AP_small": metrics.APs, "AP_m": metrics.APm, "AP_l": metrics.APl,
    }  # fmt: skip
    return "".join(f"{k}: {-1 if v is None else v / 100}\n" for k, v in values.items())


def coco_results(annotations, detections):
    """Return detections as COCO's result list, with the annotation's own category ids.

    Classes that the annotations have no category for are left out.
    """
    return [
        {
            "image_id": picture.image_id,
            "category_id": int(annotations.category_ids[class_id]),
            "bbox": [round(float(v), 3) for v in (x1, y1, x2 - x1, y2 - y1)],
            "score": round(float(score), 5),
        }
        for picture, found in zip(annotations.pictures, detections, strict=True)
        for (x1, y1, x2, y2), score, class_id in zip(
            found.xyxy, found.confidence, found.class_id, strict=True
        )
        if annotations.category_ids[class_id] is not None
    ]


if __name__ == "__main__":
    sys.exit(main())
