"""What is examined: the sets of a config."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nanodet.config.data_sections import Dataset as Section
from nanodet.config.schema import Config


@dataclass(frozen=True)
class Subject:
    """The sets, and the network that is to learn them.

    Attributes:
        name: the config or folder, for the page.
        sections: ``data.train``, ``data.val`` or both, to their sections.
        arch: the config's ``model.arch``.
        class_names: the wanted classes, None for those of the training set; names_of: the key that
            they come from.
    """

    name: str
    sections: dict[str, Section]
    arch: Any
    class_names: Sequence[str] | None = None
    names_of: str = "data.train"

    @classmethod
    def of_config(cls, config: Config, name: str = "config") -> "Subject":
        """Return that of a `Config` read from the file ``name``."""
        names = config.class_names or config.data.train.class_names
        names_of = "class_names" if config.class_names else "data.train"
        sections = {"data.train": config.data.train, "data.val": config.data.val}
        return cls(name, sections, config.model.arch, names, names_of)
