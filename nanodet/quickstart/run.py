"""From nothing to a compared ncnn file, without data or network."""

import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from nanodet.bench.here import Here
from nanodet.bench.machine import MACHINE, allowed_cores, choose_cores, describe
from nanodet.bench.plan import Effort, plan_entries
from nanodet.bench.statistics import stage_times
from nanodet.bench.turns import measure
from nanodet.data.read import read_annotations
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.plots import with_interval
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.export.export import export
from nanodet.files.files import make_folder, text_name
from nanodet.quickstart import EPOCHS, PICTURES
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.report import write_report
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime.detections import Detections
from nanodet.text.printable import say
from nanodet.train.outputs import BEST, CONFIG
from nanodet.train.trainer import train

VAL_PICTURES = 96
TIMING = Effort(runs=60, seconds=1.0, name="quick")


def quickstart(
    out: str | Path, seed: int = 0, epochs: int = EPOCHS, pictures: int = PICTURES
) -> Path:
    """Draw, train, evaluate, export, compare, time, and write ``report.md``.

    Args:
        out: folder for everything.
        seed: of the images, their order and the weights; 0 or above.
        epochs: passes over the training set.
        pictures: how many to train on.

    Returns:
        the path of the report.

    Raises:
        NanodetError: the folder cannot be written.
    """
    out = Path(text_name(out))
    make_folder(out)
    seconds, started = {}, time.perf_counter()

    def lap(what: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[what], started = now - started, now

    say(f"drawing {pictures + VAL_PICTURES} images")
    train_set = draw_set(out / "data" / "train", pictures, seed)
    val_set = draw_set(out / "data" / "val", VAL_PICTURES, seed + 10**6)
    lap("draw")
    config = quickstart_config(out / "run", train_set, val_set, seed, epochs)
    again = shlex.join(["nanodet", "train", str(out / "run" / CONFIG), "schedule.resume=true"])
    train(config, "quickstart", resume=again)
    lap("train")
    checkpoint = out / "run" / BEST
    exported = export(checkpoint, out / "model", name="quickstart")
    lap("export and compare")
    annotations = read_annotations("CocoDataset", *val_set)
    models = {"torch": checkpoint, **exported.files}
    rows: list[tuple[str, Path, Metrics]] = []
    found: list[Detections] = []  # those of torch
    for stage, path in models.items():
        detector = evaluation_detector(path, config.evaluator)
        metrics, detections = evaluate_model(detector, annotations, progress=False)
        found = found or detections
        rows.append((stage, path, metrics))
    lap("evaluate")
    times = time_models(models)
    lap("time")
    report = write_report(
        out,
        config,
        annotations=annotations,
        detections=found,
        rows=rows,
        results=exported.results,
        times=times,
        seconds=seconds,
    )
    values = (f"{name} {with_interval(rows[0][2], name)}" for name in ("AP", "AP50"))
    say(f"{', '.join(values)} on {VAL_PICTURES} images, with 95 % intervals")
    say(f"report: {report}  ({sum(seconds.values()):.0f} s)")
    return report


def time_models(models: Mapping[str, str | Path]) -> dict[str, tuple[float | None, ...]]:
    """Time models as ``nanodet bench`` does: on one thread, a process each, in turns.

    Args:
        models: stage to model file.

    Returns:
        stage to median milliseconds of the network, and of everything from the image to its
        boxes; None for a model that could not be run.
    """
    entries = plan_entries([str(path) for path in models.values()])
    here = Here()
    files = here.read(MACHINE)
    allowed = allowed_cores(files)  # None where a process cannot choose its cores
    cores = choose_cores("big", describe(files)["cores"], allowed) if allowed else None
    times = {}
    for stage, one in zip(models, measure(entries, TIMING, here, cores), strict=True):
        figures = stage_times(one.runs, one.loaded["stages"]) if one.runs else {}
        times[stage] = tuple(
            figures[name]["median"] / 1000 if figures else None
            for name in ("network", "end_to_end")
        )
    return times
