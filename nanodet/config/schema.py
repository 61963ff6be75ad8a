"""Every key a config file may hold: the YAML schema of NanoDet 1.0 and our additions.

Each dataclass is one mapping of the YAML; `key` says beside each field what it means and which
values it takes. From here `build` takes the types, `check` the bounds and known values,
`effects` what is refused, and `reference` the page ``docs/config.md``.
"""

from dataclasses import dataclass
from typing import Any

from nanodet.config.data_sections import Data
from nanodet.config.keys import MUCH, REQUIRED, key, unread
from nanodet.config.model_sections import Model
from nanodet.config.schedule_sections import Schedule


@dataclass
class Device:
    gpu_ids: int | list[int] | str = key(
        "auto",
        "CUDA devices such as `[0, 1]`; -1: the CPU; `auto`: all GPUs there are, else the CPU",
    )
    workers_per_gpu: int = key(
        2, "processes that read images, at most one a core; 0: none but the main one", 0, 4096
    )
    batchsize_per_gpu: int = key(16, "images in a batch of one process", 1, MUCH)
    precision: int | str = key(32, "32, 16 (mixed, GPUs only) or bf16 (mixed)")
    accelerator: str = key(
        "auto", "the kind of device", known=("auto", "cpu", "gpu", "cuda", "mps"), ours=True
    )
    strategy: str = key("auto", "Lightning's name of a strategy for several devices", ours=True)
    num_nodes: int = key(1, "machines that train together", 1, 4096, ours=True)


@dataclass
class Evaluator:
    name: str = key("CocoDetectionEvaluator", "COCO's AP", known=("CocoDetectionEvaluator",))
    save_key: str = key(
        "mAP", "what makes a checkpoint the best one",
        known=("mAP", "AP_50", "AP_75", "AP_small", "AP_m", "AP_l",
               "AP", "AP50", "AP75", "APs", "APm", "APl"),
    )  # fmt: skip
    score: float = key(0.05, "boxes below are left out", 0, 1, ours=True)
    nms_iou: float = key(
        0.6, "of two boxes of a class with a higher IoU only the better stays", 0, 1, ours=True
    )
    per_level: int = key(1000, "best boxes of each level before NMS", 1, MUCH, ours=True)
    per_picture: int = key(100, "best boxes of an image; AP counts as many", 1, MUCH, ours=True)
    class_agnostic_nms: bool = key(False, "one box an object, whatever the classes", ours=True)


@dataclass
class Log:
    interval: int = key(
        10, "batches between rows of `metrics.csv` (the original's default: 50)", 1, MUCH
    )


@dataclass
class Config:
    """A whole config file."""

    save_dir: str = key("workspace", "the run folder")
    seed: int | None = key(
        None, "of order, augmentation and first weights; 0 where left out", 0, MUCH, ours=True
    )
    model: Model = key(Model, "the model; NanoDet-m where left out")
    data: Data = key(REQUIRED, "the images")
    device: Device = key(Device, "what computes")
    schedule: Schedule = key(REQUIRED, "how long and how fast it learns")
    grad_clip: float | None = key(None, "longest gradient; none where left out, or 0", 0, MUCH)
    evaluator: Evaluator = key(Evaluator, "how validation counts")
    log: Log = key(Log, "what is written meanwhile")
    class_names: list[str] | None = key(
        None, "the classes in order; those of the data where left out"
    )
    cudnn_benchmark: bool = key(True, "let cuDNN try which algorithm is the fastest")
    test: dict[str, Any] | None = unread("the original does not read it either")
