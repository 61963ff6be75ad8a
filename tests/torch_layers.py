"""A small detector of layers that a NanoDet-m has not, and its way through ONNX and pnnx to ncnn."""

import dataclasses

import onnx
import onnxsim
import torch
import torch.nn.functional as F
from torch import nn

from nanodet.export.ncnn_file import convert
from nanodet.files.files import sha256
from nanodet.runtime.spec import Spec

SIZE = (64, 64)
CLASSES, CHANNELS, BINS = 3, 16, 8


class Detector(nn.Module):
    """Puts blocks, which keep (1, 16, 8, 8), between a stride of 8 and the outputs of three levels."""

    def __init__(self, *blocks):
        super().__init__()
        self.stem = nn.Conv2d(3, CHANNELS, 3, 8, 1)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.InstanceNorm2d(CHANNELS)  # else blocks would leave little that differs
        self.scores = nn.Conv2d(CHANNELS, CLASSES + 4 * BINS, 1)

    def forward(self, image):
        x = self.stem(image)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        levels = [x, F.avg_pool2d(x, 2), F.avg_pool2d(x, 4)]
        points = torch.cat([self.scores(level).flatten(2) for level in levels], 2)
        scores, edges = points.split((CLASSES, 4 * BINS), 1)
        return torch.cat((scores.sigmoid(), edges), 1).permute(0, 2, 1)


class Gate(nn.Module):
    """Channels weighed by what they hold in the mean, as GhostNet does it."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(CHANNELS, 4, 1), nn.Conv2d(4, CHANNELS, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Dense(nn.Module):
    """One number a channel, of all values."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(CHANNELS * 64, CHANNELS)

    def forward(self, x):
        return x + self.linear(x.flatten(1)).reshape(1, CHANNELS, 1, 1)


class Attention(nn.Module):
    """Points that attend to each other, by torch's own function or written out."""

    def __init__(self, heads=4, whole=True):
        super().__init__()
        self.heads, self.whole = heads, whole
        self.norm, self.qkv = nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, 3 * CHANNELS)
        self.out = nn.Linear(CHANNELS, CHANNELS)
        self.places = nn.Parameter(torch.randn(64, CHANNELS))

    def forward(self, x):
        rows = x.flatten(2).permute(0, 2, 1) + self.places
        split = self.qkv(self.norm(rows)).reshape(1, 64, 3 * self.heads, -1).transpose(1, 2)
        query, key, value = split.chunk(3, 1)
        if self.whole:
            made = F.scaled_dot_product_attention(query, key, value)
        else:
            made = torch.softmax(query @ key.transpose(-1, -2) * 0.5, -1) @ value
        made = made.transpose(1, 2).reshape(1, 64, CHANNELS)
        return (rows + self.out(F.gelu(made))).permute(0, 2, 1).reshape(1, CHANNELS, 8, 8)


class Activations(nn.Module):
    def forward(self, x):
        x = F.hardswish(x) + F.silu(x) + F.elu(x) + F.mish(x) + torch.tanh(x) + F.softplus(x)
        return (
            F.leaky_relu(x, 0.1) + F.relu6(x) + F.selu(x) + torch.sqrt(x.abs() + 1) + x.clamp(-1, 1)
        )


class Means(nn.Module):
    def forward(self, x):
        return x * x.mean((2, 3), keepdim=True) - x.sum((2, 3), keepdim=True) / 64


def blocks():
    """Return all blocks, each with what it is for."""
    return {
        "gate": Gate(),
        "group norm": nn.Sequential(nn.GroupNorm(4, CHANNELS), nn.GELU()),
        "batch and instance norm": nn.Sequential(
            nn.InstanceNorm2d(CHANNELS, affine=True), nn.PReLU(CHANNELS), nn.BatchNorm2d(CHANNELS)
        ),
        "activations": Activations(),
        "means": Means(),
        "dense": Dense(),
        "attention": Attention(),
        "attention written out": Attention(heads=2, whole=False),
        "deconvolution": nn.Sequential(
            nn.ConvTranspose2d(CHANNELS, CHANNELS, 4, 2, 1),
            nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, 2, groups=CHANNELS), nn.AvgPool2d(4),
        ),
        "shuffles": nn.Sequential(
            nn.PixelShuffle(2), nn.PixelUnshuffle(2)
        ),
        "pads": nn.Sequential(
            nn.ReplicationPad2d(1), nn.ReLU(), nn.ZeroPad2d((1, 2, 3, 4)), nn.Sigmoid(),
            nn.ReflectionPad2d(2), nn.Tanh(),
            nn.Conv2d(CHANNELS, CHANNELS, 5, dilation=2), nn.Conv2d(CHANNELS, CHANNELS, (6, 2)),
        ),
        "interpolation": nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"), nn.Upsample(size=(8, 8), mode="bilinear")
        ),
    }  # fmt: skip


def to_ncnn(network, param):
    """Write ``param``, its ``.bin`` and its spec; return the output (84, 35) for `image`."""
    spec = Spec(("a", "b", "c"), SIZE, strides=(8, 16, 32), reg_max=BINS - 1, point_offset=0.5)
    raw = param.with_suffix(".onnx")
    program = torch.onnx.export(
        network, (image(),), dynamo=True, opset_version=18, input_names=[spec.input_name],
        output_names=[spec.output_name], optimize=True, external_data=False, verbose=False,
    )  # fmt: skip
    program.save(raw, external_data=False)
    model, _ = onnxsim.simplify(onnx.load(raw))
    onnx.save(model, raw)
    convert(raw, param, spec, half=False)
    files = {file.name: sha256(file) for file in (param, param.with_suffix(".bin"))}
    dataclasses.replace(spec, files=files).save(param.with_suffix(".json"))
    with torch.no_grad():
        return network(image())[0].numpy()


def image():
    """Return noise, float32 (1, 3, 64, 64), always the same."""
    return torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def network(*names):
    """Return a `Detector` with some blocks, all without names; always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = blocks()
        return Detector(*(made[name] for name in names or made)).eval()
