"""``python tools/test.py --task val|test --config C --model M``, as in the original NanoDet.

``val`` measures AP on the config's ``data.val``. ``test`` only writes what was found in the pictures
of ``data.test`` (or ``data.val``), in COCO's result format, to ``results_test.json`` in ``save_dir``.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import run_command


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", choices=("val", "test"), default="val")
    parser.add_argument("--config", required=True)
    parser.add_argument("--model", required=True, help=".ckpt, .pth, .onnx or .param file")
    return run_command(run, parser.parse_args(argv))


def run(args):
    from nanodet.config import load_config
    from nanodet.data.read import read_annotations
    from nanodet.evaluate.run import evaluate_model, format_table
    from nanodet.runtime.detector import Detector
    from nanodet.runtime.files import write_text

    config = load_config(args.config)
    limits, section = config.evaluator, config.data.val
    if args.task == "test":
        section = config.data.test or section
    annotations = read_annotations(
        section.name, section.img_path, section.ann_path, section.list_path,
        section.class_names or config.class_names,
    )  # fmt: skip
    detector = Detector(
        args.model, config=args.config, score=limits.score, nms_iou=limits.nms_iou,
        per_level=limits.per_level, per_picture=limits.per_picture,
    )  # fmt: skip
    metrics, detections = evaluate_model(detector, annotations)
    if args.task == "val":
        print(format_table(metrics))
        return
    path = Path(config.save_dir) / "results_test.json"
    write_text(path, json.dumps(coco_results(annotations, detections)))
    print(path)


def coco_results(annotations, detections):
    """Return detections as COCO's result list, with the annotation's own category ids."""
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
    ]


if __name__ == "__main__":
    sys.exit(main())
