"""The changes that `hostile_models` makes: one plain table per kind."""

import math
import re
import struct

_FAR = 2**31 - 1
_INT8 = 0x000D4B38

# layer: parameter: values with which the model must be refused
SETTINGS = {
    "in0": {11: (1.5,), 3: (1,), 32: (1,), 0: ("nan",)},
    "convrelu_0": {
        0: (0, -1, 23, 25, 1_000_000, _FAR, 24.0, None, "", "24x", "0x18", "+24"),
        1: (0, -1, 5, 16384, _FAR, None, "3e0", 2**31),
        2: (0, -1, 49, 100_000, _FAR),
        3: (0, -1, 3, _FAR),
        4: (-1, -2, -233, -(2**31), 2, 16384, _FAR),
        5: (2, -1),
        6: (0, -648, 647, 216, 649, _FAR, 2**32 + 648, None, 648.0),
        7: (1, 3),
        8: (-1, 1, 2, 3, 100, 101, 102),
        9: (-1, 3, 6, 7, "leaky"),
        11: (0, -3, 7, _FAR),
        12: (0, 64),
        13: (0, -2, 1),
        14: (-234, 9),
        18: ("nan", "1e39", 1, "0.5,1"),
        19: (1,),
        -23310: ("0", "2,0.1", "1,nan", "1,inf", "1,1e39", "-1,0.1", "1000000000,0.1", "1,1", "1", None),
        -23332: ("1,1",),
        32: (1,),
        -1: (1,),
        99999999999: (1,),
    },
    "convdw_122": {
        0: (0, 23, 25, 48), 1: (0, -3), 3: (0,), 6: (0, 215, 217, 24), 7: (0, 1, 5, 23, -24, _FAR, None),
        8: (1, 2, 101), 11: (0,), 13: (0,),
    },
    "maxpool2d_52": {
        0: (2, -1), 1: (0, -1, 200, _FAR), 2: (0, -1, 16384, _FAR), 3: (-1, 10, _FAR), 4: (1, 2),
        5: (-1, 0, 4), 6: (2,), 7: (1,), 11: (0, 4000), 12: (0,), 13: (-1, 16384),
        14: (-3,), 15: (_FAR,),
    },
    "cat_0": {0: (1, 2, 3, -4, _FAR, -(2**31))},
    "channelshuffle_54": {0: (0, -2, 5, 7, _FAR, 2.0), 1: (2, -1)},
    "chunk_0": {
        -23300: (
            "2,48,0", "2,0,48", "2,-233,-234", "2,60,-233", "1,-233", "1,48", "3,-233,-233,-233", "0",
            "2,-1,-1", f"2,{_FAR},-233", "1000000000,1", "-1,3", "2,24.0,24.0", "2,24,23,1", None,
        ),
        -23302: ("1,24",),
        1: (1, 3, -4, 1000, _FAR),
    },
    "interpolate_0": {
        0: (0, 3, 4, -1),
        1: ("0.0", "-2.0", "2", "1e30", "nan", "1000000.0", "0.001", "1.9999999", "2.0f", "2.0,2.0",
            "2,0.5", None),
        2: ("3.0", "0.0"),
        3: (6, -6), 4: (10,), 5: (1,), 6: (2, -1),
    },
    "add_0": {0: (12, -1, _FAR), 1: (1, 2), 2: ("nan",), 3: (1,)},
    "reshape_119": {0: (0, -2, 7, _FAR, None), 1: (0, -1, 34, 36, None), 2: (1, 0, -1), 3: (1,), 11: (1,)},
    "cat_16": {0: (0, 2, -2)},
    "tensor_split_0": {-23300: ("2,0,-233", "2,35,-233", "2,36,-1"), 1: (1, -1, 2)},
    "sigmoid_53": {0: (1,)},
    "permute_118": {0: (0, 2, 6, -1, _FAR, "0.5")},
}  # fmt: skip

