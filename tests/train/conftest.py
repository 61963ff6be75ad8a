"""A small data set and a config that trains on it within seconds."""

import pytest
import yaml

from nanodet.config import config_to_dict
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """24 drawn pictures to train on and 8 to validate: two (pictures, annotations)."""
    folder = tmp_path_factory.mktemp("shapes")
    return draw_set(folder / "train", 24, 0), draw_set(folder / "val", 8, 1)


@pytest.fixture()
def small_config(shapes, tmp_path):
    """Write a config; ``small_config(**{"schedule.total_epochs": 3})`` changes keys."""

    def write(name="small.yml", **changes):
        mapping = config_to_dict(quickstart_config(tmp_path / "run", *shapes, seed=3, epochs=2))
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
        path = tmp_path / name
        path.write_text(yaml.safe_dump(mapping))
        return path

    return write
