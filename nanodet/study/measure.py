"""One run of a study: a training, and what is measured on it."""

import os
import time
from pathlib import Path

import cv2

from nanodet.config import load_config, read_mapping
from nanodet.config.schema import Config
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.evaluate.correlation import pearson
from nanodet.study.over_images import resamples_of
from nanodet.study.positives import scores_at_positives
from nanodet.study.results import SETTINGS, Result, write_result
from nanodet.train.outputs import LAST
from nanodet.train.trainer import train


def train_and_measure(folder: Path, resume: bool) -> Result:
    """Train what ``settings.yml`` in a run folder says, and write ``result.json`` beside it.

    Args:
        folder: the run folder.
        resume: whether a training that was cut goes on.

    Raises:
        NanodetError: as `nanodet.train.trainer.train`; or nothing could be measured.
    """
    threads = os.environ.get("OMP_NUM_THREADS")
    if threads:
        cv2.setNumThreads(int(threads))
    path = folder / SETTINGS
    settings = read_mapping(path)
    config = load_config(path, ["schedule.resume=true"] if resume else [])
    config.save_dir = str(folder)  # wherever it lies now
    start = time.perf_counter()
    metrics = train(config, str(path))
    seconds = time.perf_counter() - start
    if metrics is None:
        raise NanodetError(f"{path}: data.val has no objects that count: nothing was measured")
    scores, ious = scores_at_positives(folder / LAST, _validation_set(config), config)
    result = Result(
        settings=settings,
        metrics={name: getattr(metrics, name) for name in SUMMARY},
        pearson=pearson(scores, ious),
        positives=len(scores),
        seconds=None if resume else round(seconds, 1),
        resampled_ap=resamples_of(metrics),
        images=metrics.images,
    )
    write_result(folder, result)
    return result


def _validation_set(config: Config) -> Annotations:
    section = config.data.val
    return read_annotations(
        section.name, section.img_path, section.ann_path, section.list_path, config.class_names,
        reading=Reading.of_section(section, "data.val."),
    )  # fmt: skip
