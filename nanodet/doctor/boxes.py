"""Faults of boxes."""

from collections.abc import Iterator

import numpy as np

from nanodet.data.assemble import CLIPPED, LEFT_OUT, SWAPPED
from nanodet.data.augment.geometry import MAX_ASPECT, MIN_SIDE
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import NOTE, WARNING, Finding, of_lines
from nanodet.evaluate.overlap import aligned_iou

MOST = 0.5  # fraction of the boxes
SOME = 0.01  # fraction of the boxes
SAME_PLACE = 0.95  # IoU of boxes that mean one object
WHOLE = 0.99  # fraction of the width and of the height that a box covers
WHOLE_MOST = 0.3  # fraction of the boxes; if more cover their image, these are labels of images
WHOLE_LEAST = 10  # boxes


def of_boxes(one: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the places of a set's boxes."""
    problems, counts = one.annotations.problems, one.annotations.counts
    total = len(one.boxes) + one.summary.ignored + counts.left_out
    left_out = [line for line in problems if line.endswith((LEFT_OUT, SWAPPED))]
    clipped = [line for line in problems if line.endswith(CLIPPED)]
    others = [line for line in problems if not line.endswith((LEFT_OUT, SWAPPED, CLIPPED))]
    if left_out:
        yield Finding(
            WARNING, "boxes-without-area", one.part,
            "boxes are empty or lie outside their image: left out",
            "Correct or remove them. If there are many, their unit or form is another one, or the images "
            "were resized after labelling.",
            len(left_out), total, of_lines(left_out),
        )  # fmt: skip
    if clipped:
        yield Finding(
            WARNING if counts.clipped > SOME * total else NOTE, "boxes-outside", one.part,
            "boxes extend outside their image: clipped",
            "Harmless if objects are cut by the border. If there are many, their form is another one, or "
            "the images were cropped or resized after labelling.",
            len(clipped), total, of_lines(clipped),
        )  # fmt: skip
    if others:
        yield Finding(
            WARNING, "doubtful-entries", one.part, "entries of the annotations are doubtful",
            "Look at these entries: the lines say how they were read.",
            len(others), examples=of_lines(others),
        )  # fmt: skip
    if one.summary.ignored > MOST * total:
        yield Finding(
            WARNING, "ignored-boxes", one.part,
            "boxes are marked to be ignored (iscrowd or ignore in COCO, difficult in VOC)",
            "They do not count, in training and in AP. Some tools mark every mask so: clear the marks "
            "if they are objects.",
            one.summary.ignored, total,
        )  # fmt: skip
    yield from _sizes(one)
    yield from _whole(one)
    yield from _repeated(one)


def _sizes(one: Examined) -> Iterator[Finding]:
    small = np.flatnonzero(~one.taught)
    if len(small):
        width, height = one.section.input_size
        yield Finding(
            WARNING if len(small) > SOME * len(one.boxes) else NOTE, "tiny-boxes", one.part,
            f"boxes are under {MIN_SIDE:g} pixels, or over {MAX_ASPECT:g} times as long as wide, in an "
            f"input of {width}x{height}",
            "Training leaves them out, because nothing of the object is left to see. A larger "
            "input_size, or images cut into tiles, makes them visible; if they are slips of the mouse, "
            "remove them.",
            len(small), len(one.boxes), one.examples(small),
        )  # fmt: skip


def _whole(one: Examined) -> Iterator[Finding]:
    sides = one.boxes[:, 2:] - one.boxes[:, :2]
    whole = np.flatnonzero((sides >= WHOLE * one.sizes[one.owner]).all(axis=1))
    if len(whole):
        many = len(whole) > max(WHOLE_MOST * len(one.boxes), WHOLE_LEAST)
        yield Finding(
            WARNING if many else NOTE, "boxes-cover-image", one.part, "boxes cover their whole image",
            "Fine for a close-up. If these are labels of whole images, draw boxes around the objects: "
            "from such boxes a network learns the frame of the image.",
            len(whole), len(one.boxes), one.examples(whole),
        )  # fmt: skip


def _repeated(one: Examined) -> Iterator[Finding]:
    """Yield boxes at the place of an earlier one of their image, by whether it has the same class."""
    first, second = same_place(one)
    alike = one.labels[first] == one.labels[second]
    for which, code, what, advice in (
        (
            alike, "duplicate-boxes", "boxes repeat another of the same class",
            "Remove them: the second counts as a missed object in AP, and as two in the class counts.",
        ),
        (
            ~alike, "duplicate-boxes-other-class", "boxes lie where one of another class does",
            "Decide for one class: the network learns both halfway, and each detection is wrong for one.",
        ),
    ):  # fmt: skip
        # a box that repeats several counts once
        again = np.unique(second[which])
        if len(again):
            yield Finding(
                WARNING, code, one.part, what, advice, len(again), len(one.boxes),
                one.examples(again),
            )  # fmt: skip


def same_place(one: Examined) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of boxes of one image with an IoU of `SAME_PLACE`: two int64 (K,), first < second.

    Boxes of an image are sorted by their left edges: only those within a fraction ``1 - SAME_PLACE`` of
    the width of each other are compared, so that this takes a second for 100,000 boxes.
    """
    order = np.lexsort((one.boxes[:, 0], one.owner))
    boxes, owner = one.boxes[order].astype(np.float64), one.owner[order]
    width = boxes[:, 2] - boxes[:, 0]
    found = []
    at = np.arange(len(boxes))
    for step in range(1, len(boxes)):
        # IoU >= t needs a left edge within (1 - t) of the first's width
        at = at[at + step < len(boxes)]
        near = owner[at] == owner[at + step]
        near &= boxes[at + step, 0] - boxes[at, 0] <= (1 - SAME_PLACE) * width[at] + 1e-6
        at = at[near]
        if not len(at):
            break
        found.append(
            at[aligned_iou(boxes[at], boxes[at + step]) >= SAME_PLACE] + np.array([[0], [step]])
        )
    pairs = np.concatenate([np.zeros((2, 0), np.int64), *found], axis=1)
    pairs = np.sort(order[pairs], axis=0)
    return pairs[0], pairs[1]
