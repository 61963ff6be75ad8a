"""Tells which format annotations have, by looking into their files."""

from collections.abc import Iterable
from pathlib import Path

from nanodet.data.formats import FORMATS
from nanodet.data.formats.head import Head
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.files.inputs import absence
from nanodet.text.brief import brief_text
from nanodet.text.names import first_few

SAMPLES = 20  # files of each suffix of a folder that are looked into, of those with content
MOST = 1000  # files of each suffix that are opened for that
OPTION = "; --format names the format of annotations"  # the end of each message
SUFFIXES = {suffix for one in FORMATS.values() for suffix in one.suffixes}


def recognise(path: StrPath) -> str:
    """Return the key in `FORMATS` of the format of annotations.

    Args:
        path: a file of annotations, or a folder with one for each image. Files without a structure, such
            as empty ones, are of the format that is usual for their suffix; its reader says what is wrong.

    Raises:
        NanodetError: no format, or several; the message names what was found, and ``--format``.
    """
    path = Path(path)
    if not path.exists():
        raise NanodetError(absence(path, "there are no such annotations"))
    return _of_folder(path) if path.is_dir() else _of_file(path)


def formats_of(path: StrPath) -> list[str]:
    """Return the keys in `FORMATS` of the formats that one file may be of, by its suffix and beginning.

    These are also formats of folders (`Format.folder`) whose files look like this one.

    Raises:
        NanodetError: it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        return []
    return _formats(Head.of(path))


def _formats(head: Head) -> list[str]:
    suffix = head.path.suffix.lower()
    return [
        name for name, one in FORMATS.items() if suffix in one.suffixes and one.recognises(head)
    ]


def _of_file(path: Path) -> str:
    if path.suffix.lower() not in SUFFIXES:
        raise _unclear(
            path, f"is no annotation file, which is one of {', '.join(sorted(SUFFIXES))}"
        )
    head = Head.of(path)
    names = _formats(head)
    found = [name for name in names if not FORMATS[name].folder]
    if len(found) == 1:
        return found[0]
    if found:
        raise _unclear(path, f"may be {_short(found)}")
    if not head.structured and not names:
        if usual := _usual(path, folder=False):
            return usual
        if of_image := _usual(path, folder=True):
            names = [of_image]
    if names:
        kind = _short(names)
        raise _unclear(path, f"is of one image ({kind}); the folder of all such files is expected")
    raise _unclear(path, f"is in no known format ({_content(head)})")


def _of_folder(path: Path) -> str:
    files = [file for file in files_below(path) if file.suffix.lower() in SUFFIXES]
    heads: list[Head] = []
    found: dict[str, Path] = {}
    for some in ([file for file in files if file.parent == path], files):
        heads = _samples(some)
        found = {}
        for head in heads:
            for name in _formats(head):
                found.setdefault(name, head.path)
        each = [name for name in found if FORMATS[name].folder]
        if len(each) == 1:
            return each[0]
        if each:
            shown = ", ".join(f"{found[name].name} is {_short([name])}" for name in each)
            raise _unclear(path, f"has annotations in several formats ({shown})")
    if found:
        name, file = next(iter(found.items()))
        raise _unclear(path, f"is a folder, where the file {file} ({_short([name])}) is expected")
    for head in heads:
        usual = None if head.structured else _usual(head.path, folder=True)
        if usual:
            return usual
    if heads:
        raise _unclear(
            path,
            f"has no annotations in a known format: {heads[0].path.name} is {_content(heads[0])}",
        )
    names = sorted(file.name for file in files_below(path))
    what = f"only {first_few([brief_text(name) for name in names])}" if names else "it is empty"
    raise _unclear(path, f"has no annotation files, {what}")


def _samples(files: Iterable[Path]) -> list[Head]:
    """Return heads of files of each suffix: of `SAMPLES` with content, or of one without."""
    by_suffix: dict[str, list[Path]] = {}
    for file in files:
        by_suffix.setdefault(file.suffix.lower(), []).append(file)
    samples: list[Head] = []
    for some in by_suffix.values():
        written = []
        for file in some[:MOST]:
            head = Head.of(file)
            if head.text.strip():
                written.append(head)
                if len(written) == SAMPLES:
                    break
        samples += written or [head]
    return samples


def _usual(path: Path, folder: bool) -> str | None:
    """Return the format that files of this suffix usually have."""
    suffix = path.suffix.lower()
    for name, one in FORMATS.items():
        if one.usual and one.folder == folder and suffix in one.suffixes:
            return name
    return None


def _content(head: Head) -> str:
    if head.outline and not head.outline.keys[0]:
        return f"JSON without keys: {head.outline.top}...{']' if head.outline.top == '[' else '}'}"
    if head.outline:
        kind = "JSON, an object" if head.outline.top == "{" else "JSON, a list of objects"
        keys = sorted(head.outline.keys[0])
        return f"{kind} with the keys {first_few([brief_text(key) for key in keys])}"
    if head.root:
        return f"XML, its root is <{brief_text(head.root)}>"
    if "\0" in head.text:  # UTF-16, or no text
        return "not a text file in UTF-8"
    return f"text that begins with {brief_text(head.text.lstrip().split(chr(10))[0].strip())}"


def _short(names: Iterable[str]) -> str:
    return " or ".join(FORMATS[name].short[0] for name in names)


def _unclear(path: Path, what: str) -> NanodetError:
    return NanodetError(f"{path}: {what}{OPTION}")
