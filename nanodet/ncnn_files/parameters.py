"""The parameters of the layers that are known here, and the values that ncnn can take.

ncnn checks few of them: it takes 3 for 3.0 and the other way round by their bits, divides by a
stride of 0, and reads an array by the length that it expects.
"""

import re
from collections.abc import Sequence

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import WHOLE, Layer


class NotKnown(NanodetError):
    """A kind of layer, or a form of one, of which ncnn alone can tell what it does."""


_SHAPE_HINTS, _FEATURES = 30, 31  # keys that every layer may have
_FAR = 1 << 14  # kernels, strides, dilations and pads in pixels
_SIDES, _PADS = "1 2 3 11 12 13", "4 14 15 16"

# kind: keys of whole numbers, of numbers, of arrays of whole numbers, of arrays of numbers
_KEYS_IN_WORDS = {
    "Input": ("0 1 2 11", "", "", ""),
    "Convolution": (f"0 {_SIDES} {_PADS} 5 6 8 9", "18", "", "10"),
    "ConvolutionDepthWise": (f"0 {_SIDES} {_PADS} 5 6 7 8 9", "18", "", "10"),
    "Deconvolution": (f"0 {_SIDES} {_PADS} 5 6 9 18 19", "", "", "10"),
    "DeconvolutionDepthWise": (f"0 {_SIDES} {_PADS} 5 6 7 9 18 19", "", "", "10"),
    "InnerProduct": ("0 1 2 8 9", "", "", "10"),
    "Pooling": ("0 1 2 3 4 5 6 7 8 11 12 13 14 15 18", "", "", ""),
    "Padding": ("0 1 2 3 4 6 7 8", "5", "", ""),
    "PixelShuffle": ("0 1", "", "", ""),
    "Reorg": ("0 1", "", "", ""),
    "Concat": ("0", "", "", ""),
    "Slice": ("1", "", "0", ""),
    "Crop": ("", "", "9 10 11", ""),
    "Split": ("", "", "", ""),
    "ShuffleChannel": ("0 1", "", "", ""),
    "Interp": ("0 3 4 5 6", "1 2", "", ""),
    "Permute": ("0", "", "", ""),
    "Reshape": ("0 1 2 11", "", "", ""),
    "Flatten": ("", "", "", ""),
    "Squeeze": ("0 1 2 11", "", "3", ""),
    "ExpandDims": ("", "", "3", ""),
    "Reduction": ("0 1 4 5", "2", "3", ""),
    "GLU": ("0", "", "", ""),
    "MemoryData": ("0 1 2 11 21", "", "", ""),
    "BinaryOp": ("0 1", "2", "", ""),
    "UnaryOp": ("0", "", "", ""),
    "Eltwise": ("0", "", "", "1"),
    "MatMul": ("0", "", "", ""),
    "Gemm": ("2 3 4 5 6 7 8 9 10 11 12 13 14 18 20 21 22", "0 1", "", ""),
    "MultiHeadAttention": ("0 1 2 3 4 5 7 18", "6", "", ""),
    "SDPA": ("5 7 18", "6", "", ""),
    "Softmax": ("0 1", "", "", ""),
    "BatchNorm": ("0", "1", "", ""),
    "Bias": ("0", "", "", ""),
    "Scale": ("0 1", "", "", ""),
    "PReLU": ("0", "", "", ""),
    "InstanceNorm": ("0 2", "1", "", ""),
    "GroupNorm": ("0 1 3", "2", "", ""),
    "LayerNorm": ("0 2", "1", "", ""),
    "RMSNorm": ("0 2", "1", "", ""),
    "GELU": ("0", "", "", ""),
    **dict.fromkeys(
        ("Noop", "Sigmoid", "Swish", "Mish", "TanH", "AbsVal", "Softplus", "Erf", "BNLL"),
        ("", "", "", ""),
    ),
    **dict.fromkeys(("ReLU", "Dropout", "ELU", "CELU", "Threshold"), ("", "0", "", "")),
    **dict.fromkeys(("Clip", "HardSwish", "HardSigmoid", "SELU", "Shrink"), ("", "0 1", "", "")),
    **dict.fromkeys(("Exp", "Log", "Power"), ("", "0 1 2", "", "")),
}
_KEYS = {kind: [set(map(int, keys.split())) for keys in of] for kind, of in _KEYS_IN_WORDS.items()}
KINDS = frozenset(_KEYS)

