"""Chooses, by a seed, the images for calibration and those to measure on."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from nanodet.compare.tensors import picture_paths
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.image_file import picture_size

Item = TypeVar("Item")


def split(
    pictures: Sequence[Item], limit: int, seed: int, where: StrPath
) -> tuple[list[Item], list[Item]]:
    """Return (images for calibration, images to measure on): disjoint, each in the given order.

    Args:
        pictures: list of anything.
        limit: most images for calibration; at most half of all are used.
        seed: of the random choice.
        where: names the folder in the message.
    """
    if len(pictures) < 2:
        raise NanodetError(f"{where}: --images: needs at least 2 images, one to measure on")
    chosen = _drawn(len(pictures), min(limit, len(pictures) // 2), seed)
    calibration, measuring = (
        [picture for index, picture in enumerate(pictures) if (index in chosen) == kept]
        for kept in (True, False)
    )
    return calibration, measuring


def draw(pictures: Sequence[Item], most: int, seed: int) -> list[Item]:
    """Return at most ``most`` items of a list, chosen by the seed, in the given order."""
    chosen = _drawn(len(pictures), most, seed)
    return [picture for index, picture in enumerate(pictures) if index in chosen]


def _drawn(count: int, most: int, seed: int) -> set[int]:
    return set(np.random.default_rng(seed).permutation(count)[:most].tolist())


def split_annotations(
    annotations: Annotations, limit: int, seed: int, where: StrPath
) -> tuple[Annotations, Annotations]:
    """Return two copies of an `nanodet.data.records.Annotations`; arguments as in `split`."""
    calibration, measuring = (
        dataclasses.replace(annotations, pictures=part, problems=[])
        for part in split(annotations.pictures, limit, seed, where)
    )
    return calibration, measuring


def list_pictures(folder: StrPath, reading: Reading | None = None) -> list[Path]:
    """Return the paths of the images in a folder; arguments as `picture_paths` takes them."""
    paths = picture_paths(folder, reading)
    for path in paths:
        picture_size(path)  # an unreadable one is reported now, not minutes later
    return paths
