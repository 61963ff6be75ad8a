"""The beginning of an annotation file, which tells its format: several formats are .json, or .xml."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from nanodet.files.inputs import ANNOTATIONS, open_input

BYTES = 1 << 16  # of the head of a file; the keys that tell a format come early
LEVELS = 3  # of nested objects, whose keys are collected

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(:?)|([\[{\]}])', re.DOTALL)
_ROOT = re.compile(r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>)*<([^\s/>!?]+)", re.DOTALL)


@dataclass(frozen=True)
class Outline:
    """The structure of a JSON text, as far as it is known.

    Attributes:
        top: ``{`` or ``[``.
        keys: the keys of objects, by how many objects they are in: ``keys[0]`` are those of the outermost
            object or, in a list, of its entries; ``keys[1]`` those of the objects in these.
    """

    top: str
    keys: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Head:
    """The first `BYTES` of a file.

    Attributes:
        path: the file.
        text: its beginning; bytes that are not UTF-8 are replaced.
        whole: whether that is all of it.
    """

    path: Path
    text: str = field(repr=False)
    whole: bool = True

    @classmethod
    def of(cls, path: Path) -> "Head":
        """Read the head of a file.

        Raises:
            NanodetError: it cannot be read.
        """
        with open_input(path, ANNOTATIONS) as file:
            data = file.read(BYTES)
        return cls(path, data.decode("utf-8-sig", "replace"), len(data) < BYTES)

    @cached_property
    def outline(self) -> Outline | None:
        """The `Outline` of a JSON file, None of others."""
        text = self.text.lstrip()
        if not text.startswith(("{", "[")):
            return None
        keys: list[set[str]] = [set() for _ in range(LEVELS)]
        objects, stack = -1, []
        for match in _TOKEN.finditer(text):
            string, colon, bracket = match.groups()
            if bracket is None:
                if colon and 0 <= objects < LEVELS:
                    keys[objects].add(string)
            elif bracket in "{[":
                stack.append(bracket)
                objects += bracket == "{"
            elif stack:
                objects -= stack.pop() == "{"
        return Outline(text[0], tuple(map(frozenset, keys)))

    @property
    def structured(self) -> bool:
        """Whether it is JSON with keys, or XML: then its content tells what it is, not its suffix."""
        return bool(self.outline.keys[0] if self.outline else self.root)

    @cached_property
    def root(self) -> str | None:
        """The name of the root element of an XML file, None of others."""
        match = _ROOT.match(self.text)
        return match[1] if match else None
