"""From a network to a simplified, checked ONNX file that carries its spec."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxsim
import torch
from torch import nn

from nanodet.errors import NanodetError
from nanodet.export.graph import export_graph
from nanodet.model.network import used_parameters
from nanodet.onnx_files.metadata import write_spec
from nanodet.runtime.fit import ALIGNMENT
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import MAPS
from nanodet.stopping import held_back

OPSET = 18
_LONGEST_SIDE = 16384  # pixels, as in the spec


def write_raw(network: nn.Module, spec: Spec, path: str | Path) -> None:
    """Write what torch's exporter makes of a network, batch 1, height and width left open.

    They are those of the spec where the network takes no others.

    Args:
        network: a detector (`nanodet.model.detectors`) in eval mode.
        spec: names input and output.
        path: the ONNX file to write, weights inside.
    """
    if not spec.any_size:
        width, height = spec.input_size
        _export(network, spec, path, torch.zeros(1, 3, height, width), None)
        return
    unit = torch.export.Dim("height", min=1, max=_LONGEST_SIDE // ALIGNMENT)
    other = torch.export.Dim("width", min=1, max=_LONGEST_SIDE // ALIGNMENT)
    # any small size will do, but a side of one unit would be taken for a constant
    example = torch.zeros(1, 3, 3 * ALIGNMENT, 4 * ALIGNMENT)
    sides = ({2: ALIGNMENT * unit, 3: ALIGNMENT * other},)
    _export(network, spec, path, example, sides)


def write_simplified(network: nn.Module, spec: Spec, path: str | Path) -> None:
    """Write the simplified ONNX file alone, see `write_raw` and `simplify`."""
    write_raw(network, spec, path)
    simplify(path, path, spec)


def write_fixed(network: nn.Module, spec: Spec, path: str | Path) -> None:
    """Write a simplified ONNX file whose shapes are all fixed, at the spec's size and batch."""
    width, height = spec.input_size
    _export(network, spec, path, torch.zeros(spec.batch, 3, height, width), None)
    model = _simplified(path)
    onnx.save(model, path)
    write_spec(path, spec)


def _export(
    network: nn.Module, spec: Spec, path: str | Path, example: torch.Tensor, sides: Any
) -> None:
    with torch.no_grad(), held_back():
        program = torch.onnx.export(
            export_graph(network, spec).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.input_name],
            output_names=list(spec.output_names),
            dynamic_shapes=sides,
            optimize=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # with dynamo, the exporter returns one
    program.save(path, external_data=False)


def simplify(source: str | Path, path: str | Path, spec: Spec) -> None:
    """Write the simplified form of the ONNX file ``source`` to ``path``, with the spec inside."""
    model = _simplified(source)
    if spec.any_size:
        _name_sides(model.graph.input[0], ("1", "3", "height", "width"))
        for output, stride in zip(model.graph.output, spec.strides, strict=False):
            sides: tuple[str, ...] = ("points", str(spec.channels))
            if spec.layout == MAPS:
                sides = (str(spec.channels), f"rows_{stride}", f"columns_{stride}")
            _name_sides(output, ("1", *sides))
    onnx.save(model, path)
    write_spec(path, spec)


def _simplified(path: str | Path) -> onnx.ModelProto:
    # its second value is onnxsim's own check; the export compares both files with torch instead
    with held_back():
        model, _ = onnxsim.simplify(onnx.load(path))
    return model


def check(path: str | Path, spec: Spec, network: nn.Module) -> None:
    """Check an ONNX file: well-formed, runs in ONNX Runtime, names and shapes as in the spec.

    Raises:
        NanodetError: the file holds weights it should not, or its output has another shape.
    """
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    named = dict(network.named_parameters())
    unused = named.keys() - used_parameters(network).keys()
    held = {one.name.removeprefix("network.") for one in model.graph.initializer} & unused
    if held:
        raise NanodetError(f"the file holds {min(held)}, which a shipped model does not use")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    width, height = spec.input_size
    image = np.zeros((spec.batch, 3, height, width), np.float32)
    outputs = session.run(spec.output_names, {spec.input_name: image})
    for level, output in enumerate(outputs):
        if output.shape[0] != spec.batch:
            raise NanodetError(f"its output has a batch of {output.shape[0]}, not {spec.batch}")
        if spec.layout == MAPS:
            spec.check_map(output[0], level, spec.input_size, path)
        else:
            spec.check_output(output[0], spec.input_size, path)


def _name_sides(value: onnx.ValueInfoProto, names: Sequence[str]) -> None:
    """Give the sides of an input or output readable names in place of solver symbols."""
    for side, name in zip(value.type.tensor_type.shape.dim, names, strict=True):
        if name.isdigit():
            side.dim_value = int(name)
        else:
            side.dim_param = name
