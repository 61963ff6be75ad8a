"""The config of the quickstart's small NanoDet."""

from pathlib import Path
from typing import Any

from nanodet.config import config_from_dict
from nanodet.config.schema import Config
from nanodet.quickstart.shapes import CLASSES

SIZE = (192, 192)


def quickstart_config(
    out: Path, train_set: tuple[Path, Path], val_set: tuple[Path, Path], seed: int, epochs: int
) -> Config:
    """Return the `Config` that trains on the drawn sets.

    Args:
        out: the run folder.
        train_set, val_set: (folder of images, annotation file).
        seed: order, augmentation and initial weights.
        epochs: passes over the training set.
    """

    def section(pictures: Path, annotations: Path, pipeline: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": "CocoDataset", "img_path": str(pictures), "ann_path": str(annotations),
            "input_size": list(SIZE), "fit": "letterbox", "cache": True,
            "pipeline": pipeline,
        }  # fmt: skip

    augmentation = {
        "scale": [0.7, 1.3], "translate": 0.1, "flip": 0.5, "brightness": 0.15,
        "contrast": [0.8, 1.2], "saturation": [0.7, 1.3],
    }  # fmt: skip
    return config_from_dict(
        {
            "save_dir": str(out),
            "seed": seed,
            "model": {
                "weight_averager": {"name": "ExpMovingAverager", "decay": 0.998},
                "arch": {"backbone": {"model_size": "0.5x", "pretrain": False}},
            },
            "data": {"train": section(*train_set, augmentation), "val": section(*val_set, {})},
            "device": {"gpu_ids": -1, "workers_per_gpu": 0},
            "schedule": {
                "optimizer": {
                    "name": "AdamW",
                    "lr": 0.004,
                    "weight_decay": 0.05,
                    "no_norm_decay": True,
                },
                "warmup": {"name": "linear", "steps": 50, "ratio": 0.05},
                "total_epochs": epochs,
                "lr_schedule": {"name": "CosineAnnealingLR", "eta_min": 0.00004},
                "val_intervals": max(epochs // 4, 1),
            },
            "grad_clip": 35,
            "class_names": list(CLASSES),
        },
        "quickstart",
    )
