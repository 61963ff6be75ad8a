"""A small data set and a config that trains on it within seconds."""

import functools
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml

from nanodet.config import config_to_dict, load_config
from nanodet.config.data_sections import OFF_AT_THE_END
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.train.trainer import train


class Trained(NamedTuple):
    """A run folder, the metrics of its best checkpoint, and the keys of its config that were set."""

    folder: Path
    metrics: Metrics
    keys: dict


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """24 drawn images to train on and 8 to validate: two (images, annotations)."""
    folder = tmp_path_factory.mktemp("shapes")
    return draw_set(folder / "train", 24, 0), draw_set(folder / "val", 8, 1)


def write_config(folder, shapes, name="small.yml", **changes):
    """Write a config with the run folder ``folder / "run"`` and keys changed; return its path."""
    mapping = config_to_dict(quickstart_config(folder / "run", *shapes, seed=3, epochs=2))
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [96, 96]
    mapping["device"].update(gpu_ids=-1, batchsize_per_gpu=4)
    mapping["log"]["interval"] = 1
    for key, value in changes.items():
        *parents, last = key.split(".")
        inner = mapping
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    path = folder / name
    path.write_text(yaml.safe_dump(mapping))
    return path


@pytest.fixture()
def small_config(shapes, tmp_path):
    """Write a config; ``small_config(**{"schedule.total_epochs": 3})`` changes keys."""
    return functools.partial(write_config, tmp_path, shapes)


@pytest.fixture(scope="session")
def trained(shapes, tmp_path_factory):
    """A training of two epochs, on one thread."""
    keys = {"schedule.total_epochs": 2, "schedule.val_intervals": 1, "log.interval": 2}
    keys |= {f"data.train.pipeline.{step}": 0.3 for step in OFF_AT_THE_END}
    folder = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    metrics = train(load_config(write_config(folder, shapes, **keys)), say=lambda line: None)
    torch.set_num_threads(threads)
    return Trained(folder / "run", metrics, keys)
