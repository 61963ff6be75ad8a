"""The whole network, and how a config file becomes one."""

from torch import nn

from nanodet.config.check import check_values, failing
from nanodet.config.follow import fill_arch
from nanodet.model.backbone import ShuffleNetV2
from nanodet.model.head import NanoDetHead
from nanodet.model.neck import PAN


class NanoDet(nn.Module):
    """Backbone, neck and head.

    Shapes: pictures float32 (B, 3, H, W), normalised, H and W multiples of 32, to logits
    (B, points, classes + 4 (reg_max + 1)), see `nanodet.model.head.NanoDetHead`.
    """

    point_offset = 0.5

    def __init__(self, backbone, fpn, head):
        super().__init__()
        self.backbone, self.fpn, self.head = backbone, fpn, head

    def forward(self, pictures):
        return self.head(self.fpn(self.backbone(pictures)))


def build_network(arch, file="config"):
    """Build a `NanoDet` with fresh weights.

    Args:
        arch: the config's ``model.arch`` (`nanodet.config.model_sections.Arch`); what follows from other
            keys is filled in.
        file: names the config in messages.

    Raises:
        NanodetError: a part or a setting that this version does not have; one line.
    """
    fail = failing(file)
    check_values(arch, fail, "model.arch.")
    fill_arch(arch, fail)
    head, fpn, backbone = arch.head, arch.fpn, arch.backbone
    if head.num_classes is None:
        fail(
            "model.arch.head.num_classes",
            "neither this nor class_names is given, and only a training takes them from the data",
        )
    return NanoDet(
        ShuffleNetV2(
            backbone.model_size, backbone.out_stages, backbone.activation, backbone.with_last_conv
        ),
        PAN(fpn.in_channels, fpn.out_channels, fpn.norm_cfg, fpn.activation),
        NanoDetHead(
            head.num_classes,
            head.input_channel,
            head.feat_channels,
            head.stacked_convs,
            head.share_cls_reg,
            head.strides,
            head.reg_max,
            head.norm_cfg,
            head.activation,
        ),
    )
