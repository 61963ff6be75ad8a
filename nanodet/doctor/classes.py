"""Faults of classes."""

from collections.abc import Iterator

import numpy as np

from nanodet.data.classes import did_you_mean, nearest
from nanodet.data.summary import check_objects
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import ERROR, EXAMPLES, NOTE, WARNING, Example, Finding, of_lines
from nanodet.errors import NanodetError
from nanodet.text.brief import brief
from nanodet.text.counted import counted
from nanodet.text.names import first_few, levelled, shortened

FEW = 20  # images of a class, with fewer of which its AP is little more than chance
MISSPELT = 0.02  # boxes for each of the other class: with more, almost its name is meant as it is
UNEVEN = 50  # times as many boxes as those of the rarest class


def of_classes(one: Examined) -> Iterator[Finding]:
    """Yield what is wrong with the classes of a set."""
    names, training = one.names, one.part == "data.train"
    try:
        check_objects(one.summary, one.part)
    except NanodetError as error:
        yield Finding(
            ERROR if training else WARNING, "nothing-to-learn", one.part,
            str(error).removeprefix(f"{one.part}: "),
            "Without objects nothing is learned." if training else
            "Without objects no AP is measured, and no checkpoint is called best.",
        )  # fmt: skip
        return
    for lines, code, what, advice in (
        (
            _alike(names), "classes-named-twice", "classes differ only in their spelling",
            "Spell them the same everywhere: as two classes, each is learned from a part of the boxes, and "
            "is background to the other.",
        ),
        (
            _misspelt(one), "classes-misspelt", "rare classes have almost the name of a frequent one",
            "If one is a misspelling, correct its annotations: as a class of its own it is learned from few "
            "boxes, and is background to the other.",
        ),
    ):  # fmt: skip
        if lines:
            yield Finding(
                WARNING, code, one.part, what, advice, len(lines), len(names), of_lines(lines)
            )
    none = [name for name, count in zip(names, one.per_class.tolist(), strict=True) if not count]
    if none and training:
        yield Finding(
            WARNING, "classes-without-boxes", one.part, f"classes have no box: {shortened(none)}",
            "Remove them from class_names, or label some: they are never detected.",
            len(none), len(names),
        )  # fmt: skip
    elif none:
        yield Finding(
            NOTE, "classes-without-boxes", one.part, f"classes have no box: {shortened(none)}",
            "Their AP is not measured: add images with them.", len(none), len(names),
        )  # fmt: skip
    skipped = one.annotations.skipped
    if skipped:
        meant = {name: did_you_mean(name, names) for name in skipped}
        lines = [
            f"{brief(name)}: {counted(count, 'object')}{meant[name]}"
            for name, count in skipped.items()
        ]
        yield Finding(
            WARNING if any(meant.values()) else NOTE, "classes-left-out", one.part,
            "classes are not in class_names: left out",
            "Fine if they are not wanted; in the images they are background.",
            len(skipped), examples=of_lines(lines),
        )  # fmt: skip
    if training:
        yield from _amounts(one)


def images_per_class(one: Examined) -> np.ndarray:
    """Return in how many images each class occurs, int64 (C,)."""
    pairs = np.unique(np.stack([one.owner, one.labels]), axis=1)
    return np.bincount(pairs[1], minlength=len(one.names))


def _amounts(one: Examined) -> Iterator[Finding]:
    images, boxes = images_per_class(one), one.per_class
    few = np.flatnonzero((images < FEW) & (images > 0))
    if len(few) and len(one.pictures) >= FEW:
        rows = [
            Example(
                f"{one.names[n]}: {counted(int(images[n]), 'image')}, {counted(int(boxes[n]), 'box', 'es')}"
            )
            for n in few
        ]
        yield Finding(
            NOTE, "few-images-of-class", one.part, f"classes are in fewer than {FEW} images",
            "Label more of them: their AP will be low, and vary by chance.",
            len(few), len(one.names), rows[:EXAMPLES],
        )  # fmt: skip
    present = np.flatnonzero(boxes)
    if len(present) and boxes.max() > UNEVEN * boxes[present].min():
        most, least = int(boxes.argmax()), int(present[boxes[present].argmin()])
        yield Finding(
            NOTE, "uneven-classes", one.part,
            f"{one.names[most]} has {boxes[most]:,} boxes, {one.names[least]} {boxes[least]:,}",
            "AP is the mean over classes: look at the AP of each. More images of the rare ones help most.",
        )  # fmt: skip


def _alike(names: tuple[str, ...]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(levelled(name), []).append(name)
    return [first_few([brief(n) for n in same]) for same in groups.values() if len(same) > 1]


def _misspelt(one: Examined) -> list[str]:
    """Return lines on classes with almost the name of one that has far more boxes."""
    lines = []
    for n in np.flatnonzero(one.per_class):
        more = np.flatnonzero(one.per_class * MISSPELT >= one.per_class[n])
        for match in nearest(one.names[n], [one.names[m] for m in more]):
            boxes = one.per_class[n], one.per_class[one.names.index(match)]
            here, there = (counted(int(count), "box", "es") for count in boxes)
            first = one.pictures[int(one.owner[one.labels == n][0])].path.name
            lines.append(
                f"{brief(one.names[n])}: {here}, first of {first}; {brief(match)}: {there}"
            )
    return lines


def of_both(train: Examined, val: Examined) -> Iterator[Finding]:
    """Yield classes that are validated and were never trained."""
    trained = train.boxes_by_name
    alone = [
        n for n, name in enumerate(val.names) if val.per_class[n] and not trained[levelled(name)]
    ]
    if not alone:
        return
    boxes = int(val.per_class[alone].sum())
    everything = boxes == len(val.boxes)
    names = shortened([val.names[n] for n in alone])
    yield Finding(
        ERROR if everything else WARNING, "classes-only-validated", "",
        f"boxes of data.val are of classes that data.train has no box of: {names}",
        "Their AP is 0, whatever is learned: split the images so that both sets have all classes.",
        boxes, len(val.boxes),
    )  # fmt: skip
