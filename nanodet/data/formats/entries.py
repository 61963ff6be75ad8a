"""From the images and objects that a reader found in its files to `Annotations`: shared by the readers."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanodet.data.assemble import (
    bare_name,
    check_folder,
    checked_names,
    make_picture,
    select,
)
from nanodet.data.classes import match_classes
from nanodet.data.formats.format import Request
from nanodet.data.formats.outlines import Box
from nanodet.data.formats.units import CORNERS, check_pixels
from nanodet.data.images import look_at_images
from nanodet.data.locate import find_pictures, keep_found
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.runtime.fit import Size
from nanodet.text.brief import brief


class LabelledObject(NamedTuple):
    """One object.

    Attributes:
        name: its class.
        box: in pixels, or in parts of the image if its `Entry` says so; not yet clipped.
        where: names it in messages.
        ignored: neither right nor wrong to detect.
    """

    name: str
    box: Box
    where: str
    ignored: bool = False


class Entry(NamedTuple):
    """One image.

    Attributes:
        name: its path as the file gives it.
        size: (width, height) in pixels, zeros if the file does not say.
        objects: its objects.
        others: names to look for if there is no such file.
        path: its file, if that is known.
        parts: whether boxes are in parts of the image instead of pixels.
        file: its annotation file, if each image has one.
    """

    name: str
    size: Size
    objects: Sequence[LabelledObject]
    others: tuple[str, ...] = ()
    path: Path | None = None
    parts: bool = False
    file: Path | None = None


def annotations_of(
    entries: Sequence[Entry],
    request: Request,
    notes: Sequence[str] = (),
    listed: Sequence[str] = (),
) -> Annotations:
    """Find the images, match the classes, and check sizes and boxes.

    Args:
        entries: the images in the order of the file.
        request: as the reader got it.
        notes: lines about the file.
        listed: the classes that the file lists, in its order; empty if it has no list: then those that
            occur, sorted.

    Returns:
        `Annotations` with image ids 1, 2, ...; boxes clipped, those without area left out.

    Raises:
        NanodetError: images are missing, or classes do not match.
    """
    img_path, ann_path, list_path, _, reading = request
    check_folder(img_path, "images")
    notes = list(notes)
    if list_path is not None:
        entries = _listed(entries, list_path, reading, notes)
    known, doubts = _known(entries, img_path)
    names = [entry.name for entry in entries]
    said = [f"{brief(one.name)} of {one.file}" if one.file else one.name for one in entries]
    said = [f"{text}{doubts.get(n, '')}" for n, text in enumerate(said)]
    kept = keep_found(img_path, names, ann_path, reading, notes, known=known, said=said)
    entries, paths = [entries[n] for n in kept], list(kept.values())

    found, label_of = _with_classes(entries, request, notes, listed)
    boxes = [
        np.array([t.box for t in entry.objects], np.float64).reshape(-1, 4) for entry in entries
    ]
    sizes, turned = _look_at(found, entries, paths, boxes, request)
    taken: dict[Path, str] = {}
    for n, (path, entry) in enumerate(zip(paths, entries, strict=True)):
        if path in taken:
            where = f"{entry.file}: is of" if entry.file else f"{ann_path}: {brief(entry.name)} is"
            found.problems.append(f"{where} {path}, as {taken[path]} is")
        taken.setdefault(path, entry.file.name if entry.file else brief(entry.name))
        size = (int(sizes[n, 0]), int(sizes[n, 1]))
        with np.errstate(over="ignore"):
            scaled = boxes[n] * np.tile(size, 2) if entry.parts else boxes[n]
        wanted = [m for m, one in enumerate(entry.objects) if label_of[one.name] >= 0]
        objects = [entry.objects[m] for m in wanted]
        picture = make_picture(
            path,
            n + 1,
            size=size,
            turned=turned[n],
            boxes=scaled[wanted],
            labels=[label_of[one.name] for one in objects],
            difficult=[one.ignored for one in objects],
            names=[one.where for one in objects],
            found=found,
            listed=str(entry.file.relative_to(ann_path)) if entry.file else entry.name,
        )
        found.pictures.append(picture)
    return found


def _listed(
    entries: Sequence[Entry], list_path: StrPath, reading: Reading, notes: list[str]
) -> list[Entry]:
    """Return the entries that a list file selects, by any of their names."""
    owners = {(bare_name(entry.name), n): entry.name for n, entry in enumerate(entries)}
    for n, entry in enumerate(entries):
        for other in entry.others:
            owners.setdefault((bare_name(other), n), other)
    numbers = [n for _, n in owners]
    chosen = select(list(owners.values()), list_path, reading, notes)
    return [entries[n] for n in dict.fromkeys(numbers[m] for m in chosen)]


def _known(entries: Sequence[Entry], img_path: StrPath) -> tuple[list[Path | None], dict[int, str]]:
    """Return the files that are known, or have one of the other names of an image; None for the rest.

    Several images are never taken to be one file: these are not known, and have a remark, by their index.
    """
    known = [entry.path for entry in entries]
    doubts: dict[int, str] = {}
    if any(entry.others and not entry.path for entry in entries):
        known, _, _ = find_pictures(img_path, [entry.name for entry in entries], known)
        for more in range(max(len(entry.others) for entry in entries)):
            lost = [n for n, e in enumerate(entries) if known[n] is None and len(e.others) > more]
            paths, _, _ = find_pictures(img_path, [entries[n].others[more] for n in lost])
            claims: dict[Path | None, set[str]] = {}
            for n, path in [*enumerate(known), *zip(lost, paths, strict=True)]:
                claims.setdefault(path, set()).add(entries[n].name)
            for n, path in zip(lost, paths, strict=True):
                if path is not None and len(claims[path]) > 1:
                    doubts[n] = f" (may be {path}, as others)"
                else:
                    known[n] = path
    return known, doubts


def _with_classes(
    entries: Sequence[Entry], request: Request, notes: Sequence[str], listed: Sequence[str]
) -> tuple[Annotations, dict[str, int]]:
    """Return `Annotations` without images yet, and the label of each name in the entries, -1: left out."""
    ann_path = request.ann_path
    counts = Counter(one.name for entry in entries for one in entry.objects)
    given = checked_names([*dict.fromkeys(listed), *sorted(set(counts) - set(listed))], ann_path)
    first = {t.name: one.file.name for one in reversed(entries) if one.file for t in one.objects}
    classes = match_classes(
        given, [counts[name] for name in given], request.class_names, ann_path, request.reading,
        listed=bool(listed), first=[first[name] for name in given] if first else None,
    )  # fmt: skip
    if not classes.names:
        raise NanodetError(f"{ann_path}: no object in it names a class; set class_names")
    return classes.annotations(notes), dict(zip(given, classes.labels.tolist(), strict=True))


def _look_at(
    found: Annotations,
    entries: Sequence[Entry],
    paths: Sequence[Path],
    boxes: Sequence[np.ndarray],
    request: Request,
) -> tuple[np.ndarray, Sequence[bool]]:
    """Return what `look_at_images` does, for the boxes (N, 4) of each entry, and check that they fit."""
    ann_path, reading = request.ann_path, request.reading
    reaches = np.full((len(entries), 2), np.nan)
    for n, (entry, own) in enumerate(zip(entries, boxes, strict=True)):
        if len(own):
            reaches[n] = 0 if entry.parts else own[:, 2:].max(axis=0)
    annotated = [entry.size for entry in entries]
    sizes, turned = look_at_images(found, paths, annotated, reaches, ann_path, reading)
    pixels = [n for n, entry in enumerate(entries) if len(boxes[n]) and not entry.parts]
    if pixels:
        owner = np.repeat(pixels, [len(boxes[n]) for n in pixels])
        raw = np.concatenate([boxes[n] for n in pixels])
        check_pixels(raw, sizes[owner], ann_path, CORNERS, found.notes, reading)
    return sizes, turned


def left_out(what: str, kinds: Counter[str], file: StrPath) -> list[str]:
    """Return a line on what has no box, such as ``shapes``, if anything; ``kinds`` counts it."""
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return [f"{file}: {what} are left out: {counted}"] if kinds else []
