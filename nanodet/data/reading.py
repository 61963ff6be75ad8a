"""Options for reading a data set: its format, its list, and how to treat doubtful data."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from nanodet.config.data_sections import DATASET_CHOICES
from nanodet.config.data_sections import Dataset as Section
from nanodet.errors import NanodetError

CHOICES = ("format", "list_path", *DATASET_CHOICES)


class Fault(NamedTuple):
    """A fault of a data set with which it is not trained: its kind, and a line that names file and place.

    Kinds: ``missing`` (images), ``entry`` (of an annotation file), ``form`` (unit or form of the boxes),
    ``classes``, ``orientation`` (of images turned by EXIF).
    """

    kind: str
    line: str


@dataclass(frozen=True)
class Reading:
    """Options for reading annotations; the keys are those of a config's ``data.train``.

    Attributes:
        format: a key or short name of `nanodet.data.formats.FORMATS`, as in a config's ``data.train.name``;
            None: detected from the files.
        list_path: a text file with one image name per line; None for all images.
        unknown_classes: objects of a class that is not among the class names: ``error``, or ``skip`` for
            leaving them out with a note; None: the format's default, which is ``skip`` for VOC.
        missing_images: annotated images that do not exist: ``error`` (the default), or ``skip``.
        orientation: how images with an EXIF rotation were labelled: ``turned``, ``stored``, or
            ``auto`` (the default): detected from the annotations, see `nanodet.data.orientation`.
        yolo_labels: the meaning of lines with more than five values in YOLO's files: ``boxes``,
            ``polygons``, or ``auto`` (the default): detected from all lines, see
            `nanodet.data.formats.yolo_lines`.
        box: which box of a person an ``.odgt`` file is read for: ``full`` (the default), ``visible`` or
            ``head``.
        training: whether the data set is for training: then each class must occur in the file.
        names_of: where the class names come from, for messages.
        place: prefix of the keys, for messages: ``data.train.``, ``--`` on the command line.
        faults: a list that gets what would be an error otherwise, and reading goes on without the entry,
            the image or the check; None raises it.
    """

    format: str | None = None
    list_path: str | None = None
    unknown_classes: str | None = None
    missing_images: str | None = None
    orientation: str | None = None
    yolo_labels: str | None = None
    box: str | None = None
    training: bool = False
    names_of: str = "class_names"
    place: str = ""
    faults: list[Fault] | None = None

    def __post_init__(self) -> None:
        for key, known in DATASET_CHOICES.items():
            value = getattr(self, key)
            if value is not None and value not in known:
                raise NanodetError(
                    f"{self.place}{key}: must be one of {', '.join(known)}, not {value!r}"
                )

    @classmethod
    def of_section(cls, section: Section, place: str, training: bool = False) -> "Reading":
        """Return those of a `nanodet.config.data_sections.Dataset`; ``place`` is e.g. ``data.train.``."""
        chosen = {key: getattr(section, key) for key in DATASET_CHOICES}
        return cls(section.name, section.list_path, **chosen, training=training, place=place)

    def refuse(self, error: NanodetError, kind: str) -> None:
        """Raise ``error``, or add it to ``faults`` as a `Fault` of a kind, and go on."""
        if self.faults is None:
            raise error
        self.faults.append(Fault(kind, str(error)))

    @contextlib.contextmanager
    def tolerating(self) -> Iterator[None]:
        """Refuse an error of the block, about an entry: raise it, or note it and go on after the block."""
        try:
            yield
        except NanodetError as error:
            self.refuse(error, "entry")

    def choices(self) -> dict[str, Any]:
        """Return key to value of the options that were chosen."""
        values = {key: getattr(self, key) for key in CHOICES}
        return {key: value for key, value in values.items() if value is not None}

    def over(self, other: "Reading") -> "Reading":
        """Return the options of ``other``, overridden by those chosen here."""
        return dataclasses.replace(other, **self.choices(), place=self.place)

    def spelled(self, key: str, value: str | None = None) -> str:
        """Return how the user sets ``key`` to ``value``; None for the key only."""
        if self.place == "--":
            words = f"--{key.removesuffix('_path').replace('_', '-')}"
            return words if value is None else f"{words} {value}"
        return f"{self.place}{key}" if value is None else f"{self.place}{key}: {value}"
