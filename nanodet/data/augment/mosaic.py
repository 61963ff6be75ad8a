"""Several images in one: four beside each other (mosaic), or two blended (mixup)."""

import cv2
import numpy as np

from nanodet.data.augment.geometry import draw_geometry, framed
from nanodet.data.augment.scene import Scene, Sources, blank
from nanodet.runtime.fit import Placement, Size

CENTRE = (0.3, 0.7)  # where the four images of a mosaic meet, as a share of width and height
ENLARGED = 2.0  # most that an image is enlarged beyond its usual size to fill its part
SHARE = (0.4, 0.6)  # of the image itself in a mixup: both must be visible, as both are taught


def mosaic(
    sources: Sources, index: int, picture: np.ndarray, geometry: np.ndarray, size: Size,
    rng: np.random.Generator,
) -> Scene:  # fmt: skip
    """Put an image and three others into the quarters around a random centre, each in one warp.

    An image has ``pipeline.mosaic_scale`` of the size it has alone, or more if it would not fill its
    quarter; which part of it is seen is random.

    Args:
        sources: the images.
        index, picture, geometry: of the image itself; it may be in any quarter.
        size: (width, height) of the result.
        rng: chooses the others, their geometry and their places.
    """
    scene = blank(size)
    (width, height), (low, high) = size, sources.pipeline.mosaic_scale
    x, y = (round(side * rng.uniform(*CENTRE)) for side in size)
    quarters = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    others = rng.integers(len(sources.records), size=3).tolist()
    for number, quarter in enumerate(rng.permutation(4).tolist()):
        if number:
            index = others[number - 1]
            picture = sources.load(index)
            geometry = draw_geometry(sources.pipeline, picture.shape[1::-1], rng)
        factor, *where = rng.random(3)
        left, top, right, bottom = quarters[quarter]
        if left == right or top == bottom:
            continue  # of an input of a few pixels
        area = right - left, bottom - top
        moved, frame = framed(geometry, picture.shape[1::-1])
        placement = filling(frame, sources.ratio(picture), low + (high - low) * factor, area, where)
        part = scene.image[top:bottom, left:right]
        scene.add(sources.view(index, picture, moved, placement, part), (left, top))
    return scene


def mixup(scene: Scene, sources: Sources, rng: np.random.Generator) -> None:
    """Blend a scene with another image; the boxes of both count.

    Args:
        scene: changed in place.
        sources: the images.
        rng: chooses the other, its geometry and its share.
    """
    index = int(rng.integers(len(sources.records)))
    picture = sources.load(index)
    geometry = draw_geometry(sources.pipeline, picture.shape[1::-1], rng)
    geometry, frame = framed(geometry, picture.shape[1::-1])
    size = scene.image.shape[1::-1]
    placement = filling(frame, sources.ratio(picture), 1.0, size, rng.random(2).tolist())
    other = sources.view(index, picture, geometry, placement)
    share = rng.uniform(*SHARE)
    scene.image = cv2.addWeighted(scene.image, share, other.image, 1 - share, 0)
    scene.add(other)


def filling(
    frame: tuple[float, float], ratio: tuple[float, float], factor: float, size: Size,
    where: list[float],
) -> Placement:  # fmt: skip
    """Return the placement of a transformed image that fills an area, of which it shows a part.

    Args:
        frame: (width, height) of the transformed image, which begins at the origin.
        ratio: (x, y) network pixels per image pixel when it is fitted alone.
        factor: of that size; raised until the area is filled, at most to `ENLARGED`.
        size: (width, height) of the area.
        where: two numbers of 0..1: which part is seen, from the left or top end to the other.
    """
    needed = max(area / (side * r) for area, side, r in zip(size, frame, ratio, strict=True))
    factor = max(factor, min(needed, ENLARGED))
    rx, ry = (factor * r for r in ratio)
    shift = where[0] * (size[0] - rx * frame[0]), where[1] * (size[1] - ry * frame[1])
    return Placement((rx, ry), shift, size, size)
