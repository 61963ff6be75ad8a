"""Summarises a data set in one line, and checks that there is anything to train on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nanodet.config.data_sections import Dataset as Section
from nanodet.data.augment.geometry import MIN_SIDE, worth_teaching
from nanodet.data.records import Annotations, Counts, Picture
from nanodet.errors import NanodetError
from nanodet.runtime.fit import Size, place
from nanodet.text.counted import counted
from nanodet.text.names import first_few, shortened

CLASSES_SHOWN = 10  # longer lists show the most and the least frequent ones
ENDS_SHOWN = 3
MOST = 0.5  # fraction of the boxes; if more are lost, there is a warning
REPEATED = 0.01  # fraction of the boxes or images; if more are repeated, there is a warning


@dataclass(frozen=True)
class Summary:
    """Figures of one data set.

    Attributes:
        images: number of images; without_objects: of images with neither a box nor an ignored region.
        boxes: (class name, number of boxes) in order of the classes.
        ignored: crowd and difficult regions.
        too_small: boxes too small or too thin to learn at the input size, None if not counted.
        input_size: (width, height) to which this applies.
        same_boxes: boxes that repeat another of the same class and image.
        same_images: entries with the same image file as an earlier one.
        skipped: boxes of classes that are not wanted.
        counts: what only the reader knows.
        example: the reader's first line about a box that was left out or clipped, or "".
    """

    images: int
    without_objects: int
    boxes: tuple[tuple[str, int], ...]
    ignored: int
    too_small: int | None
    input_size: Size | None
    same_boxes: int
    same_images: int
    skipped: int
    counts: Counts
    example: str = ""

    @property
    def flawless(self) -> bool:
        """Whether nothing was left out, changed or doubtful."""
        counts = self.counts
        flaws = counts.left_out, counts.clipped, counts.without_picture, counts.stored
        return not any((*flaws, self.same_boxes, self.same_images))

    @property
    def taught(self) -> int:
        """Number of boxes."""
        return sum(count for _, count in self.boxes)


def summarise(annotations: Annotations, section: Section | None = None) -> Summary:
    """Count a data set.

    Args:
        annotations: `nanodet.data.records.Annotations`.
        section: the `nanodet.config.data_sections.Dataset` whose fit and input size decide what is too
            small; None: not counted.

    Returns:
        `Summary`.
    """
    pictures = annotations.pictures
    numbers = np.array([len(p.boxes) for p in pictures])
    ignored = np.array([len(p.ignored) for p in pictures])
    boxes = np.concatenate([p.boxes for p in pictures])
    labels = np.concatenate([p.labels for p in pictures])
    owner = np.repeat(np.arange(len(pictures)), numbers)
    per_class = np.bincount(labels, minlength=len(annotations.class_names)).tolist()
    return Summary(
        images=len(pictures),
        without_objects=int(((numbers == 0) & (ignored == 0)).sum()),
        boxes=tuple(zip(annotations.class_names, per_class, strict=True)),
        ignored=int(ignored.sum()),
        too_small=None if section is None else _too_small(pictures, boxes, owner, section),
        input_size=None if section is None else (section.input_size[0], section.input_size[1]),
        same_boxes=_repeated(np.column_stack([owner, labels, boxes])),
        same_images=len(pictures) - len({p.path for p in pictures}),
        skipped=sum(annotations.skipped.values()),
        counts=annotations.counts,
        example=next((line for line in annotations.problems if ": box (" in line), ""),
    )


def describe(summary: Summary) -> str:
    """Return a `Summary` as one line; zero counts are not mentioned."""
    parts = [
        _images(summary) + f", {counted(summary.taught, 'box', 'es')}{_classes(summary.boxes)}"
    ]
    counts = summary.counts
    small = ""
    if summary.too_small and summary.input_size:
        small = "too small to learn at {}x{}".format(*summary.input_size)
    for count, text in (
        (summary.ignored, "ignored"),
        (summary.skipped, "of other classes"),
        (counts.left_out, "left out"),
        (counts.clipped, "clipped"),
        (summary.too_small, small),
    ):
        if count:
            parts.append(f"{count} {text}")
    if summary.same_boxes:
        parts.append(counted(summary.same_boxes, "duplicate"))
    for count, thing, text in (
        (summary.same_images, "image", "listed twice"),
        (counts.without_labels, "image", "without labels"),
        (counts.without_picture, "label file", "without image"),
    ):
        if count:
            parts.append(f"{counted(count, thing)} {text}")
    if counts.exif:
        parts.append(
            f"{counted(counts.exif, 'image')} turned by EXIF"
            + (f", {counts.stored} of them labelled as stored" if counts.stored else "")
        )
    return "; ".join(parts)


def check_objects(summary: Summary, key: str, use: str = "learn") -> None:
    """Raise `NanodetError` if a data set has no object that counts.

    Args:
        summary: of the set.
        key: names the set in the message: ``data.train``.
        use: what its objects are for, in a word.
    """
    if summary.taught == (summary.too_small or 0):
        raise NanodetError(f"{key}: nothing to {use}: {_why_nothing(summary)}")


def untaught(summary: Summary, key: str) -> list[str]:
    """Return a line, in a list, about the classes without a box in a training set."""
    names = [name for name, count in summary.boxes if not count]
    if not names:
        return []
    return [f"warning: {key}: no boxes of {shortened(names)}, which will not be learned"]


def warnings_of(summary: Summary, key: str) -> list[str]:
    """Return warnings if most of a data set is lost; ``key`` names it: ``data.train``."""
    counts, taught, small = summary.counts, summary.taught, summary.too_small or 0
    found = taught + summary.ignored + counts.left_out + summary.skipped
    lines = []
    for lost, of, cause in (
        (summary.ignored, found, _IGNORED),
        (counts.left_out, found, f"{_OUTSIDE}{_example(summary)}"),
        (summary.skipped, found, _SKIPPED),
        (counts.clipped, found, f"{_CLIPPED}{_example(summary)}"),
        (small, taught, _small(summary) if small else ""),
    ):
        if lost > MOST * of:
            lines.append(f"warning: {key}: {lost} of {counted(of, 'box', 'es')} {cause}")
    for repeats, of, text in (
        (summary.same_boxes, taught, "boxes repeat one of the same class and image"),
        (summary.same_images, summary.images, "images are listed twice"),
    ):
        if repeats > REPEATED * of:
            lines.append(f"warning: {key}: {repeats} of {of} {text}: {_REPEATED}")
    if counts.without_labels > MOST * summary.images and counts.without_picture:
        lines.append(
            f"warning: {key}: {counted(counts.without_labels, 'image')} have no label file, and "
            f"{counted(counts.without_picture, 'label file')} no image: do their names differ?"
        )
    return lines


_IGNORED = (
    "are marked to be ignored (iscrowd or ignore in COCO, difficult in VOC) and do not count: is that "
    "intended?"
)
_REPEATED = "repeats count again, in training and in AP; remove them"
_SKIPPED = "are left out, because their classes are not in class_names"
_OUTSIDE = (
    "are left out, because they have no area inside their image: are they in another unit or form, or of "
    "images of another size?"
)
_CLIPPED = "extend outside their image: are they in another form, or of images of another size?"


def _small(summary: Summary) -> str:
    width, height = summary.input_size or ("?", "?")
    return (
        f"are too small to learn (under {MIN_SIDE:g} pixels, or too thin) in an input of "
        f"{width}x{height}: a larger input_size, or images cut into tiles"
    )


def _example(summary: Summary) -> str:
    return f" ({summary.example})" if summary.example else ""


def _why_nothing(summary: Summary) -> str:
    if summary.taught:
        return f"all {counted(summary.taught, 'box', 'es')} {_small(summary)}"
    if summary.counts.left_out >= max(summary.ignored, 1):
        return f"all {counted(summary.counts.left_out, 'box', 'es')} {_OUTSIDE}{_example(summary)}"
    if summary.skipped > summary.ignored:
        return f"all {counted(summary.skipped, 'box', 'es')} {_SKIPPED}"
    if summary.ignored:
        return f"all {counted(summary.ignored, 'box', 'es')} {_IGNORED}"
    return f"none of its {counted(summary.images, 'image')} has a box"


def _images(summary: Summary) -> str:
    text = counted(summary.images, "image")
    return text + (
        f" ({summary.without_objects} without objects)" if summary.without_objects else ""
    )


def _classes(boxes: Sequence[tuple[str, int]]) -> str:
    """Return the boxes per class as text, shortened if there are many classes."""
    some = sorted((pair for pair in boxes if pair[1]), key=lambda pair: -pair[1])
    if not some:
        return ""
    if len(boxes) <= CLASSES_SHOWN:
        return f" ({_listed(boxes)})"
    text = f" of {len(some)} classes ({_listed(some[:ENDS_SHOWN])}"
    if len(some) > ENDS_SHOWN:
        text += f", ... {_listed(some[ENDS_SHOWN:][-ENDS_SHOWN:])}"
    none = [name for name, count in boxes if not count]
    if none:
        text += f"; none of {first_few(none, ENDS_SHOWN)}"
    return text + ")"


def _listed(boxes: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in boxes)


def _too_small(
    pictures: Sequence[Picture], boxes: np.ndarray, owner: np.ndarray, section: Section
) -> int:
    """Count the boxes that training leaves out of images that are not augmented."""
    fitted = boxes * np.tile(scales(pictures, section)[owner], 2)
    return int((~worth_teaching(fitted, np.ones(len(boxes)))).sum())


def scales(pictures: Sequence[Picture], section: Section) -> np.ndarray:
    """Return float64 (P, 2), along x and y the network pixels per pixel of each image, not augmented."""
    sizes = np.array([(p.width, p.height) for p in pictures], np.int64).reshape(-1, 2)
    kinds, kind = np.unique(sizes, axis=0, return_inverse=True)
    scale = np.empty((len(kinds), 2))
    for n, size in enumerate(kinds.tolist()):
        scale[n] = place(section.effective_fit, size, section.input_size).ratio
    return scale[kind.reshape(-1)]


def _repeated(rows: np.ndarray) -> int:
    """Count the rows that are equal to another one."""
    rows = rows[np.lexsort(rows.T)]
    return int((rows[1:] == rows[:-1]).all(axis=1).sum())
