"""A data set as the doctor looks at it: read in spite of its faults, its boxes as arrays."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nanodet.config.data_sections import Dataset as Section
from nanodet.data.augment.geometry import worth_teaching
from nanodet.data.images import UNKNOWN
from nanodet.data.read import read_annotations
from nanodet.data.reading import Fault, Reading
from nanodet.data.records import Annotations, Picture
from nanodet.data.summary import Summary, scales, summarise
from nanodet.doctor.finding import EXAMPLES, Example
from nanodet.errors import NanodetError
from nanodet.text.names import levelled

STOPPED = "stopped"  # the kind of a `Fault` after which nothing more could be read


@dataclass(frozen=True)
class Examined:
    """One set.

    Attributes:
        part: ``data.train`` or ``data.val``.
        section: its section of the config.
        annotations: without the images whose size is unknown because they cannot be read.
        faults: what stops a training while it reads the set.
    """

    part: str
    section: Section
    annotations: Annotations
    faults: Sequence[Fault]

    @property
    def pictures(self) -> list[Picture]:
        """Its images."""
        return self.annotations.pictures

    @property
    def names(self) -> tuple[str, ...]:
        """Its class names."""
        return self.annotations.class_names

    @cached_property
    def owner(self) -> np.ndarray:
        """The image of each of the N boxes, int64 (N,)."""
        numbers = [len(one.boxes) for one in self.pictures]
        return np.repeat(np.arange(len(numbers)), numbers)

    @cached_property
    def boxes(self) -> np.ndarray:
        """All boxes, float32 (N, 4) xyxy in pixels of their images."""
        none = np.zeros((0, 4), np.float32)
        return np.concatenate([none, *(one.boxes for one in self.pictures)])

    @cached_property
    def labels(self) -> np.ndarray:
        """Their classes, int64 (N,)."""
        none = np.zeros(0, np.int64)
        return np.concatenate([none, *(one.labels for one in self.pictures)])

    @cached_property
    def sizes(self) -> np.ndarray:
        """Width and height of the P images, int64 (P, 2)."""
        return np.array([(p.width, p.height) for p in self.pictures], np.int64).reshape(-1, 2)

    @cached_property
    def sides(self) -> np.ndarray:
        """Width and height of the boxes in network pixels, float64 (N, 2), not augmented."""
        return (self.boxes[:, 2:] - self.boxes[:, :2]) * scales(self.pictures, self.section)[
            self.owner
        ]

    @cached_property
    def taught(self) -> np.ndarray:
        """Which boxes are large enough for training to keep them, bool (N,), see `worth_teaching`."""
        fitted = np.concatenate([np.zeros_like(self.sides), self.sides], axis=1)
        return worth_teaching(fitted, np.ones(len(fitted)))

    @cached_property
    def per_class(self) -> np.ndarray:
        """Boxes of each class, int64 (C,)."""
        return np.bincount(self.labels, minlength=len(self.names))

    @cached_property
    def boxes_by_name(self) -> Counter[str]:
        """Boxes of each levelled class name, summed where several names are the same then."""
        found: Counter[str] = Counter()
        for name, count in zip(self.names, self.per_class.tolist(), strict=True):
            found[levelled(name)] += count
        return found

    @cached_property
    def summary(self) -> Summary:
        """Its figures."""
        return summarise(self.annotations, self.section)

    def examples(self, boxes: np.ndarray) -> list[Example]:
        """Return the first of some boxes, int64 (K,) of 0..N - 1, as examples that name them."""
        return [self._example(box) for box in boxes[:EXAMPLES].tolist()]

    def _example(self, box: int) -> Example:
        picture = self.pictures[self.owner[box]]
        number = box - int(np.searchsorted(self.owner, self.owner[box]))
        corners = ", ".join(f"{value:g}" for value in self.boxes[box].round(1).tolist())
        name = self.names[self.labels[box]]
        text = f"{picture.path}: box {number + 1} of {len(picture.boxes)} ({name}; {corners})"
        return Example(text, (picture,), number)


def examine(
    section: Section, part: str, names: Sequence[str] | None, names_of: str
) -> tuple[Examined | None, list[Fault]]:
    """Read a set, collecting what would stop a training.

    Args:
        section: its section of the config.
        part: ``data.train`` or ``data.val``.
        names: the wanted classes, None for its own.
        names_of: the key that they come from, for messages.

    Returns:
        the `Examined`, None if nothing could be read; and the faults.
    """
    wanted = names or section.class_names
    lost: list[Fault] = []
    for classes in [wanted, None] if wanted else [None]:  # the second if the names are the fault
        faults: list[Fault] = []
        reading = Reading.of_section(section, f"{part}.", training=part == "data.train")
        reading = dataclasses.replace(reading, names_of=names_of, faults=faults)
        try:
            found = read_annotations(
                section.name, section.img_path, section.ann_path, section.list_path, classes,
                reading=reading,
            )  # fmt: skip
        except NanodetError as error:
            line = Fault(STOPPED, str(error))
            lost += [fault for fault in [*faults, line] if fault not in lost]
            continue
        faults = [*lost, *(fault for fault in faults if fault not in lost)]
        found.pictures = [
            one
            for one in found.pictures
            if (one.width, one.height) != UNKNOWN or one.path not in found.unreadable
        ]
        if not found.pictures:
            return None, [*faults, *(Fault("images", line) for line in found.bad_pictures)]
        return Examined(part, section, found, faults), faults
    return None, lost
