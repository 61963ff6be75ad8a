"""Which images calibrate and which measure: two parts, drawn once by the seed."""

import dataclasses

import numpy as np

from nanodet.compare.tensors import picture_paths
from nanodet.errors import NanodetError
from nanodet.images.image_file import picture_size


def split(pictures, limit, seed, where):
    """Return (for calibration, for measuring): disjoint, each in its old order.

    Args:
        pictures: list of anything.
        limit: at most so many calibrate, and at most half of all.
        seed: of the draw.
        where: names the folder in the message.
    """
    if len(pictures) < 2:
        raise NanodetError(f"{where}: --images: needs at least 2 images, one to measure on")
    chosen = _drawn(len(pictures), min(limit, len(pictures) // 2), seed)
    parts = [], []
    for index, picture in enumerate(pictures):
        parts[index not in chosen].append(picture)
    return parts


def draw(pictures, most, seed):
    """Return at most ``most`` of a list, drawn by the seed, in their old order."""
    chosen = _drawn(len(pictures), most, seed)
    return [picture for index, picture in enumerate(pictures) if index in chosen]


def _drawn(count, most, seed):
    return set(np.random.default_rng(seed).permutation(count)[:most].tolist())


def split_annotations(annotations, limit, seed, where):
    """Return two copies of an `nanodet.data.records.Annotations`; arguments as in `split`."""
    parts = split(annotations.pictures, limit, seed, where)
    return tuple(dataclasses.replace(annotations, pictures=part, problems=[]) for part in parts)


def list_pictures(folder, reading=None):
    """Return the paths of the images in a folder; arguments as `picture_paths` takes them."""
    paths = picture_paths(folder, reading)
    for path in paths:
        picture_size(path)  # an unreadable one is reported now, not minutes later
    return paths
