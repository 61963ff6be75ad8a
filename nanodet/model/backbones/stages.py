"""The base class of most backbones: a sequence of stages, some of which return their maps."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor, nn


class Stage(NamedTuple):
    """A stage of a backbone: its number in ``out_stages``, its module, channels and stride of its map."""

    number: int
    module: str
    channels: int
    stride: int


class StagedBackbone(nn.Module):
    """A sequence of modules, which `set_stages` defines once they exist.

    Shapes: images (B, 3, H, W) to one map (B, channels[i], ceil(H / strides[i]),
    ceil(W / strides[i])) per entry of ``out_stages``, in the order of the strides.

    Attributes:
        channels, strides: of the maps.
        unused_layers: modules after the last map: kept for checkpoints only, without gradient.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]
    unused_layers: tuple[str, ...]

    def set_stages(
        self, stem: Sequence[str], stages: Sequence[Stage], out_stages: Iterable[int]
    ) -> None:
        """Set the modules to run, and the maps to return.

        Args:
            stem: names of the modules before the first stage.
            stages: all stages, in order.
            out_stages: numbers of the stages whose maps are returned.
        """
        wanted = set(out_stages)
        given = [stage for stage in stages if stage.number in wanted]
        self.channels = tuple(stage.channels for stage in given)
        self.strides = tuple(stage.stride for stage in given)
        last = stages.index(given[-1])
        self.unused_layers = tuple(stage.module for stage in stages[last + 1 :])
        for name in self.unused_layers:
            self.get_submodule(name).requires_grad_(False)
        # names, not modules: a copy, a wrapper or an export may replace the modules
        self._steps = [(name, False) for name in stem]
        self._steps += [(stage.module, stage.number in wanted) for stage in stages[: last + 1]]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x, maps = images, []
        for name, comes_out in self._steps:
            x = self.get_submodule(name)(x)
            if comes_out:
                maps.append(x)
        return tuple(maps)
