"""Network inputs to compare stages on: real images, or generated ones that are not mere noise."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from nanodet.data.assemble import select
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import absence
from nanodet.images.image_file import SUFFIXES, is_picture_name, read_picture
from nanodet.runtime.preprocess import network_input
from nanodet.runtime.spec import Spec
from nanodet.text.printable import say

COUNT = 8


def picture_tensors(
    spec: Spec, images: StrPath | None = None, count: int = COUNT
) -> list[np.ndarray]:
    """Return tensors float32 (1, 3, H, W) at the spec's size and fit.

    Args:
        spec: a `nanodet.runtime.spec.Spec`.
        images: folder whose first ``count`` images are used, see `picture_paths`; None generates
            them.
        count: how many.

    Raises:
        NanodetError: the folder holds no image, or one that cannot be read.
    """
    if images is not None:
        return tensors_of(picture_paths(images)[:count], spec)
    return [network_input(generated_picture(seed), spec)[0] for seed in range(count)]


def tensors_of(paths: Iterable[StrPath], spec: Spec) -> list[np.ndarray]:
    """Return the network inputs of image files, float32 (1, 3, H, W) each."""
    return [network_input(read_picture(path), spec)[0] for path in paths]


def generated_picture(seed: int, width: int = 480, height: int = 360) -> np.ndarray:
    """Return an image uint8 (H, W, 3): clouds of colour with shapes on them, drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (6, 8, 3), np.uint8)
    picture = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 6, picture.shape)
    picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(3, 9)):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        a, b = (int(v) for v in rng.integers(8, 110, 2))
        turn = int(rng.integers(0, 180))
        if rng.random() < 0.5:
            cv2.ellipse(picture, centre, (a, b), turn, 0, 360, colour, -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints((centre, (2 * a, 2 * b), turn)).astype(np.int32)
            cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    return picture


def picture_paths(folder: StrPath, reading: Reading | None = None) -> list[Path]:
    """Return the paths of the images in a folder and below, by name, or those of a list.

    Args:
        folder: of the images.
        reading: a `nanodet.data.reading.Reading`, whose ``list_path`` and ``missing_images`` count
            here; None for all images.

    Raises:
        NanodetError: the folder does not exist, holds no image, or a listed image is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NanodetError(absence(folder, "--images: there is no such folder"))
    paths = sorted(filter(is_picture_name, files_below(folder)))
    if not paths:
        raise NanodetError(f"{folder}: --images: holds no image ({', '.join(SUFFIXES)})")
    if reading is not None and reading.list_path is not None:
        notes: list[str] = []
        names = [str(path.relative_to(folder)) for path in paths]
        chosen = select(names, reading.list_path, reading, notes)
        paths = [paths[index] for index in chosen]
        for note in notes:
            say(note, file=sys.stderr)
    return paths


def spread(items: Sequence[Any], most: int | None) -> Sequence[Any]:
    """Return at most ``most`` of a list, evenly spread over it, in its order."""
    if most is None or len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]
