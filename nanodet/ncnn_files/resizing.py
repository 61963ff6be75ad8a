"""``Interp`` layers that resize to one size, in graphs made for one input size: factors in their place.

NanoDet's necks resize by factors; converters of some years write down what these came to.
"""

import copy
from fractions import Fraction

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.parameters import check_parameters
from nanodet.ncnn_files.rules import CONVOLUTIONS
from nanodet.ncnn_files.rules.step import Shape
from nanodet.ncnn_files.shapes import blob_shapes, check_count

# two sizes tell which axis of an output is its channels: the one that stays
SIZES = (96, 160), (160, 288)  # height, width
_FINEST = 1 << 64  # numerator and denominator of the pixels between two columns
_FACTORS = Fraction(2), Fraction(1, 2), Fraction(4), Fraction(1, 4)  # that a neck may resize by


def made_for(graph: Graph, file: StrPath) -> tuple[int, int] | None:
    """Return the (width, height) that the fixed sizes of a graph's ``Interp`` layers are for.

    None for a graph without such, and for one whose sizes fit no input.
    """
    try:
        graph = Graph(copy.deepcopy(graph.layers))
        if any(_is_fixed(layer) for layer in graph.layers):
            check_layers(graph, file)
            return free_resizing(graph, file)[0]
    except NanodetError:  # reported where it is run
        pass
    return None


def free_resizing(
    graph: Graph, file: StrPath
) -> tuple[tuple[int, int] | None, list[dict[str, Shape | None]]]:
    """Replace fixed sizes of ``Interp`` layers by factors, in place.

    Returns:
        the (width, height) of the input that the sizes were written for, None where there were none;
        and the shapes of all blobs at `SIZES`.
    """
    failure: NanodetError | None = None
    for factor in _FACTORS:
        trial = Graph(copy.deepcopy(graph.layers))
        size = _with_factors(trial, factor)
        try:
            shapes = [blob_shapes(trial, (3, *size), file) for size in SIZES]
        except NanodetError as error:
            failure = failure or error
            if size is None:
                break
            continue
        graph.layers[:] = trial.layers
        return size, shapes
    assert failure is not None  # every factor failed
    raise failure


def check_layers(graph: Graph, file: StrPath) -> None:
    """Check what is read of layers before their shapes are known."""
    for layer in graph.layers:
        where = f"{file}: layer {layer.name}"
        check_parameters(layer, where)
        if layer.kind != "Input":
            check_count(layer, True, where)


def _with_factors(graph: Graph, factor: Fraction) -> tuple[int, int] | None:
    """Give every ``Interp`` of a fixed size its factor, in place.

    Args:
        factor: of the first of them; the others follow from the size of the input that it makes.

    Returns:
        that size (width, height), None where there is no such layer.
    """
    steps: dict[str, tuple[Fraction, Fraction]] = {}  # input pixels per column and row of each blob
    size: tuple[int, int] | None = None
    for layer in graph.layers:
        step = steps[layer.inputs[0]] if layer.inputs else (Fraction(1), Fraction(1))
        by: tuple[int | Fraction, int | Fraction] = (1, 1)
        if layer.kind in CONVOLUTIONS:
            by = layer.whole(3, 1), layer.whole(13, layer.whole(3, 1))
        elif layer.kind == "Pooling":
            by = layer.whole(2, 1), layer.whole(12, layer.whole(2, 1))
        elif _is_fixed(layer):
            width, height = layer.whole(4), layer.whole(3)
            size = size or (
                max(1, int(width * step[0] / factor)), max(1, int(height * step[1] / factor)),
            )  # fmt: skip
            across, down = size[0] / (width * step[0]), size[1] / (height * step[1])
            layer.values |= {2: _decimal(1 / across), 1: _decimal(1 / down), 3: "0", 4: "0"}
            by = across, down
        elif layer.kind == "Interp":
            # a factor of 0 is refused later
            across, down = (Fraction(layer.number(key, 1)) or Fraction(1) for key in (2, 1))
            by = 1 / across, 1 / down
        step = step[0] * by[0], step[1] * by[1]
        if max(max(s.numerator, s.denominator) for s in step) > _FINEST:
            raise NanodetError(f"layer {layer.name}: its columns and rows are too far apart")
        steps.update(dict.fromkeys(layer.outputs, step))
    return size


def _is_fixed(layer: Layer) -> bool:
    return layer.kind == "Interp" and layer.whole(3) > 0 < layer.whole(4)


def _decimal(factor: Fraction) -> str:
    return f"{float(factor):g}" if factor.denominator != 1 else f"{factor}.0"
