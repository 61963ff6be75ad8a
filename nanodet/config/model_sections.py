"""The sections of a config file below ``model``."""

from dataclasses import dataclass
from typing import Any

from nanodet.config.keys import ABOVE_ZERO, MUCH, REQUIRED, key, unread

_ACTIVATIONS = ("LeakyReLU", "ReLU", "ReLU6", "SiLU", "HardSwish", "Hardswish")


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
    eps: float = key(1e-5, "added to the variance", ABOVE_ZERO, 1)
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

    def assigner(self):
        """Return the section of what chooses the positives, see `nanodet.learn.assigners`."""
        from nanodet.learn.assigners.atss import Section

        return Section("ATSS", 9, self.octave_base_scale, self.ignore_iof_thr)


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
