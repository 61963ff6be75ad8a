"""The whole network, and how a config file becomes one."""

from torch import nn

from nanodet.errors import NanodetError
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
        arch: the config's ``model.arch`` (`nanodet.config.schema.Arch`).
        file: names the config in messages.

    Raises:
        NanodetError: a part or a setting that this version does not have; one line.
    """
    _know(file, "name", arch.name, ("OneStageDetector", "GFL"))
    _know(file, "backbone.name", arch.backbone.name, ("ShuffleNetV2",))
    _know(file, "fpn.name", arch.fpn.name, ("PAN",))
    _know(file, "head.name", arch.head.name, ("NanoDetHead",))
    if arch.aux_head is not None:
        raise NanodetError(
            f"{file}: model.arch.aux_head: only NanoDetPlus has one, not {arch.name}"
        )
    head, fpn, backbone = arch.head, arch.fpn, arch.backbone
    _know(file, "head.conv_type", head.conv_type, ("DWConv",))
    _know(file, "head.norm_cfg.type", (head.norm_cfg or {}).get("type"), ("BN",))
    _know(file, "head.scales_per_octave", head.scales_per_octave, (1,))
    _know(file, "head.loss.loss_qfl.name", head.loss.loss_qfl.name, ("QualityFocalLoss",))
    _know(file, "head.loss.loss_qfl.use_sigmoid", head.loss.loss_qfl.use_sigmoid, (True,))
    _know(file, "head.loss.loss_dfl.name", head.loss.loss_dfl.name, ("DistributionFocalLoss",))
    _know(file, "head.loss.loss_bbox.name", head.loss.loss_bbox.name, ("GIoULoss",))
    _know(file, "backbone.kernal_size", backbone.kernal_size, (3,))
    _know(file, "fpn.norm_cfg", fpn.norm_cfg, (None,))
    _know(file, "fpn.conv_cfg", fpn.conv_cfg, (None,))
    _know(file, "fpn.start_level", fpn.start_level, (0,))
    _know(file, "fpn.end_level", fpn.end_level, (-1,))
    if head.num_classes is None:
        raise NanodetError(
            f"{file}: model.arch.head.num_classes: neither this nor class_names is given"
        )
    try:
        body = ShuffleNetV2(
            backbone.model_size, backbone.out_stages, backbone.activation, backbone.with_last_conv
        )
        _agree(
            file, "fpn.in_channels", tuple(fpn.in_channels), body.out_channels, "the backbone gives"
        )
        levels = len(fpn.in_channels)
        _agree(file, "fpn.num_outs", fpn.num_outs, levels, "in_channels has")
        _agree(
            file, "head.input_channel", head.input_channel, fpn.out_channels, "fpn.out_channels is"
        )
        strides = tuple(2 ** (stage + 1) for stage in body.out_stages)
        _agree(file, "head.strides", tuple(head.strides), strides, "the backbone's stages have")
        return NanoDet(
            body,
            PAN(fpn.in_channels, fpn.out_channels),
            NanoDetHead(
                head.num_classes,
                head.input_channel,
                head.feat_channels,
                head.stacked_convs,
                head.share_cls_reg,
                head.strides,
                head.reg_max,
                head.activation,
            ),
        )
    except NanodetError as error:
        message = str(error)
        raise NanodetError(message if message.startswith(file) else f"{file}: {message}") from None


def _know(file, key, value, known):
    if value not in known:
        names = ", ".join(str(name) for name in known)
        raise NanodetError(
            f"{file}: model.arch.{key}: {value!r} is not built into this version; known: {names}"
        )


def _agree(file, key, value, other, said):
    if value != other:
        shown = [list(v) if isinstance(v, tuple) else v for v in (value, other)]
        raise NanodetError(f"{file}: model.arch.{key}: is {shown[0]}, but {said} {shown[1]}")
