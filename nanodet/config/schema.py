"""Every key a config file may hold: the YAML schema of NanoDet 1.0 and our additions.

Each dataclass is one mapping of the YAML; `key` says beside each field what it means and which
values it takes. From here `build` takes the types, `check` the bounds and known values,
`effects` what is refused, and `reference` the page ``docs/config.md``.
"""

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NamedTuple

from nanodet.runtime.fit import FITS

REQUIRED = object()

Range = list[float]
MUCH = 2**31
_ABOVE_ZERO = 1e-12


class Meaning(NamedTuple):
    """What the schema says about a key besides its type and default.

    Attributes:
        text: for the reference page.
        low, high: bounds of a number, both included; ``None`` for none.
        known: the values it takes; empty for any of its type.
        ours: whether the original has no such key.
        unread: whether it belongs to parts that only the original has: known, and refused.
    """

    text: str
    low: float | None = None
    high: float | None = None
    known: tuple = ()
    ours: bool = False
    unread: bool = False


def key(default, text, low=None, high=None, known=(), ours=False, unread=False):
    """Return a dataclass field with its `Meaning`; a callable ``default`` makes the value."""
    metadata = {"meaning": Meaning(text, low, high, known, ours, unread)}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def unread(parts):
    """Return the field of a key that only ``parts``, which are not built here, have."""
    return key(None, parts, unread=True)


def meaning(entry):
    """Return the `Meaning` of a dataclass field."""
    return entry.metadata["meaning"]


