"""From nothing to a compared ncnn file, without data or network."""

import time
from pathlib import Path

import numpy as np

from nanodet.data.picture import load_picture
from nanodet.data.read import read_annotations
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.export.export import export
from nanodet.quickstart import EPOCHS, PICTURES
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.report import write_report
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime.files import make_folder
from nanodet.train.checkpoints import BEST
from nanodet.train.trainer import train

VAL_PICTURES = 96
WARMUP_RUNS, TIMED_RUNS = 10, 60


def quickstart(out, seed=0, epochs=EPOCHS, pictures=PICTURES):
    """Draw, train, evaluate, export, compare, time, and write ``report.md``.

    Args:
        out: folder for everything.
        seed: of the pictures, their order and the weights; 0 or above.
        epochs: passes over the training set.
        pictures: how many to train on.

    Returns:
        the path of the report.

    Raises:
        NanodetError: the folder cannot be written.
    """
    out = Path(out)
    make_folder(out)
    seconds, started = {}, time.perf_counter()

    def lap(what):
        nonlocal started
        now = time.perf_counter()
        seconds[what], started = now - started, now

    print(f"drawing {pictures + VAL_PICTURES} pictures")
    train_set = draw_set(out / "data" / "train", pictures, seed)
    val_set = draw_set(out / "data" / "val", VAL_PICTURES, seed + 10**6)
    lap("draw")
    config = quickstart_config(out / "run", train_set, val_set, seed, epochs)
    train(config, "quickstart")
    lap("train")
    checkpoint = out / "run" / BEST
    exported = export(checkpoint, out / "model", name="quickstart")
    lap("export and compare")
    annotations = read_annotations("CocoDataset", *val_set)
    models = {"torch": checkpoint, **exported.files}
    rows, found = [], None
    for stage, path in models.items():
        detector = evaluation_detector(path, config.evaluator)
        metrics, detections = evaluate_model(detector, annotations, progress=False)
        found = detections if found is None else found
        rows.append((stage, path, metrics, detector))
    lap("evaluate")
    times = time_networks({stage: detector for stage, _, _, detector in rows}, annotations)
    lap("time")
    report = write_report(out, config, annotations, found, rows, exported.results, times, seconds)
    print(f"AP {rows[0][2].AP:.1f}, AP50 {rows[0][2].AP50:.1f} on {VAL_PICTURES} pictures")
    print(f"report: {report}  ({sum(seconds.values()):.0f} s)")
    return report


def time_networks(detectors, annotations):
    """Time the network of every detector, taking turns so that a busy machine slows all alike.

    Returns:
        stage to median milliseconds of one run at batch 1.
    """
    picture = load_picture(annotations.pictures[0])
    tensors = {stage: detector.preprocess(picture)[0] for stage, detector in detectors.items()}
    taken = {stage: [] for stage in detectors}
    for turn in range(WARMUP_RUNS + TIMED_RUNS):
        for stage, detector in detectors.items():
            start = time.perf_counter()
            detector.backend.run(tensors[stage])
            if turn >= WARMUP_RUNS:
                taken[stage].append(time.perf_counter() - start)
    return {stage: 1000 * float(np.median(values)) for stage, values in taken.items()}
