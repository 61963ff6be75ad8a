"""Layers of every kind, with random parameters, that keep the shape of a map: for `fuzz_models`."""

from nanodet.ncnn_files.graph import Layer
from nanodet.ncnn_files.rules import ELEMENTWISE


def convolution(shape, rng):
    """A convolution of some form that keeps the shape."""
    channels = shape[0]
    kernel, dilation = rng.choice((1, 2, 3, 5, 7)), rng.choice((1, 1, 2, 3))
    reach = dilation * (kernel - 1)
    values = {0: channels, 1: kernel, 2: dilation, 4: reach // 2, 5: rng.randrange(2)}
    values |= {15: reach - reach // 2, 16: reach - reach // 2}
    if rng.random() < 0.2:
        values = {k: v for k, v in values.items() if k not in (15, 16)} | {
            4: rng.choice((-233, -234))
        }
    if rng.random() < 0.3:
        values |= {11: 1, 14: 0, 16: 0}
        if values[4] < 0:
            values |= {14: values[4], 16: values[4]}
    groups = rng.choice([n for n in range(1, channels + 1) if channels % n == 0])
    depthwise = rng.random() < 0.5
    values[6] = channels * (channels // groups if depthwise else channels)
    values[6] *= kernel * values.get(11, kernel)
    if depthwise:
        values[7] = groups
    activation = rng.randrange(7)
    values |= {9: activation}
    if activation in (2, 3, 6):
        numbers = [f"{rng.uniform(-2, 2):.3f}" for _ in range(1 if activation == 2 else 2)]
        values[-23310] = ",".join([str(len(numbers)), *numbers])
    if rng.random() < 0.3:
        values[8] = rng.choice((1, 1, 2, 101, 102))
    if rng.random() < 0.2:
        values[18] = f"{rng.uniform(-9, 9):.2f}"
    return "ConvolutionDepthWise" if depthwise else "Convolution", values


def pooling(shape, rng):
    kernel = rng.choice((1, 2, 3, 5))
    values = {
        0: rng.randrange(2),
        1: kernel,
        2: 1,
        3: kernel // 2,
        5: rng.randrange(4),
        6: rng.randrange(2),
    }
    if kernel % 2 == 0:
        values |= {5: rng.choice((2, 3))}
    return "Pooling", values


def reshape(shape, rng):
    sides = [shape[2], shape[1], shape[0]]
    if rng.random() < 0.5:
        sides[rng.randrange(3)] = -1
    return "Reshape", dict(enumerate(sides))


def shuffle(shape, rng):
    fitting = [n for n in range(1, shape[0] + 1) if shape[0] % n == 0]
    return "ShuffleChannel", {0: rng.choice(fitting), 1: rng.randrange(2)}


def interp(shape, rng):
    return "Interp", {0: rng.choice((1, 2)), 1: "1.0", 2: "1.0", 6: rng.randrange(2)}


def scalar(shape, rng):
    return "BinaryOp", {0: rng.randrange(12), 1: 1, 2: f"{rng.uniform(0.1, 2):.3f}"}


def crop(shape, rng):
    axis = rng.randrange(3)
    return "Crop", {-23309: "1,0", -23310: f"1,{shape[axis]}", -23311: f"1,{axis}"}


def elementwise(shape, rng):
    return rng.choice([*ELEMENTWISE, "Noop", "Split"]), {}


def permute(shape, rng):
    return "Permute", {0: 0 if rng.random() < 0.7 else rng.randrange(6)}


def norm(shape, rng):
    channels = shape[0]
    kind = rng.choice(
        ("BatchNorm", "Scale", "Bias", "PReLU", "InstanceNorm", "GroupNorm", "LayerNorm")
    )
    if kind == "GroupNorm":
        groups = rng.choice([n for n in range(1, channels + 1) if channels % n == 0])
        return kind, {0: groups, 1: channels, 3: rng.randrange(2)}
    if kind == "LayerNorm":
        return kind, {0: rng.choice((shape[2], shape[1] * shape[2])), 2: rng.randrange(2)}
    return kind, {0: channels}


def softmax(shape, rng):
    return "Softmax", {0: rng.randrange(-3, 3), 1: 1}


LAYERS = (
    convolution, convolution, convolution, pooling, reshape, shuffle, interp, scalar, crop,
    elementwise, permute, norm, softmax,
)  # fmt: skip


def gate(shape, rng):
    """Channels weighed by what they hold in the mean."""
    c = shape[0]
    mean = rng.choice(("Pooling p 1 1 b g 0=1 4=1", "Reduction p 1 1 b g 0=3 1=0 -23303=2,1,2 5=1"))
    form = rng.choice((f"Reshape r 1 1 h k 0=1 1=1 2={c}", "ExpandDims r 1 1 h k -23303=2,1,2",
                       "Dropout r 1 1 h k", "Flatten r 1 1 h k"))  # fmt: skip
    return [
        "Split s 1 2 x a b", mean, f"InnerProduct i 1 1 g h 0={c} 1=1 2={c * c} 9={rng.randrange(6)}",
        form, f"BinaryOp m 2 1 {rng.choice(('a k', 'k a'))} y 0={rng.randrange(7)}",
    ]  # fmt: skip


def tokens(shape, rng):
    """Points as rows, through one or two layers that combine them or their channels."""
    c, h, w = shape
    heads = rng.choice([n for n in range(1, c + 1) if c % n == 0])
    mix = rng.choice((
        [f"MultiHeadAttention m 1 1 u v 0={c} 1={heads} 2={c * c}"],
        [f"Gemm m 1 1 u v 3=1 5=1 6=1 8={c} 9={c} 10={rng.choice((-1, 0, 4))}"],
        [f"InnerProduct m 1 1 u v 0={c} 1=1 2={c * c}"],
        [f"MemoryData k 0 1 k 0={c} 1={c} 21={rng.randrange(2)}", "MatMul m 2 1 u k v 0=1"],
        ["Split s 1 3 u a b c", "MatMul m 2 1 a b d 0=1", "Softmax o 1 1 d e 0=1 1=1",
         "MatMul n 2 1 e c v"],
        [f"Reshape s 1 1 u a 0={c // heads} 1={heads} 2={h * w}", "Permute o 1 1 a b 0=2",
         "Split t 1 3 b d e f", "SDPA m 3 1 d e f g", "Permute z 1 1 g i 0=2",
         f"Reshape l 1 1 i v 0={c} 1={h * w}"],
        [f"MemoryData k 0 1 k 0={rng.choice((1, c, h * w))}", "BinaryOp m 2 1 u k v"],
        [f"LayerNorm m 1 1 u v 0={c}"], ["GELU m 1 1 u v"], ["Squeeze m 1 1 u v -23303=1,0"],
    ))  # fmt: skip
    if w > 30 and h > 30 and any("MatMul n" in line or "SDPA" in line for line in mix):
        mix = ["Mish m 1 1 u v"]
    return [
        f"Reshape r 1 1 x t 0={w * h} 1={c}", "Permute p 1 1 t u 0=1", *mix,
        "Permute q 1 1 v w 0=1", f"Reshape z 1 1 w y 0={w} 1={h} 2={c}",
    ]  # fmt: skip


def there_and_back(shape, rng):
    c, h, w = shape
    return rng.choice((
        [f"Deconvolution d 1 1 x a 0={c} 1=2 3=2 5=1 6={c * c * 4}", "Pooling p 1 1 a y 1=2 2=2"],
        [f"DeconvolutionDepthWise d 1 1 x a 0={c} 1=4 3=2 4=1 6={c * 16} 7={c}",
         f"Pooling p 1 1 a y 7=1 0=1 8={w} 18={h}"],
        ["Reorg r 1 1 x a 0=2", f"PixelShuffle p 1 1 a y 0=2 1={rng.randrange(2)}"],
        [f"Padding p 1 1 x a 0=1 1=2 2=3 3=1 4={rng.randrange(3)}",
         f"Crop c 1 1 a y -23309=2,1,3 -23310=2,{h + 1},{w + 3} -23311=2,1,2"],
        ["Split s 1 2 x a b", f"Eltwise e 2 1 a b y 0={rng.randrange(3)}"],
        ["GLU g 1 1 x a 0=0", "Split s 1 2 a b c", "Concat j 2 1 b c y"],
        [f"Reduction r 1 1 x a 0={rng.randrange(11)} 1=0 -23303=1,{rng.randrange(-3, 3)} 4=1 5=1",
         f"MemoryData k 0 1 k 0={w} 1={h} 2={c}", f"BinaryOp b 2 1 a k y 0={rng.randrange(12)}"],
        [f"Interp i 1 1 x a 0=2 3={h + 5} 4={w + 2}", f"Interp j 1 1 a y 0=1 3={h} 4={w}"],
        [f"Reshape r 1 1 x a 0={w} 1={h} 11=1 2={c}", f"Permute p 1 1 a b 0={rng.randrange(24)}",
         f"Softmax s 1 1 b d 0={rng.randrange(-4, 4)} 1=1", f"Reshape z 1 1 d y 0={w} 1={h} 2={c}"],
    ))  # fmt: skip


BRICKS = gate, tokens, tokens, there_and_back, there_and_back


def lay(lines, given, gives, mark):
    """Return the layers of a brick, which goes from ``x`` to ``y``, under names of its own."""
    names = {"x": given, "y": gives}
    for line in lines:
        kind, name, inputs, outputs, *words = line.split()
        inputs, outputs = int(inputs), int(outputs)
        blobs = [names.get(blob, f"{mark}_{blob}") for blob in words[: inputs + outputs]]
        values = dict(word.split("=", 1) for word in words[inputs + outputs :])
        values = {int(key): value for key, value in values.items()}
        yield Layer(kind, f"{mark}_{name}", blobs[:inputs], blobs[inputs:], values)