def default_of(entry):
    """Return the value of a field that a file leaves out, or `REQUIRED`."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()


_ACTIVATIONS = ("LeakyReLU", "ReLU", "ReLU6", "SiLU", "HardSwish", "Hardswish")

# keys of `Dataset` that say what to do about what is doubtful, and their values
DATASET_CHOICES = {
    "unknown_classes": ("error", "skip"),
    "missing_images": ("error", "skip"),
    "orientation": ("auto", "turned", "stored"),
    "yolo_labels": ("auto", "boxes", "polygons"),
}


@dataclass
class Backbone:
    name: str = key("ShuffleNetV2", "the backbone", known=("ShuffleNetV2",))
    model_size: str = key(
        "1.0x", "width (the original's default: 1.5x)", known=("0.5x", "1.0x", "1.5x", "2.0x")
    )
    out_stages: list[int] = key(
        lambda: [2, 3, 4], "stages whose maps the neck gets, strides 8, 16 and 32", 2, 4
    )
    activation: str = key(
        "LeakyReLU", "behind its convolutions (the original's default: ReLU)", known=_ACTIVATIONS
    )
    with_last_conv: bool = key(
        False, "end stage 4 in the 1 x 1 convolution of the ImageNet network"
    )
    kernal_size: int = key(3, "spelled so in the original, where nothing reads it", known=(3,))
    pretrain: bool | str = key(
        True,
        "start from torchvision's ImageNet weights (true), at random (false) or from a file's; not "
        "needed, and not fetched, where `schedule.load_model` is given",
    )
    arch: str | None = unread("RepVGG")
    deploy: bool | None = unread("RepVGG")
    features_only: bool | None = unread("TIMMWrapper")
    last_channel: int | None = unread("RepVGG, MobileNetV2")
    model_name: str | None = unread("EfficientNetLite, TIMMWrapper")
    net_cfg: list[Any] | None = unread("CustomCspNet")
    out_indices: list[int] | None = unread("TIMMWrapper")
    pretrained: bool | None = unread("TIMMWrapper")
    width_mult: float | None = unread("GhostNet, MobileNetV2")
    depth: int | None = unread("ResNet")
    act: str | None = unread("GhostNet, MobileNetV2")


@dataclass
class Norm:
    type: str = key(REQUIRED, "the normalisation", known=("BN",))
    eps: float = key(1e-5, "added to the variance", _ABOVE_ZERO, 1)
    momentum: float = key(0.1, "of the running mean and variance", 0, 1)
    requires_grad: bool = key(True, "whether its weights and biases learn")


@dataclass
class Fpn:
    name: str = key("PAN", "the neck", known=("PAN",))
    in_channels: list[int] | None = key(
        None, "channels of the backbone's maps; follows from the backbone where left out"
    )
    out_channels: int = key(96, "channels of the maps that come out", 1, 4096)
    start_level: int = key(0, "`backbone.out_stages` chooses the maps", known=(0,))
    end_level: int = key(-1, "`backbone.out_stages` chooses the maps", known=(-1,))
    num_outs: int | None = key(
        None, "as many as the backbone has maps, which is what it is where left out"
    )
    activation: str | None = key(
        None, "behind the lateral convolutions; none where left out", known=_ACTIVATIONS
    )
    norm_cfg: Norm | None = key(
        None, "batch norm behind the lateral convolutions; none where left out"
    )
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")
    dropout_ratio: float | None = unread("TAN")
    feature_hw: list[int] | None = unread("TAN")
    kernel_size: int | None = unread("GhostPAN")
    mlp_ratio: int | None = unread("TAN")
    num_encoders: int | None = unread("TAN")
    num_extra_level: int | None = unread("GhostPAN")
    num_heads: int | None = unread("TAN")
    use_depthwise: bool | None = unread("GhostPAN")
    expand: int | None = unread("GhostPAN")
    num_blocks: int | None = unread("GhostPAN")
    use_res: bool | None = unread("GhostPAN")
    upsample_cfg: dict[str, Any] | None = unread("GhostPAN")


@dataclass
class LossQfl:
    name: str = key("QualityFocalLoss", "the loss of the scores", known=("QualityFocalLoss",))
    use_sigmoid: bool = key(True, "scores of classes are independent", known=(True,))
    beta: float = key(2.0, "how strongly easy points are down-weighted", 0, 16)
    loss_weight: float = key(1.0, "its factor in the sum of the losses", 0, MUCH)


@dataclass
class LossDfl:
    name: str = key(
        "DistributionFocalLoss", "the loss of the edges' distributions",
        known=("DistributionFocalLoss",),
    )  # fmt: skip
    loss_weight: float = key(0.25, "its factor in the sum of the losses", 0, MUCH)


@dataclass
class LossBbox:
    name: str = key("GIoULoss", "the loss of the boxes", known=("GIoULoss",))
    loss_weight: float = key(2.0, "its factor in the sum of the losses", 0, MUCH)


@dataclass
class Loss:
    loss_qfl: LossQfl = key(LossQfl, "Quality Focal Loss")
    loss_dfl: LossDfl = key(LossDfl, "Distribution Focal Loss")
    loss_bbox: LossBbox = key(LossBbox, "generalized IoU")


@dataclass
class Head:
    name: str = key("NanoDetHead", "the head", known=("NanoDetHead",))
    num_classes: int | None = key(
        None, "number of classes; follows from `class_names`, or from the data, where left out",
        1, 65536,
    )  # fmt: skip
    input_channel: int | None = key(
        None, "channels of the neck's maps; follows from `fpn.out_channels` where left out"
    )
    feat_channels: int = key(96, "channels of the towers (the original's default: 256)", 1, 4096)
    stacked_convs: int = key(2, "depthwise separable blocks in a tower", 0, 64)
    share_cls_reg: bool = key(
        True, "one tower for scores and edges, else one each (the original's default: false)"
    )
    octave_base_scale: int = key(
        5, "side of a point's cell in strides, for the assignment", 1, 1024
    )
    scales_per_octave: int = key(1, "cells of a point", known=(1,))
    strides: list[int] | None = key(
        None,
        "pixels between points, a level each; follows from `backbone.out_stages` where left out",
    )
    reg_max: int = key(
        7,
        "edges are distributions over 0 to this many strides (the original's default: 16)",
        1,
        256,
    )
    ignore_iof_thr: float = key(
        0.5,
        "a point whose cell lies in an ignored region (crowd, difficult) by more than this part "
        "teaches nothing; -1: such regions are background, the original's default",
        -1, 1,
    )  # fmt: skip
    conv_type: str = key("DWConv", "depthwise separable convolutions", known=("DWConv",))
    norm_cfg: Norm | None = key(lambda: Norm(type="BN"), "batch norm of the towers")
    activation: str = key("LeakyReLU", "behind the convolutions of the towers", known=_ACTIVATIONS)
    loss: Loss = key(Loss, "the losses")
    kernel_size: int | None = unread("NanoDetPlusHead")
    assigner_cfg: dict[str, Any] | None = unread("NanoDetPlusHead")
    use_depthwise: bool | None = unread("NanoDetPlusHead")
    legacy_post_process: bool | None = unread("NanoDetPlusHead")
    conv_cfg: dict[str, Any] | None = unread("the original does not read it either")


@dataclass
class Arch:
    name: str = key(
        "OneStageDetector", "the model; GFL is its name in old files",
        known=("OneStageDetector", "GFL"),
    )  # fmt: skip
    backbone: Backbone = key(Backbone, "picture to feature maps")
    fpn: Fpn = key(Fpn, "the neck: feature maps to feature maps")
    head: Head = key(Head, "feature maps to scores and edges")
    aux_head: dict[str, Any] | None = unread("NanoDetPlus")
    detach_epoch: int | None = unread("NanoDetPlus")


@dataclass
class WeightAverager:
    name: str = key("ExpMovingAverager", "the kind of average", known=("ExpMovingAverager",))
    decay: float = key(0.9998, "part of the old average that a step keeps", 0, 1)


@dataclass
class Model:
    arch: Arch = key(Arch, "the network; NanoDet-m where left out")
    weight_averager: WeightAverager | None = key(
        None, "evaluate and export an average of the weights; none where left out"
    )


@dataclass
class Pipeline:
    """Augmentation; a value of None leaves the step out."""

    perspective: float = key(0.0, "tilt, up to this in 1/pixel", 0, MUCH)
    scale: Range | None = key(None, "`[low, high]`: factor of the size")
    stretch: list[Range] | None = key(
        None, "`[[low, high], [low, high]]`: factors of width and height"
    )
    rotation: float = key(0.0, "degrees to both sides", 0, MUCH)
    shear: float = key(0.0, "degrees to both sides", 0, MUCH)
    translate: float = key(0.0, "shift, up to this part of width and height", 0, MUCH)
    flip: float = key(0.0, "probability of a left-right flip", 0, 1)
    brightness: float | None = key(None, "change, up to this part of the full range", 0, MUCH)
    contrast: Range | None = key(None, "`[low, high]`: factor")
    saturation: Range | None = key(None, "`[low, high]`: factor")
    normalize: list[Range] = key(
        lambda: [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]],
        "`[mean, std]` of blue, green and red in grey levels; the same in training and validation",
    )


@dataclass
class Dataset:
    name: str = key(
        REQUIRED, "the format: `CocoDataset`, `XMLDataset` (Pascal VOC) or `YoloDataset`"
    )
    img_path: str = key(REQUIRED, "folder of the pictures")
    ann_path: str = key(REQUIRED, "COCO's JSON file, or the folder of the XML or text files")
    list_path: str | None = key(
        None, "text file with one picture name a line: only these", ours=True
    )
    class_names: list[str] | None = key(
        None, "the classes of this set; `class_names` where left out"
    )
    unknown_classes: str | None = key(
        None,
        "objects of classes that `class_names` lacks: an error, or left out with a count; error where "
        "left out, for Pascal VOC skip",
        known=DATASET_CHOICES["unknown_classes"], ours=True,
    )  # fmt: skip
    missing_images: str = key(
        "error", "annotated pictures that are not there: an error, or left out with a count",
        known=DATASET_CHOICES["missing_images"], ours=True,
    )  # fmt: skip
    orientation: str = key(
        "auto",
        "what pictures that EXIF turns were labelled as: turned, as viewers show them, or stored; auto: "
        "as the annotated sizes tell, and an error where they do not",
        known=DATASET_CHOICES["orientation"], ours=True,
    )  # fmt: skip
    yolo_labels: str = key(
        "auto",
        "what lines of more than five values are in YOLO's files: boxes, with keypoints or a confidence "
        "behind them, or polygons; auto: as all lines and `kpt_shape` in data.yaml tell, and an error "
        "where they do not",
        known=DATASET_CHOICES["yolo_labels"], ours=True,
    )  # fmt: skip
    input_size: list[int] = key(REQUIRED, "`[width, height]` of the network's input", 1, 65536)
    keep_ratio: bool | None = key(
        None,
        "fit pictures with their aspect ratio (`fit` own), which is the default, or stretch them",
    )
    fit: str | None = key(
        None,
        "how a picture is fitted into the input, see [spec](spec.md); follows from `keep_ratio` where "
        "left out",
        known=FITS, ours=True,
    )  # fmt: skip
    multi_scale: Range | None = key(
        None, "`[low, high]`: a factor of the input size for each batch; training only"
    )
    cache: bool = key(False, "keep decoded pictures in memory", ours=True)
    pipeline: Pipeline = key(Pipeline, "augmentation (training only) and normalisation")
    use_instance_mask: bool | None = key(None, "masks are not learnt", known=(False,))
    use_seg_mask: bool | None = key(None, "masks are not learnt", known=(False,))
    use_keypoint: bool | None = key(None, "keypoints are not learnt", known=(False,))
    load_mosaic: bool | None = key(
        None, "mosaics are not made, nor are they by the original", known=(False,)
    )
    mode: str | None = unread("the original sets it by itself")

    @property
    def effective_fit(self):
        """``own``, ``letterbox`` or ``stretch``: what ``fit`` and ``keep_ratio`` come to."""
        return self.fit or ("stretch" if self.keep_ratio is False else "own")


@dataclass
class Data:
    train: Dataset = key(REQUIRED, "the set to learn from")
    val: Dataset = key(
        REQUIRED, "the set to evaluate on; its input size and fit are those of the export"
    )
    test: dict[str, Any] | None = unread("the original does not read it either")


@dataclass
class Device:
    gpu_ids: int | list[int] | str = key(
        "auto",
        "CUDA devices such as `[0, 1]`; -1: the CPU; `auto`: all GPUs there are, else the CPU",
    )
    workers_per_gpu: int = key(
        2, "processes that read pictures, at most one a core; 0: none but the main one", 0, 4096
    )
    batchsize_per_gpu: int = key(16, "pictures in a batch of one process", 1, MUCH)
    precision: int | str = key(32, "32, 16 (mixed, GPUs only) or bf16 (mixed)")
    accelerator: str = key(
        "auto", "the kind of device", known=("auto", "cpu", "gpu", "cuda", "mps"), ours=True
    )
    strategy: str = key("auto", "Lightning's name of a strategy for several devices", ours=True)
    num_nodes: int = key(1, "machines that train together", 1, 4096, ours=True)


@dataclass
class LevelCfg:
    lr_mult: float = key(1.0, "factor of the learning rate", 0, MUCH)
    decay_mult: float = key(1.0, "factor of the weight decay", 0, MUCH)


@dataclass
class Optimizer:
    name: str = key(REQUIRED, "the optimiser", known=("SGD", "AdamW", "Adam"))
    lr: float = key(REQUIRED, "learning rate; scale it with the batch size", _ABOVE_ZERO, MUCH)
    momentum: float | None = key(None, "SGD's; 0 where left out", 0, 1)
    weight_decay: float | None = key(
        None, "pulls weights to zero; torch's default of the optimiser where left out (AdamW 0.01, else 0)",
        0, MUCH,
    )  # fmt: skip
    nesterov: bool | None = key(None, "SGD's; needs a momentum")
    dampening: float | None = key(None, "SGD's; 0 where left out", 0, 1)
    betas: Range | None = key(None, "AdamW's and Adam's; `[0.9, 0.999]` where left out")
    eps: float | None = key(None, "AdamW's and Adam's; 1e-8 where left out", 0, 1)
    amsgrad: bool | None = key(None, "AdamW's and Adam's; false where left out")
    no_norm_decay: bool = key(False, "no weight decay for batch norm")
    no_bias_decay: bool = key(False, "no weight decay for biases of convolutions")
    param_level_cfg: dict[str, LevelCfg] | None = key(
        None,
        "factors for a part of the network, by a part of the weights' names such as `backbone`",
    )


@dataclass
class Warmup:
    name: str = key(
        "linear", "how the learning rate rises; constant: not until the end",
        known=("linear", "constant", "exp"),
    )  # fmt: skip
    steps: int = key(300, "optimiser steps it takes; 0: none", 0, MUCH)
    ratio: float = key(0.1, "part of the learning rate it begins with", 0, 1)


@dataclass
class LrSchedule:
    name: str = key(
        "CosineAnnealingLR",
        "how the learning rate falls",
        known=("MultiStepLR", "CosineAnnealingLR"),
    )
    milestones: list[int] | None = key(None, "MultiStepLR's: epochs behind which it falls", 1, MUCH)
    gamma: float | None = key(
        None, "MultiStepLR's: factor at a milestone; 0.1 where left out", 0, 1
    )
    T_max: int | None = key(
        None, "CosineAnnealingLR's: epoch at which `eta_min` is reached; `total_epochs` where left out",
        1, MUCH,
    )  # fmt: skip
    eta_min: float | None = key(
        None, "CosineAnnealingLR's: lowest learning rate; 0 where left out", 0, MUCH
    )


@dataclass
class EarlyStopping:
    patience: int = key(10, "evaluations without a better one", 0, MUCH, ours=True)


@dataclass
class Schedule:
    resume: bool | str | None = key(
        None, "true, or empty: go on with the run in `save_dir`; or with that of a checkpoint in it"
    )
    load_model: str | None = key(None, "checkpoint to start from; what does not fit is left fresh")
    optimizer: Optimizer = key(REQUIRED, "how weights change")
    warmup: Warmup = key(Warmup, "the first steps")
    total_epochs: int = key(REQUIRED, "passes over the training set", 1, MUCH)
    lr_schedule: LrSchedule = key(LrSchedule, "the learning rate over the epochs")
    val_intervals: int = key(
        10, "epochs between evaluations; the last epoch is always evaluated", 1, MUCH
    )
    accumulate: int = key(1, "batches for one optimiser step", 1, MUCH, ours=True)
    early_stopping: EarlyStopping | None = key(
        None, "end when nothing gets better; never where left out", ours=True
    )
    freeze_norm: bool = key(False, "batch norm keeps its statistics while training", ours=True)


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
    per_picture: int = key(100, "best boxes of a picture; AP counts as many", 1, MUCH, ours=True)
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
    data: Data = key(REQUIRED, "the pictures")
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


def sections(config, prefix=""):
    """Yield (dotted key, field, value) of every key of a dataclass, sections before their keys."""
    for entry in fields(config):
        dotted = f"{prefix}{entry.name}"
        value = getattr(config, entry.name)
        yield dotted, entry, value
        for inner, name in _inner(value, dotted):
            yield from sections(inner, f"{name}.")


def _inner(value, dotted):
    if hasattr(value, "__dataclass_fields__"):
        yield value, dotted
    elif isinstance(value, dict):
        for name, one in value.items():
            if hasattr(one, "__dataclass_fields__"):
                yield one, f"{dotted}.{name}"
