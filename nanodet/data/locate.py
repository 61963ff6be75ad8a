"""Finds the image files that annotations name, even if they were moved from another machine."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name
from nanodet.text.names import first_few

LONGEST = 4096  # characters of a path: the limit of most systems


def find_pictures(
    folder: StrPath, names: Sequence[str], known: Sequence[Path | None] | None = None
) -> tuple[list[Path | None], int, dict[int, str]]:
    """Find images by the names that annotations give them.

    A name is a path below ``folder``. If it does not exist, ``\\`` counts as ``/``, then the end of
    the path is searched for in ``folder``, then its last part anywhere below, which must be unique.

    Args:
        folder: the folder of images.
        names: one name per image.
        known: paths that are already known, None for those to find; None if none are known.

    Returns:
        (paths, guesses, doubts): a `Path` or None for each name; how many were found by the end of
        their name only; a remark on each ambiguous name, by its index.
    """
    search = _Search(Path(folder))
    paths = [
        path or search.exactly(name)
        for path, name in zip(known or [None] * len(names), names, strict=True)
    ]
    taken = {path for path in paths if path is not None}
    guesses: dict[Path, list[int]] = {}
    doubts: dict[int, str] = {}
    for n, name in enumerate(names):
        if paths[n] is None:
            found = search.by_end(name)
            if len(found) == 1 and found[0] not in taken:
                guesses.setdefault(found[0], []).append(n)
            elif found:
                doubts[n] = f"may be {' or '.join(str(path) for path in found[:2])}"
    guessed = 0
    for path, claims in guesses.items():
        if len({names[n] for n in claims}) > 1:  # two images of the same name, one of which is here
            doubts |= dict.fromkeys(claims, f"may be {path}, as others of this name")
            continue
        guessed += len(claims)
        for n in claims:
            paths[n] = path
    return paths, guessed, doubts


def keep_found(
    folder: StrPath,
    names: Sequence[str],
    file: StrPath,
    reading: Reading,
    notes: list[str],
    known: Sequence[Path | None] | None = None,
    said: Sequence[str] | None = None,
) -> dict[int, Path]:
    """Find images, and report which are missing.

    Args:
        folder, names, known: as for `find_pictures`.
        file: names the annotations in messages.
        reading: a `nanodet.data.reading.Reading`.
        notes: gets lines for the user.
        said: text for each image in messages; None for its name.

    Returns:
        the existing images, by the index of their name.

    Raises:
        NanodetError: an image is missing, and ``reading`` does not skip those; or all are missing.
    """
    paths, guessed, doubts = find_pictures(folder, names, known)
    kept = {n: path for n, path in enumerate(paths) if path is not None}
    if guessed:
        notes.append(f"{file}: {guessed} of {len(names)} images found by the end of their name")
    if len(kept) == len(names):
        return kept
    lost = [n for n, path in enumerate(paths) if path is None]
    shown = first_few(
        [f"{(said or names)[n]}" + (f" ({doubts[n]})" if n in doubts else "") for n in lost]
    )
    if not kept:
        count = f"its {len(names)} images are" if len(names) > 1 else "its only image is"
        raise NanodetError(
            f"{file}: {count} missing in {folder}: {shown}; is that the right folder?"
        )
    count = f"{len(lost)} of {len(names)} images {'is' if len(lost) == 1 else 'are'} missing"
    line = f"{file}: {count} in {folder}: {shown}"
    if reading.missing_images != "skip":
        skip = reading.spelled("missing_images", "skip")
        reading.refuse(NanodetError(f"{line}; {skip} continues without them"), "missing")
    else:
        notes.append(f"{line}: left out")
    return kept


class _Search:
    """Searches for names below a folder; lists the folder only if a name is not where it should be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, list[Path]] | None = None

    def exactly(self, name: str) -> Path | None:
        path = self.folder / name
        if os.path.isfile(path):
            return path
        if "\\" in name:
            path = self.folder / name.replace("\\", "/")
            if os.path.isfile(path):
                return path
        return None

    def by_end(self, name: str) -> list[Path]:
        """Return the candidate paths with the longest matching end."""
        if len(name) > LONGEST:
            return []
        if "://" in name:
            name = name.split("?", 1)[0]
        parts = [part for part in re.split(r"[/\\]+", name) if part not in ("", ".", "..")]
        for start in range(1, len(parts)):
            path = self.folder.joinpath(*parts[start:])
            if os.path.isfile(path):
                return [path]
        if not parts:
            return []
        found = self._named(parts[-1])
        shared = [_shared_end(path.parent.parts, parts[:-1]) for path in found]
        return [path for path, count in zip(found, shared, strict=True) if count == max(shared)]

    def _named(self, name: str) -> list[Path]:
        """Return the images anywhere below with this name, or otherwise with another spelling of it.

        Spellings differ in case, in blanks around them, in a missing suffix, in ``%20`` of URLs, and
        in how Unicode composes an accent (macOS).
        """
        if self._listed is None:
            self._listed = {}
            for path in filter(is_picture_name, files_below(self.folder)):
                for key in (_levelled(path.name), _levelled(path.stem)):
                    self._listed.setdefault(key, []).append(path)
        found = self._listed.get(_levelled(name), [])
        return sorted(path for path in found if path.name == name) or sorted(found)


def _levelled(name: str) -> str:
    return unicodedata.normalize("NFC", unquote(name)).strip().casefold()


def _shared_end(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many final parts two paths have in common."""
    count = 0
    while count < min(len(first), len(second)) and first[-1 - count] == second[-1 - count]:
        count += 1
    return count
