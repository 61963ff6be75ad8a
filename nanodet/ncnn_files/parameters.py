"""The parameters of the layers that a NanoDet of any age has, and the values that ncnn can take.

ncnn checks none of them: it takes 3 for 3.0 and the other way round by their bits, divides by a
stride of 0, and reads an array by the length that it expects.
"""

import re

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import WHOLE

_SHAPE_HINTS, _FEATURES = 30, 31  # keys that every layer may have
_FAR = 1 << 14  # kernels, strides, dilations and pads in pixels
_SIDES, _PADS = "1 2 3 11 12 13", "4 14 15 16"

# kind: keys of whole numbers, of numbers, of arrays of whole numbers, of arrays of numbers
_KEYS = {
    "Input": ("0 1 2 11", "", "", ""),
    "Convolution": (f"0 {_SIDES} {_PADS} 5 6 8 9", "18", "", "10"),
    "ConvolutionDepthWise": (f"0 {_SIDES} {_PADS} 5 6 7 8 9", "18", "", "10"),
    "Pooling": ("0 1 2 3 4 5 6 7 8 11 12 13 14 15 18", "", "", ""),
    "Concat": ("0", "", "", ""),
    "Slice": ("1", "", "0", ""),
    "Crop": ("", "", "9 10 11", ""),
    "Split": ("", "", "", ""),
    "ShuffleChannel": ("0 1", "", "", ""),
    "Interp": ("0 3 4 5 6", "1 2", "", ""),
    "BinaryOp": ("0 1", "2", "", ""),
    "Permute": ("0", "", "", ""),
    "Reshape": ("0 1 2", "", "", ""),
    "Noop": ("", "", "", ""),
    "Sigmoid": ("", "", "", ""),
    "Swish": ("", "", "", ""),
    "Mish": ("", "", "", ""),
    "ReLU": ("", "0", "", ""),
    "Dropout": ("", "0", "", ""),
    "Clip": ("", "0 1", "", ""),
    "HardSwish": ("", "0 1", "", ""),
    "HardSigmoid": ("", "0 1", "", ""),
}
_KEYS = {kind: [set(map(int, keys.split())) for keys in of] for kind, of in _KEYS.items()}
KINDS = frozenset(_KEYS)

# key: allowed values; what is not here is bounded by the shapes
_ALLOWED = {
    "Convolution": {
        **{int(key): range(1, _FAR) for key in _SIDES.split()},
        **{int(key): (*range(_FAR), -233, -234) for key in _PADS.split()},
        5: (0, 1), 8: (0, 1, 2, 101, 102), 9: range(7),
    },
    "Pooling": {
        **{key: range(1, _FAR) for key in (1, 2, 11, 12)},
        **{key: range(_FAR) for key in (3, 13, 14, 15)},
        0: (0, 1), 4: (0, 1), 5: range(4), 6: (0, 1), 7: (0, 1),
    },
    "ShuffleChannel": {0: range(1, _FAR), 1: (0, 1)},
    "Interp": {0: (1, 2), 6: (0, 1)},
    "BinaryOp": {0: range(12), 1: (0, 1)},
}  # fmt: skip
_ALLOWED["ConvolutionDepthWise"] = _ALLOWED["Convolution"]
# activation of a convolution: length of its array of parameters
_ACTIVATION = {2: 1, 3: 2, 6: 2}


def check_parameters(layer, where):
    """Raise `NanodetError` for the first parameter of a layer that ncnn could not work with.

    Args:
        layer: a `nanodet.ncnn_files.graph.Layer`.
        where: names file and layer in the message.
    """
    if layer.kind not in _KEYS:
        raise NanodetError(f"{where}: {layer.kind} is not known in a NanoDet")
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
    if layer.kind in ("Convolution", "ConvolutionDepthWise"):
        activation = layer.whole(9)
        if len(layer.numbers(10)) < _ACTIVATION.get(activation, 0):
            raise NanodetError(f"{where}: activation {activation} lacks its parameters")


def _is_float(text):
    """Tell whether ncnn reads a text as floating point: by its looks, except that 0 is 0."""
    return bool(re.fullmatch("-?[0-9][^,]*", text)) and (not WHOLE.fullmatch(text) or int(text) == 0)
