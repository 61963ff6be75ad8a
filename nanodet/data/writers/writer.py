"""The interface of a writer of annotations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanodet.data.records import Annotations


@dataclass(frozen=True)
class Part:
    """A set of annotated images that is written.

    Attributes:
        name: of the set, such as ``train``; empty for the only one.
        annotations: its `Annotations`; all parts have the same classes.
        files: for each image its path below `folder`.
    """

    name: str
    annotations: Annotations
    files: Sequence[Path]

    @property
    def folder(self) -> Path:
        """The folder of the images, in the new data set."""
        return Path("images", self.name)


# called with the folder to write into and the sets; the images are already there. Returns lines about
# what the format cannot hold
Writer = Callable[[Path, Sequence[Part]], list[str]]
