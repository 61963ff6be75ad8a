"""The network in the form in which it is exported."""

from typing import Any

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from nanodet.errors import NanodetError
from nanodet.export.rewriting.build import Rewritten, rewrite
from nanodet.export.rewriting.plan import Plan
from nanodet.model.network import deployed
from nanodet.runtime.fit import Size
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import MAPS, ROWS

_EXAMPLE = (128, 128)  # width and height that any network takes that takes several


class ExportGraph(nn.Module):
    """A network with its batch norms folded into the convolutions, and with the outputs of a spec's layout.

    Args:
        network: a detector (`nanodet.model.detectors`) in eval mode; it is not changed.
        layout: of the outputs, see `nanodet.runtime.spec.Spec`.
        plan: how it is rewritten, None for not at all; a network whose code cannot be read is not either.
        size: (width, height) that it takes.

    Attributes:
        network: without its batch norms, and rewritten.
        rewritten: the `Rewritten` that ``network`` is of, None if it was not rewritten.

    Shapes: ``data`` float32 (1, 3, H, W), H and W multiples of 32, to (1, points, classes +
    code.channels): class scores 0..1, times the quality of a branch if there is one, then the values of
    the box code. Of ``maps``: one (1, classes + code.channels, rows, columns) per level, with the logits
    of the classes.

    Raises:
        NanodetError: the head has no such layout.
    """

    def __init__(
        self, network: Any, layout: str = ROWS, plan: Plan | None = None, size: Size = _EXAMPLE
    ) -> None:
        super().__init__()
        check_layout(network.head, layout, "layout")
        self.classes, self.edges = network.head.num_classes, network.head.code.channels
        self.has_branch = bool(network.head.quality.branch)
        # torch's exporter leaves a norm alone when the map before it is also asked for its shape
        network, self.layout = deployed(network), layout
        if layout == MAPS:
            network.head.forward = network.head.levels
        self.network: Any = _fused(network).eval()
        self.rewritten: Rewritten | None = None
        if plan is not None and isinstance(self.network, torch.fx.GraphModule):
            device = next(self.network.parameters()).device
            example = torch.zeros(1, 3, size[1], size[0], device=device)
            self.rewritten = rewrite(self.network, plan, example)
            self.network = self.rewritten.network

    def forward(self, data: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        if self.layout == MAPS:
            maps: tuple[torch.Tensor, ...] = self.network(data)
            return maps
        # the sigmoid works on whole rows of channels x points; the converters drop the double
        # transposition, so the graph transposes once, at its end
        logits = self.network(data).transpose(1, 2)
        scores = logits[:, : self.classes].sigmoid()
        end = self.classes + self.edges
        if self.has_branch:
            scores = scores * logits[:, end:].sigmoid()
        return torch.cat((scores, logits[:, self.classes : end]), dim=1).transpose(1, 2)


def export_graph(network: Any, spec: Spec, file: object = "") -> ExportGraph:
    """Return the `ExportGraph` of the files that a spec describes.

    Raises:
        NanodetError: the spec, which ``file`` names, does not say how they were rewritten, or the head
            has no such layout.
    """
    plan = None if spec.rewriting is None else Plan.from_dict(spec.rewriting, file)
    return ExportGraph(network, spec.layout, plan, _EXAMPLE if spec.any_size else spec.input_size)


def check_layout(head: Any, layout: str, option: str) -> None:
    """Raise a `NanodetError` that names ``option`` unless a head can be exported in a layout."""
    if layout == MAPS and head.quality.branch:
        raise NanodetError(
            f"{option}: maps hold the logits of scores, and those of this head are products of two outputs"
        )
    if layout == MAPS and not hasattr(head, "levels"):
        raise NanodetError(f"{option}: maps need a head with a method `levels`")


def _fused(network: Any) -> nn.Module:
    """Return a network with its batch norms folded, if torch can read its code.

    Where code branches on what flows through it, as that of some of timm's models does, nothing is
    folded: the converters fold most of it later.
    """
    try:
        return fuse(network)
    except Exception:  # of any class: it is a part's code that meets what is no tensor
        return network
