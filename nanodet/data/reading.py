"""How a reader treats what is doubtful in a data set."""

from dataclasses import dataclass

from nanodet.config.schema import DATASET_CHOICES
from nanodet.errors import NanodetError


@dataclass(frozen=True)
class Reading:
    """What may be chosen when annotations are read; the keys are those of a config's ``data.train``.

    Attributes:
        unknown_classes: objects of a class that the class names lack: ``error``, or ``skip`` for
            leaving them out with a line; None takes the format's default, which is ``skip`` for VOC.
        missing_images: annotated pictures that are not there: ``error``, or ``skip``.
        training: whether the set is trained on: then each class must be among the file's.
        names_of: what the class names belong to, for messages.
        place: of the keys, for messages: ``data.train.``, ``--`` on the command line.
    """

    unknown_classes: str | None = None
    missing_images: str = "error"
    training: bool = False
    names_of: str = "class_names"
    place: str = ""

    def __post_init__(self):
        for key, known in DATASET_CHOICES.items():
            value = getattr(self, key)
            if value is not None and value not in known:
                raise NanodetError(
                    f"{self.place}{key}: must be one of {', '.join(known)}, not {value!r}"
                )

    @classmethod
    def of_section(cls, section, place, training=False):
        """Return that of a `nanodet.config.schema.Dataset`; ``place`` is such as ``data.train.``."""
        chosen = {key: getattr(section, key) for key in DATASET_CHOICES}
        return cls(**chosen, training=training, place=place)

    def spelled(self, key, value):
        """Return how the user chooses ``value`` for ``key``."""
        if self.place == "--":
            return f"--{key.replace('_', '-')} {value}"
        return f"{self.place}{key}: {value}"
