"""The network's input size for a set of images."""

import math
from collections.abc import Sequence

import numpy as np

from nanodet.data.records import Picture
from nanodet.init.recipe import LEAST_SIDE, PUBLISHED, SHARE, SMALLEST
from nanodet.runtime.fit import ALIGNMENT, Size


def choose_size(pictures: Sequence[Picture], largest: int = PUBLISHED[1]) -> tuple[Size, list[str]]:
    """Choose the smallest input that has the shape of the images and in which most boxes are large enough.

    Args:
        pictures: the images.
        largest: side of the square that has about the largest area of the input.

    Returns:
        (width, height), multiples of 32, and lines that say why.
    """
    sizes = np.array([(p.width, p.height) for p in pictures], np.float64)
    aspect, shape = _aspect(sizes)
    own = math.sqrt(np.median(sizes.prod(axis=1)))
    sides = range(PUBLISHED[0], largest + 1, ALIGNMENT)
    if own < PUBLISHED[0]:  # small images are not enlarged without need
        start = max(LEAST_SIDE, ALIGNMENT * math.ceil(own / ALIGNMENT))
        sides = range(start, largest + 1, ALIGNMENT)
    chosen = (largest, largest)
    for side in sides:
        chosen = _of_area(side, aspect)
        smallest = smallest_side(pictures, chosen)
        if smallest >= SMALLEST:
            break
    return chosen, [shape, boxes_line(pictures, chosen)]


def boxes_line(pictures: Sequence[Picture], size: Size) -> str:
    """Return a line on how large the boxes are in an input."""
    smallest = smallest_side(pictures, size)
    share = f"{SHARE:.0%} of the boxes have a shorter side of {smallest:.0f} px or more"
    if smallest >= SMALLEST:
        return f"{share} in it"
    return f"{share} in it, less than the {SMALLEST} px that can be learned well: a larger size may help"


def smallest_side(pictures: Sequence[Picture], size: Size) -> float:
    """Return what the shorter side of all but the smallest boxes is at least, in pixels of the input."""
    sides = [
        (p.boxes[:, 2:] - p.boxes[:, :2]).min(axis=1) * min(size[0] / p.width, size[1] / p.height)
        for p in pictures
    ]
    joined = np.concatenate([*sides, np.zeros(0)])
    return float(np.quantile(joined, 1 - SHARE)) if len(joined) else math.inf


def _aspect(sizes: np.ndarray) -> tuple[float, str]:
    """Return width to height of the input, and a line that says why; ``sizes`` (N, 2) of the images."""
    width, height = np.median(sizes, axis=0)
    aspects = np.log(sizes[:, 0] / sizes[:, 1])
    low, middle, high = np.quantile(aspects, (0.1, 0.5, 0.9))
    if low < -0.1 and high > 0.1:
        return 1.0, "portrait and landscape images: a square input"
    usual = f"the images are {width:.0f} x {height:.0f}"
    if high - low > 0.1:
        usual += " in the median"
    return math.exp(middle), usual


def _of_area(side: int, aspect: float) -> Size:
    """Return the aligned size with about the area of a square and about this aspect."""
    width = max(ALIGNMENT, ALIGNMENT * round(side * math.sqrt(aspect) / ALIGNMENT))
    height = max(ALIGNMENT, ALIGNMENT * round(side / math.sqrt(aspect) / ALIGNMENT))
    return width, height
