"""Layers that work on maps: channels x rows x columns."""

from math import ceil, prod

from nanodet.ncnn_files.graph import Layer
from nanodet.ncnn_files.rules.step import Shape, Step, text_of

_SAME = (-233, -234)  # padding so that the output has ceil(input / stride) columns


def _grouped(step: Step) -> tuple[int, tuple[int, int]]:
    """Check the counts of a convolution of any kind; return outputs, and the kernel's rows and columns."""
    channels = step.map()[0]
    groups = step.whole(7, 1) if step.layer.kind.endswith("DepthWise") else 1
    outputs, count = step.whole(0), step.whole(6)
    kernel = step.whole(11, step.whole(1)), step.whole(1)
    if groups < 1 or channels % groups or outputs % groups:
        step.fail(f"{groups} groups do not divide {channels} channels")
    if min(outputs, *kernel) < 1 or count != outputs * (channels // groups) * prod(kernel):
        step.fail(f"{count} weights do not fit its {channels} input channels")
    return outputs, kernel


def _sides(
    step: Step,
) -> tuple[tuple[int, int], tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]:
    """Return strides, dilations and pads: of rows, then of columns; pads before and after."""
    strides = step.whole(13, step.whole(3, 1)), step.whole(3, 1)
    dilations = step.whole(12, step.whole(2, 1)), step.whole(2, 1)
    left = step.whole(4)
    top = step.whole(14, left)
    pads = (top, step.whole(16, top)), (left, step.whole(15, left))
    return strides, dilations, pads


def is_grouped(layer: Layer) -> bool:
    """Tell whether a layer is a (de)convolution in groups of more than a channel each."""
    if layer.kind not in ("ConvolutionDepthWise", "DeconvolutionDepthWise"):
        return False
    outputs, kernel = layer.whole(0), layer.whole(1) * layer.whole(11, layer.whole(1))
    return layer.whole(7, 1) != outputs or layer.whole(6) != outputs * kernel


def convolution(step: Step) -> list[Shape]:
    outputs, kernel = _grouped(step)
    strides, dilations, pads = _sides(step)
    if len({pad if pad < 0 else 0 for pad in (*pads[0], *pads[1])}) > 1:
        step.fail("some of its pads are counts, some a rule")
    return [
        (outputs, *(
            ceil(n / s) if pad[0] in _SAME else (n + sum(pad) - d * (k - 1) - 1) // s + 1
            for n, k, s, d, pad in zip(
                step.map()[1:], kernel, strides, dilations, pads, strict=True
            )
        ))
    ]  # fmt: skip


def deconvolution(step: Step) -> list[Shape]:
    outputs, kernel = _grouped(step)
    strides, dilations, pads = _sides(step)
    right = step.whole(18)
    more = step.whole(19, right), right
    return [
        (outputs, *(
            (n - 1) * s + d * (k - 1) + 1 + m - sum(pad)
            for n, k, s, d, m, pad in zip(
                step.map()[1:], kernel, strides, dilations, more, pads, strict=True
            )
        ))
    ]  # fmt: skip


def pooling(step: Step) -> list[Shape]:
    channels, *sides = step.map()
    if step.whole(4):
        return [(channels,)]
    if step.whole(7):
        wanted = step.whole(18, step.whole(8)), step.whole(8)
        return [(channels, *(n if w == -233 else w for n, w in zip(sides, wanted, strict=True)))]
    kernel = step.whole(11, step.whole(1)), step.whole(1)
    strides = step.whole(12, step.whole(2, 1)), step.whole(2, 1)
    left = step.whole(3)
    top = step.whole(13, left)
    pads = top + step.whole(15, top), left + step.whole(14, left)
    mode = step.whole(5)
    fits = all(0 < k <= n + pad for n, k, pad in zip(sides, kernel, pads, strict=True))
    if min(kernel) < 1 or (not fits and mode not in (2, 3)):
        step.fail(f"its kernel is larger than {text_of(step.given)}")
    rounded = ceil if mode == 0 else int
    return [
        (channels, *(
            ceil(n / s) if mode in (2, 3) else rounded((n + pad - k) / s) + 1
            for n, k, s, pad in zip(sides, kernel, strides, pads, strict=True)
        ))
    ]  # fmt: skip


def shuffle(step: Step) -> list[Shape]:
    channels = step.map()[0]
    if channels % step.whole(0, 1):
        step.fail(f"cannot shuffle {channels} channels")
    return step.given


def interp(step: Step) -> list[Shape]:
    channels, height, width = step.map()
    fixed = step.whole(3), step.whole(4)
    if step.whole(5) or (any(fixed) and min(fixed) < 1):
        step.fail("is made for one input size alone")
    if any(fixed):
        sides = fixed
    else:
        scales = [step.layer.number(key, 1) for key in (1, 2)]
        for key, scale in enumerate(scales, 1):
            # quarters are exact in every reader, so that the sides are
            if not 0.25 <= scale <= 16 or 4 * scale % 1:
                step.fail(f"cannot scale by {step.layer.values[key]}")
        sides = int(height * scales[0]), int(width * scales[1])
    if step.whole(0) == 2 and sides != (height, width):
        # it takes a place and the next one; of one alone, the one before it, which is another's memory
        if min(height, width, *(sides if step.whole(6) else ())) < 2:
            step.fail(
                "ncnn cannot interpolate between fewer than two rows or columns: "
                f"{text_of(step.given)}"
            )
    return [(channels, *sides)]


def pixel_shuffle(step: Step) -> list[Shape]:
    channels, height, width = step.map()
    factor = step.whole(0, 1)
    if channels % (factor * factor):
        step.refuse()
    return [(channels // (factor * factor), height * factor, width * factor)]


def reorg(step: Step) -> list[Shape]:
    channels, height, width = step.map()
    stride = step.whole(0, 1)
    if height % stride or width % stride:
        step.refuse()
    return [(channels * stride * stride, height // stride, width // stride)]


def padding(step: Step) -> list[Shape]:
    sides = step.map()
    pads = [tuple(map(step.whole, keys)) for keys in ((7, 8), (0, 1), (2, 3))]
    made = tuple(side + sum(pad) for side, pad in zip(sides, pads, strict=True))
    # a reflection takes the values beside the edge
    if step.whole(4) == 2 and any(max(p) >= n for n, p in zip(sides, pads, strict=True)):
        step.refuse()
    if step.whole(6) not in (0, made[0]):
        step.refuse()
    return [made]
