"""AP of many choices of images at once, from matches that were made once."""

from collections.abc import Iterator, Sequence

import numpy as np

from nanodet.evaluate.matches import Matches

RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's
CELLS = 1 << 20  # numbers of the largest array, unless one choice alone needs more


def average_precisions(
    found: Sequence[Sequence[Matches | None]], weights: np.ndarray, thresholds: int = 10
) -> np.ndarray:
    """Return the mean precision over COCO's recalls of every class, for every choice of images.

    An image of weight k counts k times, with the same objects and detections. Each value is the one that
    COCOeval gives for images repeated so, the mean of its ``precision`` over the 101 recalls, if equal
    scores are ranked with the copies of a detection together; COCOeval ranks them image by image.

    Args:
        found: of `nanodet.evaluate.matches.matches_of`: (classes, areas).
        weights: int32 (images, choices).
        thresholds: how many IoU thresholds the matches have.

    Returns:
        float64 (choices, thresholds, classes, areas), 0..1; NaN for a class without objects in a choice.
    """
    areas = len(found[0]) if found else 0
    values = np.full((weights.shape[1], thresholds, len(found), areas), np.nan)
    for at_class, row in enumerate(found):
        for at_area, one in enumerate(row):
            if one is not None and one.objects.any():
                size = max(len(one.image), int(one.objects.sum()))
                for part in _parts(weights.shape[1], size):
                    values[part, :, at_class, at_area] = _precisions(one, weights[:, part]).T
    return values


def _parts(count: int, size: int) -> Iterator[slice]:
    """Yield slices of ``count`` that have at most `CELLS` numbers each if one of them has ``size``."""
    step = max(1, CELLS // max(size, 1))
    for start in range(0, count, step):
        yield slice(start, start + step)


def _precisions(one: Matches, weights: np.ndarray) -> np.ndarray:
    """Return the mean precision of one class and range of areas: (thresholds, choices).

    The precision at a recall is the highest of the ranks that reach it. Only true positives raise recall,
    and precision falls between them, so that the ranks of true positives are all that is looked at. How
    many detections count up to a rank is nearly the same at all thresholds: it is summed once, and
    corrected where a detection counts at some of them only, as those matched with ignored objects.
    """
    with_objects = np.flatnonzero(one.objects)
    objects = one.objects[with_objects] @ weights[with_objects]  # (choices,)
    values = np.zeros((len(one.hit), weights.shape[1]))
    usual = one.counted[-1]
    ranks = np.flatnonzero((one.hit | (one.counted != usual)).any(axis=0))
    counted = _sums_up_to(ranks, usual, weights, one.image)
    weights = weights[one.image[ranks]]
    reached, start = _reached(objects)
    for at in range(len(values)):
        hit = one.hit[at, ranks]
        more = one.counted[at, ranks].astype(np.int32) - usual[ranks]
        seen = np.flatnonzero(hit | (more != 0))
        if not hit.any():
            continue
        part, hit, more = weights[seen], hit[seen, None], more[seen, None]
        hits = np.cumsum(part * hit, axis=0, dtype=np.int32)
        all_counted = counted[seen]
        if more.any():
            all_counted += np.cumsum(part * more, axis=0, dtype=np.int32)
        precision = hits / (all_counted + np.spacing(1))  # as COCOeval rounds it
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        recalls = np.diff(reached[hits + start], axis=0, prepend=0)
        values[at] = np.einsum("ij,ij->j", best, recalls) / len(RECALLS)
    values[:, objects == 0] = np.nan
    return values


def _sums_up_to(
    ranks: np.ndarray, chosen: np.ndarray, weights: np.ndarray, image: np.ndarray
) -> np.ndarray:
    """Return the sums of the weights of the chosen detections up to each rank: (ranks, choices)."""
    places = np.flatnonzero(chosen)
    sums = np.zeros((len(places) + 1, weights.shape[1]), np.int32)
    np.cumsum(weights[image[places]], axis=0, out=sums[1:])
    return sums[np.searchsorted(places, ranks, side="right")]


def _reached(objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many recalls 0, 1, .. hits reach, for each number of objects, and where each begins."""
    tables, starts, length = [], {}, 0
    for number in np.unique(objects).tolist():
        recall = np.arange(number + 1) / max(number, 1)
        tables.append(np.searchsorted(RECALLS, recall, side="right").astype(np.int32))
        starts[number], length = length, length + number + 1
    return np.concatenate(tables), np.array([starts[number] for number in objects.tolist()])
