"""``nanodet quickstart``: from nothing to a compared ncnn file, without data or network."""

import time
from pathlib import Path

import numpy as np

from nanodet.cli.arguments import positive_int
from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.run import evaluate_model
from nanodet.export.export import export
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.report import write_report
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime.detector import Detector
from nanodet.runtime.files import make_folder
from nanodet.runtime.pictures import read_picture
from nanodet.train.checkpoints import BEST
from nanodet.train.trainer import train

PICTURES, VAL_PICTURES, EPOCHS = 480, 96, 32
WARMUP_RUNS, TIMED_RUNS = 10, 60


def add_arguments(parser):
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("--out", metavar="DIR", default="quickstart", help="default: quickstart")
    parser.add_argument(
        "--seed", type=int, default=0, help="pictures, order and weights; default: 0"
    )
    parser.add_argument("--epochs", type=positive_int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument(
        "--pictures", type=positive_int, default=PICTURES, help=f"to train on; default: {PICTURES}"
    )


def run(args):
    """Draw, train, evaluate, export, compare, time, and write ``DIR/report.md``."""
    out = Path(args.out)
    if args.seed < 0:
        raise NanodetError(f"--seed: must not be negative, not {args.seed}")
    make_folder(out)
    seconds, started = {}, time.perf_counter()

    def lap(what):
        nonlocal started
        now = time.perf_counter()
        seconds[what], started = now - started, now

    print(f"drawing {args.pictures + VAL_PICTURES} pictures")
    train_set = draw_set(out / "data" / "train", args.pictures, args.seed)
    val_set = draw_set(out / "data" / "val", VAL_PICTURES, args.seed + 10**6)
    lap("draw")
    config = quickstart_config(out / "run", train_set, val_set, args.seed, args.epochs)
    train(config, "quickstart")
    lap("train")
    checkpoint = out / "run" / BEST
    exported = export(checkpoint, out / "model", name="quickstart")
    lap("export and compare")
    annotations = read_annotations("CocoDataset", *val_set)
    models = {"torch": checkpoint, **exported.files}
    rows, found = [], None
    limits = config.evaluator
    for stage, path in models.items():
        detector = Detector(path, score=limits.score, nms_iou=limits.nms_iou)
        metrics, detections = evaluate_model(detector, annotations, progress=False)
        found = detections if found is None else found
        rows.append((stage, path, metrics, detector))
    lap("evaluate")
    times = time_networks({stage: detector for stage, _, _, detector in rows}, annotations)
    lap("time")
    report = write_report(out, config, annotations, found, rows, exported.results, times, seconds)
    print(f"AP {rows[0][2].AP:.1f}, AP50 {rows[0][2].AP50:.1f} on {VAL_PICTURES} pictures")
    print(f"report: {report}  ({sum(seconds.values()):.0f} s)")


def time_networks(detectors, annotations):
    """Time the network of every detector, taking turns so that a busy machine slows all alike.

    Returns:
        stage to median milliseconds of one run at batch 1.
    """
    picture = read_picture(annotations.pictures[0].path)
    tensors = {stage: detector.preprocess(picture)[0] for stage, detector in detectors.items()}
    taken = {stage: [] for stage in detectors}
    for turn in range(WARMUP_RUNS + TIMED_RUNS):
        for stage, detector in detectors.items():
            start = time.perf_counter()
            detector.backend.run(tensors[stage])
            if turn >= WARMUP_RUNS:
                taken[stage].append(time.perf_counter() - start)
    return {stage: 1000 * float(np.median(values)) for stage, values in taken.items()}
