"""Every key a config file may hold: the YAML schema of NanoDet 1.0 and our additions.

Each dataclass is one mapping of the YAML. A default of ``REQUIRED`` must be given by the file.
Parts are named by ``name``; the dataclass of a part holds the keys of all its variants, and the
room that builds the part says which names it knows.
"""

from dataclasses import dataclass, field
from typing import Any

REQUIRED = object()

Range = list[float]

# keys of `Dataset` that say what to do about what is doubtful, and their values
DATASET_CHOICES = {
    "unknown_classes": ("error", "skip"),
    "missing_images": ("error", "skip"),
}


@dataclass
class Backbone:
    name: str = REQUIRED
    model_size: str = "1.0x"
    out_stages: list[int] = field(default_factory=lambda: [2, 3, 4])
    activation: str = "LeakyReLU"
    with_last_conv: bool = False
    kernal_size: int = 3  # spelled so in the original
    pretrain: bool | str = True
    # of backbones that only the original has
    arch: str | None = None
    deploy: bool | None = None
    features_only: bool | None = None
    last_channel: int | None = None
    model_name: str | None = None
    net_cfg: list[Any] | None = None
    out_indices: list[int] | None = None
    pretrained: bool | None = None
    width_mult: float | None = None
    depth: int | None = None
    act: str | None = None


@dataclass
class Fpn:
    name: str = REQUIRED
    in_channels: list[int] = REQUIRED
    out_channels: int = 96
    start_level: int = 0
    end_level: int = -1
    num_outs: int = 3
    activation: str | None = None
    norm_cfg: dict[str, Any] | None = None
    conv_cfg: dict[str, Any] | None = None
    # of necks that only the original has
    dropout_ratio: float | None = None
    feature_hw: list[int] | None = None
    kernel_size: int | None = None
    mlp_ratio: int | None = None
    num_encoders: int | None = None
    num_extra_level: int | None = None
    num_heads: int | None = None
    use_depthwise: bool | None = None
    expand: int | None = None
    num_blocks: int | None = None
    use_res: bool | None = None
    upsample_cfg: dict[str, Any] | None = None


@dataclass
class LossQfl:
    name: str = "QualityFocalLoss"
    use_sigmoid: bool = True
    beta: float = 2.0
    loss_weight: float = 1.0


@dataclass
class LossDfl:
    name: str = "DistributionFocalLoss"
    loss_weight: float = 0.25


@dataclass
class LossBbox:
    name: str = "GIoULoss"
    loss_weight: float = 2.0


@dataclass
class Loss:
    loss_qfl: LossQfl = field(default_factory=LossQfl)
    loss_dfl: LossDfl = field(default_factory=LossDfl)
    loss_bbox: LossBbox = field(default_factory=LossBbox)


@dataclass
class Head:
    name: str = REQUIRED
    num_classes: int | None = None  # None: as many as there are class names
    input_channel: int = 96
    feat_channels: int = 96
    stacked_convs: int = 2
    share_cls_reg: bool = True
    octave_base_scale: int = 5
    scales_per_octave: int = 1
    strides: list[int] = field(default_factory=lambda: [8, 16, 32])
    reg_max: int = 7
    ignore_iof_thr: float = 0.5
    conv_type: str = "DWConv"
    norm_cfg: dict[str, Any] | None = field(default_factory=lambda: {"type": "BN"})
    activation: str = "LeakyReLU"
    loss: Loss = field(default_factory=Loss)
    # of heads that only the original has
    kernel_size: int | None = None
    assigner_cfg: dict[str, Any] | None = None
    use_depthwise: bool | None = None
    legacy_post_process: bool | None = None


@dataclass
class Arch:
    name: str = "OneStageDetector"
    backbone: Backbone = REQUIRED
    fpn: Fpn = REQUIRED
    head: Head = REQUIRED
    aux_head: dict[str, Any] | None = None
    detach_epoch: int | None = None


@dataclass
class WeightAverager:
    name: str = "ExpMovingAverager"
    decay: float = 0.9998


@dataclass
class Model:
    arch: Arch = REQUIRED
    weight_averager: WeightAverager | None = None


