"""A split of images into those to train on and those to evaluate on."""

from collections.abc import Iterable, Sequence

import numpy as np


def split(
    labels: Sequence[np.ndarray], groups: Sequence[Sequence[int]], share: float, seed: int
) -> tuple[list[int], list[int]]:
    """Divide images at random; those of a group, such as frames of one scene, stay together.

    Groups are placed one after the other, those with the rarest class first, each where the classes of
    its images (and images as such) lack the most of their share. A class gets into the validation set
    only if it is in the training set, too, unless that set would have no image otherwise.

    Args:
        labels: int (N_i,), class of each box of each image.
        groups: lists of indices of images that belong together, disjoint; others are alone.
        share: of the images that should be in the validation set, 0..1.
        seed: of the order of groups.

    Returns:
        indices of the training and of the validation set, each in order; both have at least one image,
        unless all images are one group: then the validation set is empty.
    """
    members = _members(len(labels), groups)
    classes = 1 + max((int(one.max()) for one in labels if len(one)), default=-1)
    has = np.zeros(
        (len(members), classes + 1)
    )  # images of a group with each class; last: all images
    for n, group in enumerate(members):
        for image in group:
            has[n, np.unique(labels[image])] += 1
        has[n, -1] = len(group)
    total = has.sum(axis=0)
    rarity = np.where(has > 0, total, np.inf).min(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(members))
    # large groups among equally rare ones first: what is left fills the shares
    order = sorted(shuffled.tolist(), key=lambda n: (rarity[n], -has[n, -1]))
    placed = np.zeros((2, classes + 1))
    wanted = np.outer([1 - share, share], total)
    where = np.zeros(len(members), int)
    for n in order:
        own = has[n] > 0
        # what is lacking, as a share of the class: the rarest counts as much as the most frequent
        lack = ((wanted - placed)[:, own] / total[own]).sum(axis=1)
        fresh = (placed[0, own] == 0).any()  # a class that training has not seen yet
        where[n] = 0 if fresh else int(lack[1] / share > lack[0] / (1 - share))
        placed[where[n]] += has[n]
    if len(members) > 1 and not where.any():
        where[_spare(has)] = 1
    parts = [
        [i for n, group in enumerate(members) if where[n] == part for i in group] for part in (0, 1)
    ]
    return sorted(parts[0]), sorted(parts[1])


def joined(groups: Iterable[Sequence[int]]) -> list[list[int]]:
    """Join groups that share an image; each is in order, and they are by their first."""
    own: dict[int, list[int]] = {}
    for group in groups:
        parts = {id(part): part for n in group if (part := own.get(n)) is not None}
        union = sorted({*group, *(n for part in parts.values() for n in part)})
        own.update(dict.fromkeys(union, union))
    return sorted({id(some): some for some in own.values()}.values())


def _members(count: int, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return all groups, also those of one image, in the order of their first image."""
    grouped = {image for group in groups for image in group}
    alone = [[n] for n in range(count) if n not in grouped]
    return sorted([*alone, *(sorted(group) for group in groups if group)])


def _spare(has: np.ndarray) -> int:
    """Return the group that training lacks the least: with few classes of its own, and small."""
    lost = ((has > 0) & (has.sum(axis=0) == has)).sum(axis=1)
    return int(np.lexsort((has[:, -1], lost))[0])
