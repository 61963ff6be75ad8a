"""How a data set is read: its format, its list, and what to do about what is doubtful in it."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from nanodet.config.data_sections import DATASET_CHOICES
from nanodet.config.data_sections import Dataset as Section
from nanodet.errors import NanodetError

CHOICES = ("format", "list_path", *DATASET_CHOICES)


@dataclass(frozen=True)
class Reading:
    """What may be chosen when annotations are read; the keys are those of a config's ``data.train``.

    Attributes:
        format: as a config's ``data.train.name``, or ``coco``, ``voc`` or ``yolo``; None lets the
            files tell.
        list_path: a text file with one image name a line; None for all images.
        unknown_classes: objects of a class that the class names lack: ``error``, or ``skip`` for
            leaving them out with a line; None takes the format's default, which is ``skip`` for VOC.
        missing_images: annotated images that are not there: ``error`` (the default), or ``skip``.
        orientation: what images that EXIF turns were labelled as: ``turned``, ``stored``, or
            ``auto`` (the default): as the annotations tell, see `nanodet.data.orientation`.
        yolo_labels: what lines of more than five values mean in YOLO's files: ``boxes``,
            ``polygons``, or ``auto`` (the default): as all of them tell, see
            `nanodet.data.formats.yolo_lines`.
        training: whether the set is trained on: then each class must be among the file's.
        names_of: what the class names belong to, for messages.
        place: of the keys, for messages: ``data.train.``, ``--`` on the command line.
    """

    format: str | None = None
    list_path: str | None = None
    unknown_classes: str | None = None
    missing_images: str | None = None
    orientation: str | None = None
    yolo_labels: str | None = None
    training: bool = False
    names_of: str = "class_names"
    place: str = ""

    def __post_init__(self) -> None:
        for key, known in DATASET_CHOICES.items():
            value = getattr(self, key)
            if value is not None and value not in known:
                raise NanodetError(
                    f"{self.place}{key}: must be one of {', '.join(known)}, not {value!r}"
                )

    @classmethod
    def of_section(cls, section: Section, place: str, training: bool = False) -> "Reading":
        """Return that of a `nanodet.config.data_sections.Dataset`; ``place`` is such as ``data.train.``."""
        chosen = {key: getattr(section, key) for key in DATASET_CHOICES}
        return cls(section.name, section.list_path, **chosen, training=training, place=place)

    def choices(self) -> dict[str, Any]:
        """Return key to value of what was chosen."""
        values = {key: getattr(self, key) for key in CHOICES}
        return {key: value for key, value in values.items() if value is not None}

    def over(self, other: "Reading") -> "Reading":
        """Return the choices of ``other`` but for those that were made here."""
        return dataclasses.replace(other, **self.choices(), place=self.place)

    def spelled(self, key: str, value: str | None = None) -> str:
        """Return how the user chooses ``value`` for ``key``; None for the key alone."""
        if self.place == "--":
            words = f"--{key.removesuffix('_path').replace('_', '-')}"
            return words if value is None else f"{words} {value}"
        return f"{self.place}{key}" if value is None else f"{self.place}{key}: {value}"
