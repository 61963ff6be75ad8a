"""ShuffleNetV2 (Ma et al., ECCV 2018) as a feature extractor."""

import torch
from torch import nn

from nanodet.config.follow import SHUFFLENETV2_CHANNELS, stage_channels
from nanodet.model.blocks import activation

BLOCKS = {2: 4, 3: 8, 4: 4}  # of each stage


def _conv_norm(channels_in, channels_out, kernel, stride=1, groups=1):
    padding = kernel // 2
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(channels_out)


def _conv_norm_act(channels_in, channels_out, kernel, act, stride=1, groups=1):
    layers = _conv_norm(channels_in, channels_out, kernel, stride, groups)
    return *layers, activation(act)


class ShuffleBlock(nn.Module):
    """One unit of ShuffleNetV2; with stride 2 both branches convolve, else one half passes by.

    Shapes: (B, C_in, H, W) to (B, C_out, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, channels_in, channels_out, stride, act):
        super().__init__()
        half = channels_out // 2
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                *_conv_norm(channels_in, channels_in, 3, stride, groups=channels_in),
                *_conv_norm_act(channels_in, half, 1, act),
            )
        self.branch2 = nn.Sequential(
            *_conv_norm_act(channels_in if stride > 1 else half, half, 1, act),
            *_conv_norm(half, half, 3, stride, groups=half),
            *_conv_norm_act(half, half, 1, act),
        )

    def forward(self, x):
        if self.stride > 1:
            both = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        else:
            passed, worked = x.chunk(2, dim=1)
            both = torch.cat((passed, self.branch2(worked)), dim=1)
        return channel_shuffle(both)


def channel_shuffle(x):
    """Interleave the two halves of the channels: (B, C, H, W) to the same shape."""
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width)
    return x.transpose(1, 2).reshape(batch, channels, height, width)


class ShuffleNetV2(nn.Module):
    """Picture (B, 3, H, W) to one map per entry of ``out_stages`` (strides 8, 16, 32).

    Args:
        model_size: 0.5x, 1.0x, 1.5x or 2.0x.
        out_stages: stages whose maps are returned, of 2, 3, 4.
        act: name of the activation.
        with_last_conv: whether stage 4 ends in the 1 x 1 ``conv5`` of the ImageNet network.
    """

    def __init__(
        self, model_size="1.0x", out_stages=(2, 3, 4), act="LeakyReLU", with_last_conv=False
    ):
        super().__init__()
        self.out_stages = tuple(sorted(out_stages))
        channels, *widths, last = SHUFFLENETV2_CHANNELS[model_size]
        self.conv1 = nn.Sequential(*_conv_norm_act(3, channels, 3, act, stride=2))
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage, width in zip(BLOCKS, widths, strict=True):
            layers = nn.Sequential(ShuffleBlock(channels, width, 2, act))
            for _ in range(BLOCKS[stage] - 1):
                layers.append(ShuffleBlock(width, width, 1, act))
            channels = width
            if stage == 4 and with_last_conv:
                layers.add_module("conv5", nn.Sequential(*_conv_norm_act(width, last, 1, act)))
            self.add_module(f"stage{stage}", layers)
        given = stage_channels(model_size, with_last_conv)
        self.out_channels = tuple(given[stage] for stage in self.out_stages)
        for stage in range(self.out_stages[-1] + 1, 5):
            # checkpoints hold stages behind the last output too; nothing uses them
            getattr(self, f"stage{stage}").requires_grad_(False)

    def forward(self, x):
        x = self.maxpool(self.conv1(x))
        maps = []
        for stage in range(2, self.out_stages[-1] + 1):
            x = getattr(self, f"stage{stage}")(x)
            if stage in self.out_stages:
                maps.append(x)
        return tuple(maps)
