"""The NanoDet head (paper 4.6): per level a tower of depthwise separable convolutions."""

import math

import torch
from torch import nn

from nanodet.model.blocks import DepthwiseSeparable

PRIOR = 0.01  # score of every class before training, so that the background does not drown QFL


class NanoDetHead(nn.Module):
    """Feature maps to class logits and edge distribution logits.

    Args:
        num_classes: number of classes C.
        channels_in: channels of the maps; channels: channels of the towers.
        stacked_convs: depthwise separable blocks per tower.
        share_cls_reg: one tower per level for both branches, else one each.
        strides: network pixels per point of each level.
        reg_max: n; edges are distributions over 0..n.
        norm: a config's ``norm_cfg`` (`nanodet.config.model_sections.Norm`).
        act: name of the activation.

    Shapes: maps (B, channels_in, H_i, W_i) to (B, sum of H_i W_i, C + 4 (n + 1)), logits, levels in
    the order of ``strides``, points row by row; edges left, top, right, bottom.
    """

    def __init__(
        self,
        num_classes,
        channels_in,
        channels,
        stacked_convs,
        share_cls_reg,
        strides,
        reg_max,
        norm,
        act,
    ):
        super().__init__()
        self.num_classes, self.reg_max = num_classes, reg_max
        self.strides, self.share_cls_reg = tuple(strides), share_cls_reg
        bins = 4 * (reg_max + 1)

        def towers():
            return nn.ModuleList(
                nn.ModuleList(
                    DepthwiseSeparable(channels_in if i == 0 else channels, channels, norm, act)
                    for i in range(stacked_convs)
                )
                for _ in strides
            )

        self.cls_convs = towers()
        if not share_cls_reg:
            self.reg_convs = towers()
        outputs = num_classes + bins if share_cls_reg else num_classes
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in strides)
        self.gfl_reg = nn.ModuleList(nn.Conv2d(channels, bins, 1) for _ in strides)
        if share_cls_reg:
            # original checkpoints hold these weights though a shared tower never uses them
            self.gfl_reg.requires_grad_(False)
        self.distribution_project = _Bins(reg_max)
        for conv in (*self.gfl_cls, *self.gfl_reg):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.constant_(conv.bias, 0)
        for conv in self.gfl_cls:
            # the class logits alone; the distributions start uniform
            nn.init.constant_(conv.bias[:num_classes], -math.log((1 - PRIOR) / PRIOR))

    def forward(self, maps):
        levels = [self._level(i, x).flatten(2) for i, x in enumerate(maps)]
        return torch.cat(levels, dim=2).transpose(1, 2)

    def _level(self, i, x):
        classes = x
        for conv in self.cls_convs[i]:
            classes = conv(classes)
        if self.share_cls_reg:
            return self.gfl_cls[i](classes)
        edges = x
        for conv in self.reg_convs[i]:
            edges = conv(edges)
        return torch.cat((self.gfl_cls[i](classes), self.gfl_reg[i](edges)), dim=1)


class _Bins(nn.Module):
    """Holds the bin values 0..reg_max under the name that checkpoints know."""

    def __init__(self, reg_max):
        super().__init__()
        self.register_buffer("project", torch.linspace(0, reg_max, reg_max + 1))
