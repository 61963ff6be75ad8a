"""The layers of a checkpoint's network, batch norms folded; see `nanodet.verify.trace`."""

from typing import Any

import numpy as np
import torch
from torch import nn

from nanodet.errors import NanodetError
from nanodet.export.graph import export_graph
from nanodet.model.torch_backend import TorchBackend
from nanodet.verify.trace import Convolution, Traced


def convolutions(backend: TorchBackend) -> list[Convolution]:
    """See `nanodet.verify.trace.convolutions`."""
    traced, found = _traced(backend), []
    for node in traced.graph.nodes:
        module = traced.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(module, nn.Conv2d):
            bias = np.zeros(module.out_channels) if module.bias is None else _array(module.bias)
            settings = {key: getattr(module, key) for key in ("stride", "padding", "dilation")}
            found.append(
                Convolution(
                    _name(node),
                    source=node.args[0].name,
                    output=node.name,
                    weight=_array(module.weight),
                    bias=bias,
                    settings=settings | {"groups": module.groups},
                )
            )
    return found


def values(backend: TorchBackend, tensor: np.ndarray) -> dict[str, Traced]:
    """See `nanodet.verify.trace.values`."""
    recorder = _Recorder(_traced(backend))
    with torch.inference_mode():
        recorder.run(torch.from_numpy(tensor))
    return recorder.found


def _traced(backend: TorchBackend) -> torch.fx.GraphModule:
    # the spec may be that of the file which the checkpoint is compared with
    graph = export_graph(backend.network, backend.spec, "its spec")
    try:
        return torch.fx.symbolic_trace(graph)
    except Exception as error:  # of any class: raised by a part's code when it gets a proxy
        reason = str(error).split("\n")[0] or type(error).__name__
        raise NanodetError(f"torch cannot trace the code of its parts: {reason}") from None


def _name(node: torch.fx.Node) -> str:
    return str(node.target).removeprefix("network.") if node.op == "call_module" else node.name


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


class _Recorder(torch.fx.Interpreter):
    """Runs a graph node by node and keeps a copy of each result: some work in place."""

    def __init__(self, module: torch.fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[str, Traced] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        if n.op != "output":
            array = None
            if isinstance(result, torch.Tensor) and result.is_floating_point():
                array = result.numpy().ravel().copy()
            inputs = tuple(node.name for node in n.all_input_nodes)
            self.found[n.name] = Traced(_name(n), n.op, inputs, array)
        return result
