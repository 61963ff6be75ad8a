"""An image on its way to the network, with what is annotated on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nanodet.config.data_sections import Pipeline
from nanodet.data.augment.geometry import box_matrix, map_boxes, pixel_matrix, worth_teaching
from nanodet.data.records import Picture
from nanodet.runtime.fit import Placement, Size, place, warp


@dataclass
class Scene:
    """A warped image, or a part of one.

    Attributes:
        image: uint8 (h, w, 3) BGR.
        boxes: float32 (N, 4) xyxy in its pixels, clipped to it; labels: int64 (N,).
        ignored: float32 (M, 4) xyxy.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray

    def add(self, other: "Scene", at: tuple[int, int] = (0, 0)) -> None:
        """Add the annotations of another scene, whose origin is ``at`` (x, y) of this one."""
        move = np.array((*at, *at), np.float32)
        self.boxes = np.concatenate([self.boxes, other.boxes + move])
        self.labels = np.concatenate([self.labels, other.labels])
        self.ignored = np.concatenate([self.ignored, other.ignored + move])


def blank(size: Size) -> Scene:
    """Return a scene of (width, height) without annotations, its pixels not yet written."""
    nothing = np.zeros((0, 4), np.float32)
    return Scene(np.empty((size[1], size[0], 3), np.uint8), nothing, np.zeros(0, np.int64), nothing)


@dataclass(frozen=True)
class Sources:
    """The images of a data set, and how they are fitted: what a step takes others from.

    Attributes:
        records: the annotated images.
        load: returns the pixels of the image at an index, not to be written to.
        pipeline: the settings.
        fit: how an image is fitted into the input, see `nanodet.runtime.fit.place`.
        input_size: (width, height) of this batch.
    """

    records: Sequence[Picture]
    load: Callable[[int], np.ndarray]
    pipeline: Pipeline
    fit: str
    input_size: Size

    def ratio(self, picture: np.ndarray) -> tuple[float, float]:
        """Return the factors (x, y) by which an image is resized when it is fitted alone."""
        return place(self.fit, picture.shape[1::-1], self.input_size).ratio

    def view(
        self, index: int, picture: np.ndarray, geometry: np.ndarray, placement: Placement,
        out: np.ndarray | None = None,
    ) -> Scene:  # fmt: skip
        """Return the scene that shows an image, in one warp.

        Args:
            index: of the image.
            picture: its pixels.
            geometry: (3, 3), see `nanodet.data.augment.geometry.draw_geometry`.
            placement: where the transformed image lies in the scene, whose size is ``content``.
            out: where to write the pixels, such as a part of a larger scene's image.
        """
        record = self.records[index]
        # a fit samples up to half a pixel beside the boxes, which depends on its ratio: with that of
        # inference here, whatever the size of the image in the scene
        (rx, ry), (x, y) = placement.ratio, placement.shift
        usual = self.ratio(picture)
        sampled = replace(placement, shift=(x + (rx - usual[0]) / 2, y + (ry - usual[1]) / 2))
        pixels = pixel_matrix(geometry, sampled)
        if not self.pipeline.perspective:
            pixels = pixels[:2]  # affine: the faster warp
        image = warp(picture, pixels, placement.content, out)
        matrix = box_matrix(geometry, placement)
        boxes, inside = map_boxes(record.boxes, matrix, placement.content)
        kept = worth_teaching(boxes, inside)
        ignored, inside = map_boxes(record.ignored, matrix, placement.content)
        return Scene(image, boxes[kept], record.labels[kept], ignored[inside > 0])