@dataclass
class Pipeline:
    """Augmentation; a value of None leaves the step out."""

    perspective: float = 0.0
    scale: Range | None = None
    stretch: list[Range] | None = None
    rotation: float = 0.0
    shear: float = 0.0
    translate: float = 0.0
    flip: float = 0.0
    brightness: float | None = None
    contrast: Range | None = None
    saturation: Range | None = None
    normalize: list[Range] = field(
        default_factory=lambda: [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]]
    )


@dataclass
class Dataset:
    name: str = REQUIRED
    img_path: str = REQUIRED
    ann_path: str = REQUIRED
    list_path: str | None = None  # ours: a text file with one picture name a line
    class_names: list[str] | None = None
    unknown_classes: str | None = None  # ours; None: error, for VOC skip
    missing_images: str = "error"  # ours
    input_size: list[int] = REQUIRED
    keep_ratio: bool = True
    fit: str | None = None  # ours; None: own where keep_ratio, else stretch
    multi_scale: Range | None = None
    cache: bool = False  # ours: keep decoded pictures in memory
    pipeline: Pipeline = field(default_factory=Pipeline)
    use_instance_mask: bool | None = None
    use_seg_mask: bool | None = None
    use_keypoint: bool | None = None
    load_mosaic: bool | None = None
    mode: str | None = None

    @property
    def effective_fit(self):
        """``own``, ``letterbox`` or ``stretch``: what ``fit`` and ``keep_ratio`` come to."""
        return self.fit or ("own" if self.keep_ratio else "stretch")


@dataclass
class Data:
    train: Dataset = REQUIRED
    val: Dataset = REQUIRED
    test: Dataset | None = None


@dataclass
class Device:
    gpu_ids: int | list[int] | str = "auto"
    workers_per_gpu: int = 2
    batchsize_per_gpu: int = 16
    precision: int | str = 32
    accelerator: str = "auto"  # ours: auto, cpu, gpu (or cuda), mps
    strategy: str = "auto"  # ours: Lightning's name, e.g. ddp
    num_nodes: int = 1  # ours


@dataclass
class LevelCfg:
    lr_mult: float = 1.0
    decay_mult: float = 1.0


@dataclass
class Optimizer:
    name: str = REQUIRED
    lr: float = REQUIRED
    momentum: float | None = None
    weight_decay: float = 0.0
    nesterov: bool | None = None
    dampening: float | None = None
    betas: Range | None = None
    eps: float | None = None
    amsgrad: bool | None = None
    no_norm_decay: bool = False
    no_bias_decay: bool = False
    param_level_cfg: dict[str, LevelCfg] | None = None


@dataclass
class Warmup:
    name: str = "linear"
    steps: int = 300
    ratio: float = 0.1


@dataclass
class LrSchedule:
    name: str = REQUIRED
    milestones: list[int] | None = None
    gamma: float | None = None
    T_max: int | None = None
    eta_min: float | None = None


@dataclass
class EarlyStopping:
    patience: int = 10  # evaluations without a better one


@dataclass
class Schedule:
    resume: bool | str | None = None
    load_model: str | None = None
    optimizer: Optimizer = REQUIRED
    warmup: Warmup = field(default_factory=Warmup)
    total_epochs: int = REQUIRED
    lr_schedule: LrSchedule = REQUIRED
    val_intervals: int = 10
    accumulate: int = 1  # ours: batches per optimiser step
    early_stopping: EarlyStopping | None = None  # ours
    freeze_norm: bool = False  # ours: batch norm in eval mode while training


@dataclass
class Evaluator:
    name: str = "CocoDetectionEvaluator"
    save_key: str = "mAP"
    score: float = 0.05  # ours, as the three below: paper section 4, "Inference details"
    nms_iou: float = 0.6
    per_level: int = 1000
    per_picture: int = 100
    class_agnostic_nms: bool = False  # ours: one box an object, whatever the classes


@dataclass
class Log:
    interval: int = 10


@dataclass
class Config:
    """A whole config file."""

    save_dir: str = "workspace"
    seed: int | None = None  # ours
    model: Model = REQUIRED
    data: Data = REQUIRED
    device: Device = field(default_factory=Device)
    schedule: Schedule = REQUIRED
    grad_clip: float | None = None
    evaluator: Evaluator = field(default_factory=Evaluator)
    log: Log = field(default_factory=Log)
    class_names: list[str] | None = None
    cudnn_benchmark: bool = True
    test: dict[str, Any] | None = None
