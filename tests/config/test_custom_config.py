"""The short config for own images trains as it is, given paths."""

from pathlib import Path

import yaml

from nanodet.config import load_config
from nanodet.hub.catalogue import CATALOGUE
from nanodet.quickstart.shapes import CLASSES, draw_set
from nanodet.train.trainer import train

CONFIG = Path(__file__).resolve().parents[2] / "config" / "nanodet-m_custom.yml"


def test_the_custom_config_needs_paths_alone(tmp_path):
    pictures, annotations = draw_set(tmp_path / "set", 4, 0)
    config = load_config(
        CONFIG,
        [
            f"save_dir={tmp_path / 'run'}",
            *(f"data.{part}.{key}={value}" for part in ("train", "val") for key, value in (
                ("name", "CocoDataset"), ("img_path", pictures), ("ann_path", annotations),
                ("input_size", "[64, 64]"),
            )),
            # no network here, and no time
            "schedule.load_model=null", "model.arch.backbone.pretrain=false",
            "device.gpu_ids=-1", "device.workers_per_gpu=0", "schedule.total_epochs=1",
        ],
    )  # fmt: skip
    train(config, "my.yml", print)
    assert load_config(CONFIG).schedule.load_model in CATALOGUE
    written = yaml.safe_load((tmp_path / "run" / "config.yml").read_text())
    assert written["class_names"] == list(CLASSES)
    assert written["model"]["arch"]["head"]["num_classes"] == len(CLASSES)
    assert written["model"]["arch"]["backbone"]["model_size"] == "1.0x"
    assert written["schedule"]["lr_schedule"]["T_max"] == 1
