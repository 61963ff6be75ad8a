"""The cost of a network: parameters and multiply-adds per stage.

Counted in two ways. *Multiply-adds* are those of convolutions and matrix products only, as in the
literature and torch's counter (`torch.utils.flop_counter`); *FLOPs* are twice that. *With small layers*
adds operations per output value: 2 for a norm, 1 for an activation, a sum or a product, 9 for the 3 x 3
max pooling, 4 for bilinear interpolation. Each counts as a multiply-add; this gives the literature's
0.72 GFLOPs for NanoDet-m at 320 x 320. Copies and shuffles are not counted.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nanodet.model.network import deployed, used_parameters

CONVENTION = (
    "Counted: multiply-adds of convolutions and matrix products; FLOPs = 2 x multiply-adds. "
    '"With small layers" adds norms, activations, pooling, interpolation and sums, '
    "each operation as a multiply-add. Weights that a shipped model does not have are left out."
)

_aten = torch.ops.aten


def _per_value(operations):
    """Return a counter of ``operations`` per output value, for `FlopCounterMode`."""

    def count(*arguments, out_shape=None, **options):
        # the first of several outputs is the map, the others are statistics or indices
        shape = out_shape if isinstance(out_shape, torch.Size) else out_shape[0]
        return operations * shape.numel()

    return count


_ACTIVATIONS = (
    _aten.leaky_relu, _aten.leaky_relu_, _aten.relu, _aten.relu_, _aten.hardtanh, _aten.hardtanh_,
    _aten.silu, _aten.silu_, _aten.hardswish, _aten.hardswish_, _aten.gelu, _aten.elu, _aten.elu_,
    _aten.sigmoid, _aten.hardsigmoid, _aten._softmax,
)  # fmt: skip
_SMALL = {
    _aten.native_batch_norm: _per_value(2),
    _aten._native_batch_norm_legit_no_training: _per_value(2),
    _aten._native_batch_norm_legit: _per_value(2),
    _aten.max_pool2d_with_indices: _per_value(9),
    _aten.upsample_bilinear2d: _per_value(4),
    _aten.native_group_norm: _per_value(2),
    _aten.native_layer_norm: _per_value(2),
    _aten.add: _per_value(1),
    _aten.mul: _per_value(1),
    **dict.fromkeys(_ACTIVATIONS, _per_value(1)),
}


@dataclass(frozen=True)
class StageCost:
    """The cost of one part of a network for one image.

    Attributes:
        name: of the part.
        parameters: number of trained values in use.
        multiply_adds: of its convolutions and matrix products.
        small: operations of everything else, one multiply-add each.
    """

    name: str
    parameters: int
    multiply_adds: int
    small: int

    @property
    def flops(self) -> int:
        return 2 * self.multiply_adds

    @property
    def flops_with_small(self) -> int:
        return 2 * (self.multiply_adds + self.small)


def profile(network: Any, input_size: tuple[int, int]) -> list[StageCost]:
    """Measure a network, as it is shipped, by running it once on zeros.

    Args:
        network: a detector (`nanodet.model.detectors`) in eval mode.
        input_size: (width, height) in pixels, multiples of 32.

    Returns:
        one `StageCost` per stage, then their sum, named ``total``.
    """
    width, height = input_size
    network = deployed(network)
    device = next(network.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_SMALL) as counter:
        network(torch.zeros(1, 3, height, width, device=device))
    counts = counter.get_flop_counts()
    stages = []
    for path, module in stage_modules(network):
        counted = _counted(counts, f"{type(network).__name__}.{path}", module)
        small = sum(n for op, n in counted.items() if op in _SMALL)
        products = (sum(counted.values()) - small) // 2  # the counter counts two each
        stages.append(StageCost(path, parameter_count(module, network), products, small))
    total = [
        sum(getattr(s, key) for s in stages) for key in ("parameters", "multiply_adds", "small")
    ]
    return [*stages, StageCost("total", *total)]


def _counted(counts, path, module):
    """Return the count of each operation; for a module that only contains others, those of its children."""
    if path in counts:
        return counts[path]
    total: Counter = Counter()
    for name, child in module.named_children():
        total.update(_counted(counts, f"{path}.{name}", child))
    return total


def stage_modules(network: Any) -> list[tuple[str, nn.Module]]:
    """Return (dotted name, module) of the stages: the backbone's children, then the other parts."""
    stages = [(f"backbone.{name}", child) for name, child in network.backbone.named_children()]
    return stages + [
        (name, child)
        for name, child in network.named_children()
        if name != "backbone" and name not in network.auxiliary
    ]


def parameter_count(module: nn.Module, network: Any) -> int:
    """Return the number of trained values of ``module`` in a shipped model."""
    used = {id(parameter) for parameter in used_parameters(network).values()}
    return sum(p.numel() for p in module.parameters() if id(p) in used)