_SIDE, _PAD, _FLAG = range(1, _FAR), range(_FAR), (0, 1)
_CONVOLVES: dict[int, Sequence[int]] = {
    **{int(key): _SIDE for key in _SIDES.split()},
    **{int(key): (*_PAD, -233, -234) for key in _PADS.split()},
    5: _FLAG, 8: (0, 1, 2, 101, 102), 9: range(7),
}  # fmt: skip
_DECONVOLVES: dict[int, Sequence[int]] = _CONVOLVES | {
    **{int(key): _PAD for key in _PADS.split()},
    18: _PAD,
    19: _PAD,
}
# key: allowed values; what is not here is bounded by the shapes
_ALLOWED: dict[str, dict[int, Sequence[int]]] = {
    "Convolution": _CONVOLVES,
    "ConvolutionDepthWise": _CONVOLVES,
    "Deconvolution": _DECONVOLVES,
    "DeconvolutionDepthWise": _DECONVOLVES,
    "InnerProduct": {1: _FLAG, 8: range(3), 9: range(7)},
    "Pooling": {
        **{key: _SIDE for key in (1, 2, 11, 12)},
        **{key: _PAD for key in (3, 13, 14, 15)},
        **{key: (*_SIDE, -233) for key in (8, 18)},
        0: _FLAG, 4: _FLAG, 5: range(4), 6: _FLAG, 7: _FLAG,
    },
    "Padding": {**{key: _PAD for key in (0, 1, 2, 3, 6, 7, 8)}, 4: range(3)},
    "PixelShuffle": {0: range(1, 65), 1: _FLAG},
    "Reorg": {0: range(1, 65), 1: _FLAG},
    "ShuffleChannel": {0: _SIDE, 1: _FLAG},
    "Interp": {0: (1, 2), 3: _PAD, 4: _PAD, 6: _FLAG},
    "Squeeze": {key: _FLAG for key in (0, 1, 2, 11)},
    "Reduction": {0: range(11), 1: _FLAG, 4: _FLAG, 5: _FLAG},
    "MemoryData": {21: _FLAG},
    "BinaryOp": {0: range(12), 1: _FLAG},
    "UnaryOp": {0: range(28)},
    "Eltwise": {0: range(3)},
    "MatMul": {0: _FLAG},
    "Gemm": {
        **{key: _FLAG for key in (2, 3, 4, 5, 6, 11, 14)},
        **{key: (0,) for key in (12, 13, 18, 20, 21, 22)},
        10: range(-1, 5),
    },
    "MultiHeadAttention": {1: _SIDE, 5: _FLAG, 7: (0,), 18: (0,)},
    "SDPA": {5: _FLAG, 7: (0,), 18: (0,)},
    "Scale": {1: _FLAG},
    "InstanceNorm": {2: _FLAG},
    "GroupNorm": {0: _SIDE, 3: _FLAG},
    "LayerNorm": {2: _FLAG},
    "RMSNorm": {2: _FLAG},
    "GELU": {0: _FLAG},
}  # fmt: skip
# activation of a convolution: length of its array of parameters
_ACTIVATION = {2: 1, 3: 2, 6: 2}


def check_parameters(layer: Layer, where: str) -> None:
    """Raise `NanodetError` for the first parameter of a layer that ncnn could not work with.

    Args:
        layer: a `nanodet.ncnn_files.graph.Layer`.
        where: names file and layer in the message.
    """
    if layer.kind not in _KEYS:
        raise NotKnown(f"{where}: {layer.kind} is not known in a NanoDet")
    whole, number, whole_arrays, number_arrays = _KEYS[layer.kind]
    for key, text in layer.values.items():
        if key < 0:
            key = -23300 - key
            items = text.split(",")[1:]
            known = key in whole_arrays | number_arrays or key == _SHAPE_HINTS
            is_whole = key not in number_arrays
        else:
            items, is_whole = [text], key not in number
            known = key in whole | number or key == _FEATURES
        if not known:
            raise NanodetError(f"{where}: {layer.kind} has no parameter {key}")
        if not all(WHOLE.fullmatch(item) if is_whole else _is_float(item) for item in items):
            kind = "whole numbers" if is_whole else "numbers with a point"
            raise NanodetError(f"{where}: parameter {key}: must be of {kind}, not {text[:40]}")
        allowed = _ALLOWED.get(layer.kind, {}).get(key)
        if allowed is not None and is_whole and int(text) not in allowed:
            raise NanodetError(f"{where}: parameter {key}: {layer.kind} cannot work with {text}")
    if layer.kind == "Softmax" and not layer.whole(1):
        # of a time when its axis meant something else
        raise NotKnown(f"{where}: Softmax is not known in a NanoDet without its parameter 1")
    if 10 in _KEYS[layer.kind][3]:
        activation = layer.whole(9)
        if len(layer.numbers(10)) < _ACTIVATION.get(activation, 0):
            raise NanodetError(f"{where}: activation {activation} lacks its parameters")


def _is_float(text: str) -> bool:
    """Tell whether ncnn reads a text as floating point: by its looks, except that 0 is 0."""
    if WHOLE.fullmatch(text):
        return int(text) == 0
    return bool(re.fullmatch("-?[0-9][^,]*", text))