_POOL = r"^Pooling .*$"
_LINE_2 = r"^143 166$"
# name: pattern in the graph, where a blank is any number of them, and what stands there instead
LINES = {
    "a kind that ncnn has and a NanoDet has not": (r"^Sigmoid ", "Softmax "),
    "a kind that nobody has": (r"^Sigmoid ", "Sigmoyd "),
    "a kind in other letters": (r"^Sigmoid ", "sigmoid "),
    "a kind that is a format": (r"^Sigmoid ", "%s%s%n%n "),
    "a custom kind by its number": (r"^Sigmoid ", "256 "),
    "a kind that makes numbers of nothing": (_POOL, "MemoryData m 0 1 2 0=80 1=48 2=24"),
    "a kind that looks values up": (r"^Sigmoid sigmoid_53 1 1", "Embed sigmoid_53 1 1"),
    "an input made by nobody": (r"convrelu_0 1 1 data", "convrelu_0 1 1 dat"),
    "an input made later": (r"convrelu_0 1 1 data", "convrelu_0 1 1 164"),
    "its own output as input": (r"maxpool2d_52 1 1 1 2", "maxpool2d_52 1 1 2 2"),
    "two takers without a Split": (r"convrelu_2 1 1 3 7", "convrelu_2 1 1 4 7"),
    "an output made twice": (r"convrelu_2 1 1 3 7", "convrelu_2 1 1 3 5"),
    "an output made twice by one layer": (r"splitncnn_0 1 2 2 3 4", "splitncnn_0 1 2 2 3 3"),
    "a name that occurs twice": (r"convrelu_1 ", "convrelu_0 "),
    "a name of 256 letters": (r"sigmoid_53", "n" * 256),
    "a name of 255 letters, more bytes": (r"sigmoid_53", "ü" * 255),
    "a name of 100,000 letters": (r"sigmoid_53", "n" * 100_000),
    "a kind of 300 letters": (r"^Sigmoid ", "S" * 300 + " "),
    "a blob of 5,000 letters": (r" 161 162 ", " " + "b" * 5000 + " 162 "),
    "no counts": (r"^Sigmoid sigmoid_53 .*$", "Sigmoid sigmoid_53"),
    "no blobs": (r"^Sigmoid sigmoid_53 .*$", "Sigmoid sigmoid_53 1 1"),
    "a layer without blobs": (r"^Sigmoid sigmoid_53 .*$", "Sigmoid sigmoid_53 0 0"),
    "fewer blobs than counted": (r"sigmoid_53 1 1 161 163", "sigmoid_53 2 1 161 163"),
    "many more inputs than named": (r"sigmoid_53 1 1", "sigmoid_53 99998 1"),
    "2 ** 31 inputs": (r"sigmoid_53 1 1", "sigmoid_53 2147483648 1"),
    "2 ** 64 outputs": (r"sigmoid_53 1 1", "sigmoid_53 1 18446744073709551617"),
    "minus one input": (r"sigmoid_53 1 1", "sigmoid_53 -1 1"),
    "one point zero inputs": (r"sigmoid_53 1 1", "sigmoid_53 1.0 1"),
    "counts of other scripts": (r"sigmoid_53 1 1", "sigmoid_53 \u0661 \u0661"),
    "two inputs of a pooling": (r"maxpool2d_52 1 1 1 2", "maxpool2d_52 2 1 data 1 2"),
    "one input of an addition": (r"add_0 2 1 124 128 129", "add_0 1 1 128 129"),
    "an addition that is left out": (r"^BinaryOp add_0 .*\n", ""),
    "a pooling that is left out": (rf"{_POOL}\n", ""),
    "a pooling that is there twice": (rf"({_POOL}\n)", r"\1\1"),
    "maps of two sizes added": (r"interpolate_0 (.*)1=2.0", r"interpolate_0 \1 1=4.0"),
    "a parameter without a key": (r"0=1$", "=1"),
    "a parameter without a value": (r"0=1$", "0="),
    "a parameter that is none": (r"0=1$", "order"),
    "a parameter that is a text": (r"0=1$", "0=one"),
    "a parameter in quotes": (r"0=1$", '0="1"'),
    "a parameter with two signs": (r"0=1$", "0==1"),
    "a parameter of 40 digits": (r"0=1$", "0=" + "0" * 39 + "1"),
    "a parameter of 100,000 digits": (r"0=1$", "0=" + "1" * 100_000),
    "an array under a plain key": (r"0=1$", "0=1,2,3"),
    "a fraction of 40 digits": (r"1=2\.0 2=2\.0", "1=2." + "0" * 40 + " 2=2.0"),
    "line 2: no layers": (_LINE_2, "0 0"),
    "line 2: no blobs": (_LINE_2, "143 0"),
    "line 2: one number": (_LINE_2, "143"),
    "line 2: three numbers": (_LINE_2, "143 166 1"),
    "line 2: one layer too many": (_LINE_2, "144 166"),
    "line 2: one layer too few": (_LINE_2, "142 166"),
    "line 2: one blob too few": (_LINE_2, "143 165"),
    "line 2: one blob": (_LINE_2, "143 1"),
    "line 2: minus layers": (_LINE_2, "-143 166"),
    "line 2: minus blobs": (_LINE_2, "143 -166"),
    "line 2: 10 ** 9 blobs": (_LINE_2, "143 1000000000"),
    "line 2: 10 ** 9 layers": (_LINE_2, "1000000000 166"),
    "line 2: 2 ** 32 more": (_LINE_2, f"{143 + 2**32} {166 + 2**32}"),
    "line 2: 30 digits": (_LINE_2, "1" * 30 + " 166"),
    "line 2: fractions": (_LINE_2, "143.0 166.0"),
    "line 2: hexadecimal": (_LINE_2, "0x8f 0xa6"),
    "line 2: words": (_LINE_2, "many more"),
    "line 2: digits of other scripts": (_LINE_2, "\uff11\uff14\uff13 \uff11\uff16\uff16"),
    "no input layer": (r"^Input .*\n", ""),
    "two input layers": (r"^(Input .*\n)", r"\1Input in1 0 1 data1\n"),
    "an input layer that takes something": (r"in0 0 1 data", "in0 1 1 none data"),
    "an input layer with two outputs": (r"in0 0 1 data", "in0 0 2 data data1"),
    "an input with another name": (r"in0 0 1 data\n(.*) data ", r"in0 0 1 image\n\1 image "),
    "an output with another name": (r"164 output 0=1", "164 boxes 0=1"),
    "an output that is taken on": (r"(164 output 0=1)", r"\1\nSigmoid last 1 1 output boxes"),
    "a crop of nothing": (_POOL, "Crop c 1 1 1 2"),
    "a crop of too much": (_POOL, "Crop c 1 1 1 2 -23309=1,0 -23310=1,999 -23311=1,1"),
    "a crop from below zero": (_POOL, "Crop c 1 1 1 2 -23309=1,-5 -23310=1,20 -23311=1,1"),
    "a crop of two axes": (_POOL, "Crop c 1 1 1 2 -23309=2,0,0 -23310=2,9,9 -23311=2,1,2"),
    "a crop by a reference": (_POOL, "Crop c 2 1 1 data 2"),
    "a reshape of two unknowns": (_POOL, "Reshape r 1 1 1 2 0=-1 1=-1 2=24"),
    "a reshape of four dimensions": (_POOL, "Reshape r 1 1 1 2 0=40 1=24 11=1 2=24"),
    "a reshape whose product wraps": (_POOL, "Reshape r 1 1 1 2 0=65536 1=65536 2=65536"),
    "a permutation of no dimension": (_POOL, "Permute p 1 1 1 2 0=24"),
    "a clip of numbers that are none": (_POOL, "Clip c 1 1 1 2 0=nan 1=inf"),
    "a join of nothing": (_POOL, "Concat c 0 1 2 0=0"),
    "an interpolation by reference": (_POOL, "Interp i 2 1 1 data 2 0=2"),
    "an interpolation to nothing": (_POOL, "Interp i 1 1 1 2 0=1 1=0.25 2=0.001"),
    "an interpolation to a single row from corner to corner": (
        _POOL, "Interp i 1 1 1 a 0=1 1=0.25 2=0.25\nInterp j 1 1 a b 0=1 1=0.25 2=0.25\n"
        "Interp k 1 1 b 2 0=2 1=0.5 2=1.0 6=1"
    ),
    "16 times 16 times larger": (
        _POOL, "Interp i 1 1 1 big 0=1 1=16.0 2=16.0\nInterp j 1 1 big 2 0=1 1=16.0 2=16.0"
    ),
    "a million channels": (_POOL, "Convolution c 1 1 1 2 0=1000000 1=1 5=0 6=24000000"),
    "a kernel of 16,000": (_POOL, "Convolution c 1 1 1 2 0=24 1=16000 4=-233 5=0 6=2147483647"),
    "a pad of 16,000": (_POOL, "Convolution c 1 1 1 2 0=24 1=1 4=16000 5=0 6=576"),
}  # fmt: skip


