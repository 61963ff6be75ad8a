"""Every key of a config file: the YAML schema of NanoDet 1.0 and our additions.

Each dataclass is one mapping of the YAML; `key` gives the meaning and the allowed values of each field.
`build` uses the types, `check` the bounds and known values, `effects` the refused keys, and `reference`
generates the page ``docs/config.md``.
"""

from dataclasses import dataclass
from typing import Any

from nanodet.config.data_sections import Data
from nanodet.config.distill_section import Distill
from nanodet.config.keys import MUCH, REQUIRED, key, unread
from nanodet.config.model_sections import Model
from nanodet.config.schedule_sections import Schedule

# of `Device.precision`: value in files to Lightning's name
PRECISIONS = {
    "32": "32-true", "32-true": "32-true", "16": "16-mixed", "16-mixed": "16-mixed",
    "bf16": "bf16-mixed", "bf16-mixed": "bf16-mixed", "auto": "auto",
}  # fmt: skip

LOGGERS = ("csv", "tensorboard", "wandb", "mlflow")


@dataclass
class Device:
    gpu_ids: int | list[int] | str = key(
        "auto",
        "CUDA devices such as `[0, 1]`; -1: the CPU; `auto`: all GPUs, or the CPU if there are none",
    )
    workers_per_gpu: int = key(
        2, "processes that read images, at most one per core; 0: only the main process", 0, 4096
    )
    batchsize_per_gpu: int = key(16, "images in a batch, per process", 1, MUCH)
    precision: int | str = key(
        32,
        "32, 16 (mixed, GPUs only), bf16 (mixed), or auto: half precision where the device "
        "computes it faster, which a CPU with bf16 instructions measures at the start",
    )
    accelerator: str = key(
        "auto", "the kind of device", known=("auto", "cpu", "gpu", "cuda", "mps"), ours=True
    )
    strategy: str = key("auto", "Lightning's name of a strategy for several devices", ours=True)
    num_nodes: int = key(1, "machines that train together", 1, 4096, ours=True)


@dataclass
class Evaluator:
    name: str = key("CocoDetectionEvaluator", "COCO's AP", known=("CocoDetectionEvaluator",))
    save_key: str = key(
        "mAP", "the metric that decides which checkpoint is best",
        known=("mAP", "AP_50", "AP_75", "AP_small", "AP_m", "AP_l",
               "AP", "AP50", "AP75", "APs", "APm", "APl"),
    )  # fmt: skip
    score: float = key(0.05, "score threshold", 0, 1, ours=True)
    nms_iou: float = key(
        0.6,
        "IoU threshold of NMS: of two boxes of a class that overlap more, the better is kept",
        0,
        1,
        ours=True,
    )
    per_level: int = key(1000, "best boxes of each level before NMS", 1, MUCH, ours=True)
    per_picture: int = key(100, "best boxes kept per image; AP uses this many", 1, MUCH, ours=True)
    class_agnostic_nms: bool = key(False, "NMS across classes: one box per object", ours=True)


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
        None,
        "random seed of order, augmentation and initial weights; default 0",
        0,
        MUCH,
        ours=True,
    )
    model: Model = key(Model, "the model; default: NanoDet-m")
    data: Data = key(REQUIRED, "the images")
    device: Device = key(Device, "the hardware to train on")
    schedule: Schedule = key(REQUIRED, "how long and how fast the model is trained")
    grad_clip: float | None = key(
        None, "largest norm of the gradient; default, and 0: no clipping", 0, MUCH
    )
    distill: Distill | None = key(None, "learning from a teacher; default: none", ours=True)
    evaluator: Evaluator = key(Evaluator, "how validation is measured")
    log: Log = key(Log, "what is logged during training")
    logger: list[str] | str = key(
        "tensorboard",
        "where what `metrics.csv` contains is written as well, a name or a list: tensorboard, wandb, "
        "mlflow; csv: nowhere. wandb and mlflow need their packages, and take their servers and projects "
        "from their own environment variables",
        known=LOGGERS, ours=True,
    )  # fmt: skip
    class_names: list[str] | None = key(None, "the classes in order; default: those of the data")
    cudnn_benchmark: bool = key(True, "let cuDNN search for the fastest algorithm")
    test: dict[str, Any] | None = unread("the original does not read it either")

    @property
    def loggers(self) -> list[str]:
        """The names in ``logger``, each once."""
        names = [self.logger] if isinstance(self.logger, str) else self.logger
        return list(dict.fromkeys(names))
