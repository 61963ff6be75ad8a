"""What the doctor found: a fault, how often it occurs, examples, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nanodet.data.records import Picture

ERROR, WARNING, NOTE = "error", "warning", "note"  # by severity
SEVERITIES = (ERROR, WARNING, NOTE)
EXAMPLES = 5  # of each finding


@dataclass(frozen=True)
class Example:
    """One occurrence of a fault.

    Attributes:
        text: a line that names the file and the object.
        pictures: the images that show it; of copies several.
        box: which box of the first image has the fault; None for all of it.
    """

    text: str
    pictures: tuple[Picture, ...] = ()
    box: int | None = None


@dataclass(frozen=True)
class Finding:
    """A fault of a data set.

    Attributes:
        severity: ``error``: a training stops, or its AP is 0; ``warning``: it makes the model or
            its AP worse; ``note``: good to know.
        code: a short name, the same in every version, such as ``missing-images``.
        part: ``data.train``, ``data.val``, or "" for both together.
        what: what is wrong, in words.
        count: how many, 0 if it cannot be counted; of: of how many, 0 if unknown.
        examples: at most `EXAMPLES`.
        advice: what to do, and why.
    """

    severity: str
    code: str
    part: str
    what: str
    advice: str
    count: int = 0
    of: int = 0
    examples: Sequence[Example] = ()

    @property
    def amount(self) -> str:
        """The count in words: ``3 of 200``."""
        if not self.count:
            return ""
        return f"{self.count:,} of {self.of:,}" if self.of else f"{self.count:,}"

    def said(self, mark: str = "") -> str:
        """Return what is wrong, with the count, which is put between ``mark``."""
        if not self.count:
            return self.what
        amount = f"{mark}{self.amount}{mark}"
        return f"{amount} {self.what}" if self.of else f"{self.what} ({amount})"


def of_lines(lines: Sequence[str]) -> list[Example]:
    """Return some lines as examples: first one of each file, which their beginnings name."""
    files: dict[str, int] = {}
    turns = []
    for line in lines:
        file = line.split(": ", 1)[0]
        files[file] = files.get(file, 0) + 1
        turns.append(files[file])
    order = sorted(range(len(lines)), key=lambda n: turns[n])
    return [Example(lines[n]) for n in order[:EXAMPLES]]


def of_pictures(pictures: Sequence[Picture]) -> list[Example]:
    """Return the first images as examples."""
    return [Example(str(one.path), (one,)) for one in pictures[:EXAMPLES]]


def of_paths(paths: Sequence[Path]) -> list[Example]:
    """Return the first files as examples."""
    return [Example(str(path)) for path in paths[:EXAMPLES]]