def _bytes(old, new):
    def change(graph):
        assert old in graph
        return graph.replace(old, new, 1)

    return change


def _doubling(graph):
    """Thirty layers that each join their input with itself: 10 ** 9 times the memory."""
    lines, blob = [], b"1"
    for n in range(30):
        lines.append(b"Split s%d 1 2 %s a%d b%d" % (n, blob, n, n))
        lines.append(b"Concat c%d 2 1 a%d b%d d%d 0=0" % (n, n, n, n))
        blob = b"d%d" % n
    lines.append(b"Sigmoid l 1 1 %s 2" % blob)
    graph = re.sub(rb"(?m)^Pooling .*$", b"\n".join(lines), graph)
    return graph.replace(b"143 166", b"203 256", 1)


def _wide_split(graph):
    blobs = b" ".join(b"w%d" % n for n in range(90_000))
    graph = re.sub(rb"(?m)^Pooling .*$", b"Split w 1 90001 1 2 " + blobs, graph)
    return graph.replace(b"143 166", b"143 90167", 1)


# name: what becomes of the bytes of the graph
GRAPHS = {
    "an empty graph": lambda graph: b"",
    "blanks": lambda graph: b" \n\n \n",
    "the magic number alone": lambda graph: b"7767517\n",
    "another magic number": _bytes(b"7767517", b"7767518"),
    "a magic number too long": _bytes(b"7767517", b"77675170"),
    "a magic number of 64 bits": _bytes(b"7767517", b"4302734813"),
    "two lines in one": _bytes(b"7767517\n", b"7767517 "),
    "half of it": lambda graph: graph[: len(graph) // 2],
    "all but the last line": lambda graph: graph[: graph.rstrip().rindex(b"\n") + 1],
    "the binary form": lambda graph: struct.pack("<6i", 7767517, 143, 166, 0, 0, 1) + bytes(400),
    "a byte order mark": lambda graph: b"\xef\xbb\xbf" + graph,
    "UTF-16": lambda graph: graph.decode().encode("utf-16"),
    "a name in Latin-1": _bytes(b"sigmoid_53", b"sigmo\xefd_53"),
    "half a character": _bytes(b"sigmoid_53", b"sigmoid\xe2\x82 53"),
    "a surrogate": _bytes(b"sigmoid_53", b"sigmoid\xed\xa0\x80_53"),
    "an overlong character": _bytes(b"sigmoid_53", b"sigmoid\xc0\xaf_53"),
    "NUL in a name": _bytes(b"sigmoid_53", b"sigmoid\x00_53"),
    "NUL after the first layer": _bytes(b"\nConvolution ", b"\n\x00Convolution "),
    "NUL at the end": lambda graph: graph + b"\x00",
    "an escape sequence in a name": _bytes(b"sigmoid_53", b"\x1b[2Jsigmoid"),
    "a carriage return in a line": _bytes(b" 1 1 161", b" 1 1\r161"),
    "form feeds between words": _bytes(b" 1 1 161", b" 1\x0c1 161"),
    "vertical tabs between words": _bytes(b" 1 1 161", b" 1\x0b1 161"),
    "file separators between words": _bytes(b" 1 1 161", b" 1\x1c1 161"),
    "no-break spaces between words": _bytes(b" 1 1 161", " 1\xa01 161".encode()),
    "line separators between lines": _bytes(b"\nSigmoid ", "\u2028Sigmoid ".encode()),
    "next-line characters between lines": _bytes(b"\nSigmoid ", "\x85Sigmoid ".encode()),
    "a comment": _bytes(b"\nSigmoid ", b"\n# the end\nSigmoid "),
    "thirty doublings": _doubling,
    "90,000 outputs": _wide_split,
    "10,000 layers of one name": lambda graph: b"7767517\n10000 1\n" + b"Noop n 0 0\n" * 10_000,
    "a line of 2 MB": lambda graph: graph.rstrip() + b" 1" * 1_000_000 + b"\n",
    "another program": lambda graph: b"\x7fELF" + bytes(100),
    "JSON": lambda graph: b'{"layers": []}',
}


def _put(at, form, value):
    return lambda weights: (
        weights[: at % len(weights)]
        + struct.pack(form, value)
        + weights[at % len(weights) + struct.calcsize(form) :]
    )


# name: what becomes of the bytes of the weights
WEIGHTS = {
    "no weights": lambda weights: b"",
    "three bytes": lambda weights: weights[:3],
    "the first tag alone": lambda weights: weights[:4],
    "half of the weights": lambda weights: weights[: len(weights) // 2],
    "all but a byte": lambda weights: weights[:-1],
    "all but a number": lambda weights: weights[:-4],
    "a byte more": lambda weights: weights + b"\0",
    "a number more": lambda weights: weights + bytes(4),
    "a megabyte more": lambda weights: weights + bytes(1 << 20),
    "twice the weights": lambda weights: 2 * weights,
    "no tag in front": lambda weights: weights[4:],
    "a byte missing in front": lambda weights: weights[1:],
    "other bytes in each number": lambda weights: b"".join(
        weights[at : at + 4][::-1] for at in range(0, len(weights), 4)
    ),
    "all ones": lambda weights: b"\xff" * len(weights),
    "an unknown tag": _put(0, "<I", 0x01306B48),
    "the tag of 16 bits": _put(0, "<I", 0x01306B47),
    "the tag of int8": _put(0, "<I", _INT8),
    "the tag of a table": _put(0, "<I", 1),
    "a weight that is NaN": _put(400, "<f", math.nan),
    "a weight that is infinite": _put(400, "<f", math.inf),
    "a weight that is minus infinite": _put(400, "<f", -math.inf),
    "a weight that is a signalling NaN": _put(404, "<I", 0x7FA00001),
    "a bias that is NaN": _put(-4, "<f", math.nan),
    "a bias that is infinite": _put(-8, "<f", math.inf),
    "text": lambda weights: b"weights\n",
}

# name: path of a key to its value
SPECS = {
    "one class less": {"class_names": ["disc", "square"]},
    "one class more": {"class_names": ["disc", "square", "triangle", "star"]},
    "no class": {"class_names": []},
    "10,000 classes": {"class_names": ["c"] * 10_000},
    "a stride less": {"output.strides": [8, 16]},
    "a stride more": {"output.strides": [8, 16, 32, 64]},
    "strides in another order": {"output.strides": [32, 16, 8]},
    "half the stride": {"output.strides": [4, 16, 32]},
    "stride 0": {"output.strides": [0, 16, 32]},
    "one bin more": {"output.reg_max": 8},
    "no bins": {"output.reg_max": 0},
    "2 ** 31 bins": {"output.reg_max": 2**31},
    "another input": {"input.name": "image"},
    "another output": {"output.name": "boxes"},
    "a blob inside as output": {"output.name": "164"},
    "its input as output": {"output.name": "data"},
    "boxes": {"format": 2, "output.form": "boxes"},
    "twice as wide, but no more points": {"output.strides": [16, 16, 32]},
    "a width of 0": {"input.width": 0},
    "a width of 161": {"input.width": 161},
    "a width of 2 ** 31": {"input.width": 2**31},
    "a width of one column at the last level": {"input.width": 32},
    "a height of one row at the last level": {"input.height": 32},
    "a width that needs all memory": {"input.width": 16384, "input.height": 16384},
    "minus any height": {"input.height": -96},
    "a height that is a text": {"input.height": "96"},
    "a mean that is a text": {"input.mean": "none"},
    "a std of 0": {"input.std": [0, 1, 1]},
    "an unknown fit": {"input.fit": "stretched"},
    "a format of the future": {"format": 99},
    "no format": {"format": None},
}  # fmt: skip


# layers that change nothing
_KEEPING = (
    "Dropout d 1 1 data first", "Split d 1 1 data first", "Noop d 1 1 data first",
    "Clip d 1 1 data first 0=-1e9 1=1e9", "BinaryOp d 1 1 data first 0=2 1=1 2=1.0",
    "Interp d 1 1 data first 0=2", "Permute d 1 1 data first 0=0", "Concat d 1 1 data first 0=0",
    "Reshape d 1 1 data first 0=160 1=96 2=3", "ShuffleChannel d 1 1 data first 0=1",
    "Crop d 1 1 data first -23309=1,0 -23310=1,3 -23311=1,0",
    "Slice d 1 1 data first -23300=1,3 1=0",
)  # fmt: skip


def first(layer):
    """Put a layer between the image and the first convolution."""

    def change(graph):
        head, tail = graph.split(b" data\n", 1)
        tail = layer.encode() + b"\n" + tail.replace(b" data ", b" first ", 1)
        return (head + b" data\n" + tail).replace(b"143 166", b"144 167")

    return change


def _lines(change):
    return lambda graph: b"\n".join(change(graph.split(b"\n")))


# name: what becomes of the bytes of the graph; the model finds the same all the same
SAME_GRAPHS = {
    "CRLF": lambda graph: graph.replace(b"\n", b"\r\n"),
    "carriage returns alone": lambda graph: graph.replace(b"\n", b"\r"),
    "no newline at the end": lambda graph: graph.rstrip(b"\n"),
    "empty lines": lambda graph: graph.replace(b"\n", b"\n\n \n"),
    "tabs": lambda graph: graph.replace(b" ", b"\t"),
    "blanks around": lambda graph: graph.replace(b"\n", b"  \n  "),
    "more blobs than there are": _bytes(b"143 166", b"143 99999"),
    "leading zeros in line 2": _bytes(b"143 166", b"000143 000166"),
    "lines behind the last": lambda graph: graph + b"the end\n" * 3,
    "a name of 255 letters": _bytes(b"sigmoid_53", b"n" * 255),
    "names of other scripts": _bytes(b"sigmoid_53", "シグモイド".encode()),
    "names that are formats": _bytes(b"sigmoid_53", b"%s%n%d"),
    "a name like a number": _bytes(b"sigmoid_53", b"-1"),
    "shapes that are hints": _bytes(b"11=3 12=1 13=2", b"-23330=4,3,80,48,24 11=3 12=1 13=2"),
    "shapes that are wrong": _bytes(b"11=3 12=1 13=2", b"-23330=4,3,7,9,5 11=3 12=1 13=2"),
    "shapes that are huge": _bytes(b"11=3 12=1 13=2", b"-23330=4,3,2147483647,2,9 11=3 12=1 13=2"),
    "shapes that are no shapes": _bytes(b"11=3 12=1 13=2", b"-23330=1,3 11=3 12=1 13=2"),
    "an input of its size": _bytes(b"0 1 data", b"0 1 data 0=160 1=96 2=3"),
    "an input of another size": _bytes(b"0 1 data", b"0 1 data 0=7 1=9 2=-5"),
    "a parameter said twice": _bytes(b" 0=24 1=3 ", b" 0=7 0=24 1=3 "),
    "parameters in another order": _lines(
        lambda lines: [b" ".join(sorted(line.split(), key=lambda w: b"=" in w)) for line in lines]
    ),
    "a mask of features": _bytes(b"11=3 12=1 13=2", b"31=0 11=3 12=1 13=2"),
    "a parameter without effect": _bytes(b"1=3 11=3 12=2", b"1=3 8=3 18=5 11=3 12=2"),
    "an exponent": _bytes(b"1=2.0 2=2.0", b"1=2e0 2=20.0e-1"),
    "a Dropout in between": lambda graph: graph.replace(b"143 166", b"144 167").replace(
        b"1 1 161 163", b"1 1 161 soft\nDropout d 1 1 soft 163"
    ),
    **{f"a {layer.split()[0]} on the image itself": first(layer) for layer in _KEEPING},
    "an output more": lambda graph: (
        graph.replace(b"143 166", b"144 168")
        .replace(b"1 1 164 output", b"1 1 one output")
        .replace(b"2 1 163 162 164 0=0", b"2 1 163 162 164 0=0\nSplit s 1 2 164 one two")
    ),
}


def last(layer):
    """Put a layer between what was the output, now called ``made``, and the output."""
    return lambda graph: (
        graph.replace(b"143 166", b"144 167").replace(b" output 0=1", b" made 0=1").rstrip()
        + f"\n{layer}\n".encode()
    )


# a layer of a kind that only ncnn knows, in front or behind; what is said of the model, None where it runs
OTHER_KINDS = {
    "DeepCopy d 1 1 data first": None,
    "Tile d 1 1 data first 0=0 1=1": None,
    "Proposal d 1 1 data first": "ncnn ended the process that tried it out at 160 x 96",
    "Embed d 1 1 data first": "ncnn cannot run it at 160 x 96 (not known here: Embed)",
    "GRU d 1 1 data first 0=64 1=2000000000": "at 160 x 96 (not known here: GRU)",
    "Tile d 1 1 data first 0=0 1=2000000": "at 160 x 96 (not known here: Tile)",
    "Cast c 1 1 made output 0=1 1=2": "its output holds values of 2 bytes, not floats",
    "Tile t 1 1 made output 0=1 1=2": "its output is 315 x 70, but its spec says",
    "DeepCopy d 0 1 first": "DeepCopy cannot work on 0 inputs",
    "DeepCopi d 1 1 data first": "DeepCopi",
}
