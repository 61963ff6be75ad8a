"""Shared by the readers: building a `Picture` from raw boxes, and checks of files and folders."""

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, Counts, Picture
from nanodet.errors import NanodetError
from nanodet.files import StrPath, inputs
from nanodet.files.inputs import LIST, Kind
from nanodet.images.image_file import SUFFIXES
from nanodet.runtime.fit import Size
from nanodet.text.brief import brief
from nanodet.text.names import ITEMS_SHOWN, LONGEST, TWICE, first_few, is_short, is_unicode

MOST_CLASSES = 65536  # as in a spec
LONGEST_SIDE = 1 << 24  # pixels; float32 represents all whole numbers up to here
TOLERANCE = 1.0  # pixels outside the image that count as rounding and are not reported

# the ends of lines about boxes, see `complaint`
LEFT_OUT, SWAPPED, CLIPPED = (
    "has no area inside the image: left out",
    "ends before it begins, are its corners swapped? left out",
    "extends outside the image: clipped",
)


def clip_boxes(
    boxes: np.ndarray, widths: int | np.ndarray, heights: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clip boxes to their images.

    Args:
        boxes: (N, 4) xyxy in pixels.
        widths, heights: of the image, scalars or (N,).

    Returns:
        float32 (N, 4) clipped boxes; bool (N,) true for boxes that still have an area; bool (N,)
        true for boxes that reached more than a pixel outside.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    limits = np.empty_like(boxes)
    limits[:, 0::2] = np.reshape(widths, (-1, 1))
    limits[:, 1::2] = np.reshape(heights, (-1, 1))
    clipped = np.clip(boxes, 0, limits)
    outside = np.any((boxes < clipped - TOLERANCE) | (boxes > clipped + TOLERANCE), axis=1)
    clipped = clipped.astype(np.float32)
    sound = np.all(clipped[:, 2:] > clipped[:, :2], axis=1)
    return clipped, sound, outside


def complaint(box: np.ndarray, sound: bool) -> str:
    """Return a description of a box that `clip_boxes` corrected or left out."""
    text = ", ".join(f"{value:g}" for value in box)
    if not sound:
        swapped = box[2] < box[0] or box[3] < box[1]
        return f"box ({text}) {SWAPPED if swapped else LEFT_OUT}"
    return f"box ({text}) {CLIPPED}"


def make_picture(
    path: Path,
    image_id: int,
    *,
    size: Size,
    turned: bool,
    boxes: np.ndarray | Sequence[Sequence[float]],
    labels: np.ndarray | Sequence[int],
    difficult: np.ndarray | Sequence[bool],
    names: Sequence[str],
    found: Annotations,
    listed: str = "",
) -> Picture:
    """Build a `Picture` from the objects of one annotation file.

    Args:
        path: the image's file.
        size: (width, height) in pixels; turned, listed: see `Picture`.
        boxes: xyxy in pixels, not yet clipped.
        labels: class index of each box.
        difficult: true for each box that is to be ignored.
        names: of each object, for messages.
        found: the `Annotations` to whose ``problems`` and ``counts`` corrections are added.
    """
    raw = np.asarray(boxes, np.float64).reshape(-1, 4)
    clipped, sound, outside = clip_boxes(raw, *size)
    for n in np.flatnonzero(~sound | outside).tolist():
        found.problems.append(f"{names[n]}: {complaint(raw[n], sound[n])}")
    count_changed(found.counts, sound, outside)
    labels = np.asarray(labels, np.int64)
    difficult = np.asarray(difficult, bool)
    areas = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    taught, ignored = sound & ~difficult, sound & difficult
    width, height = size
    return Picture(
        path, image_id, width, height,
        boxes=clipped[taught], labels=labels[taught], areas=areas[taught],
        ignored=clipped[ignored], ignored_labels=labels[ignored],
        ignored_areas=areas[ignored], ignored_crowd=np.zeros(ignored.sum(), bool), turned=turned,
        listed=listed,
    )  # fmt: skip


def count_changed(counts: Counts, sound: np.ndarray, outside: np.ndarray) -> None:
    """Add what `clip_boxes` found to `Counts`."""
    counts.left_out += int((~sound).sum())
    counts.clipped += int((sound & outside).sum())


def checked_names(names: Sequence[object], file: StrPath, unique: bool = True) -> list[str]:
    """Return class names as texts.

    Args:
        names: list of strings and numbers.
        file: names the annotations in messages.
        unique: whether all must differ.

    Raises:
        NanodetError: any other value, a name that no text file can contain, or a duplicate.
    """
    if len(names) > MOST_CLASSES:
        raise NanodetError(f"{file}: {len(names)} class names are too many: {MOST_CLASSES} at most")
    seen = []
    for name in names:
        if not isinstance(name, (str, int, float)) or isinstance(name, bool):
            quotes = " (YAML reads yes, no, on, off and null as such: put them in quotes)"
            more = quotes if name is None or isinstance(name, bool) else ""
            raise NanodetError(f"{file}: class name {brief(name)} is not a text{more}")
        name = str(name)
        if not is_unicode(name):
            raise NanodetError(f"{file}: class name {brief(name)} is not a text")
        if not is_short(name):
            raise NanodetError(f"{file}: class name {brief(name)} is longer than {LONGEST} bytes")
        seen.append(name)
    twice = [name for name, count in Counter(seen).items() if count > 1]
    if twice and unique:
        raise NanodetError(f"{file}: class name {brief(twice[0])} occurs twice; {TWICE}")
    return seen


def is_file_name(text: str) -> bool:
    """Return whether this can be a file name: no NUL, no half of a surrogate pair."""
    return "\0" not in text and is_unicode(text)


def is_finite(value: object) -> bool:
    """Return whether this is a number that a float can hold."""
    try:
        return type(value) is not bool and isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def whole_number(value: object, most: int = LONGEST_SIDE) -> int | None:
    """Return a number 0..``most`` as int if it is whole, otherwise None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value <= most or value != int(value):
        return None
    return int(value)


def read_text(path: StrPath, kind: Kind) -> str:
    """Return the text of a file; see `nanodet.files.inputs`."""
    try:
        return inputs.read_text(path, kind, "utf-8-sig")
    except UnicodeDecodeError:
        raise NanodetError(f"{path}: {kind.words} is not a text file in UTF-8") from None


def read_json(path: StrPath, kind: Kind) -> Any:
    """Return the content of a JSON file."""
    text = read_text(path, kind)
    if not text.strip():
        raise NanodetError(f"{path}: {kind.words} is empty")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: a number of thousands of digits too
        raise NanodetError(f"{path}: {kind.words} is not valid JSON ({error})") from None


def check_folder(path: StrPath, what: str) -> None:
    """Raise a `NanodetError` unless ``path`` is a folder."""
    if Path(path).is_file():
        formats = "; voc, yolo and labelme read a folder, the other formats a file"
        formats *= what == "annotations"
        raise NanodetError(
            f"{path}: this is a file, where the folder of {what} is expected{formats}"
        )
    if not Path(path).is_dir():
        raise NanodetError(f"{path}: the folder of {what} does not exist")


def bare_name(name: object) -> str:
    """Return an image's or annotation's name without folder and suffix.

    Only known suffixes are removed, because names such as ``street.12`` contain dots.
    """
    name = str(name).replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, suffix = name.rpartition(".")
    known = dot and stem and f".{suffix.lower()}" in (*SUFFIXES, ".xml", ".txt", ".json")
    return stem if known else name


def select(
    names: Sequence[str],
    list_path: StrPath,
    reading: Reading,
    notes: list[str],
    what: str = "image",
) -> list[int]:
    """Return the indices into ``names`` that a list file selects, in its order.

    Args:
        names: relative paths of the existing files.
        list_path: one name per line, with or without folder and suffix; repeated names count
            once. A second column of -1, 0 or 1 (the class lists of Pascal VOC) is ignored: it
            says whether a class occurs in the image, not whether the image belongs to the list.
        reading: the `nanodet.data.reading.Reading`; its ``missing_images`` says whether names
            without a file are left out.
        notes: gets a line about those.
        what: the kind of files, for messages.

    Raises:
        NanodetError: the list is not readable, empty, or contains an unknown name.
    """
    by_name: dict[str, list[int]] = {}
    for n, name in enumerate(names):
        by_name.setdefault(bare_name(name), []).append(n)
    chosen: dict[int, bool] = {}
    unknown: list[tuple[int, str]] = []
    for number, line in enumerate(read_text(list_path, LIST).splitlines(), 1):
        name = line.strip()
        if not name:
            continue
        if bare_name(name) not in by_name and name.rsplit(None, 1)[-1] in ("-1", "0", "1"):
            name = name.rsplit(None, 1)[0]
        found = by_name.get(bare_name(name), [])
        if len(found) > 1:  # by its suffix
            found = [n for n in found if Path(names[n]).name == Path(name).name] or found
        if len(found) > 1:  # same name in several folders
            found = _of_same_end(names, found, name, chosen)
        if len(found) > 1:
            raise NanodetError(
                f"{list_path}: line {number}: {brief(name)} may be {names[found[0]]} or {names[found[1]]}"
            )
        if found:
            chosen[found[0]] = True
        else:
            unknown.append((number, name))
    if unknown:
        line = _unknown_names(list_path, unknown, what)
        if reading.missing_images != "skip" or not chosen:
            skip = reading.spelled("missing_images", "skip")
            raise NanodetError(f"{line}; {skip} continues without it" if chosen else line)
        notes.append(f"{line}: left out")
    if not chosen:
        raise NanodetError(f"{list_path}: this list names no image")
    return list(chosen)


def _unknown_names(list_path: StrPath, unknown: Sequence[tuple[int, str]], what: str) -> str:
    number, name = unknown[0]
    line = f"{list_path}: line {number}: no {what} {brief(name)}"
    if len(unknown) == 1:
        return line
    others = first_few([brief(name) for _, name in unknown[1:]], ITEMS_SHOWN - 1)
    return f"{line}, nor {others} ({len(unknown)} such lines)"


def _of_same_end(
    names: Sequence[str], found: Sequence[int], name: str, chosen: Collection[int]
) -> list[int]:
    """Return those of ``found`` that match the folders of ``name``.

    An exact match comes first, unless it was chosen before: in a list without folders, a repeated
    name means a different file.
    """
    wanted = _parts(name)
    parts = {n: _parts(names[n]) for n in found}
    ending = [n for n in found if parts[n][-len(wanted) :] == wanted]
    if len(ending) > 1:
        return [n for n in ending if parts[n] == wanted and n not in chosen] or ending
    return ending or [n for n in found if wanted[-len(parts[n]) :] == parts[n]]


def _parts(name: str) -> list[str]:
    """Return the folders of a path and its name without suffix."""
    return [*Path(str(name).replace("\\", "/")).parts[:-1], bare_name(name)]
