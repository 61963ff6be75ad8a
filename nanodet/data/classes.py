"""Matches the classes of an annotation file with the wanted classes, by name."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.text.brief import brief
from nanodet.text.counted import counted
from nanodet.text.names import (
    ITEMS_SHOWN,
    TWICE,
    first_few,
    is_numbering,
    levelled,
    match_names,
    shortened,
)


@dataclass
class Classes:
    """The classes of an annotation file, matched with the wanted ones.

    Attributes:
        names: the classes of the data set.
        labels: int64, for each class of the file its index in ``names``, -1 if it is left out.
        notes: lines for the user.
        skipped: name of each left-out class that has objects, to their number.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def annotations(self, notes: Sequence[str]) -> Annotations:
        """Return a data set of these classes, with the ids 1, 2, ... and without images yet.

        Args:
            notes: lines for the user, which come before those on the classes.
        """
        ids = tuple(range(1, len(self.names) + 1))
        return Annotations(self.names, ids, [], notes=[*notes, *self.notes], skipped=self.skipped)


def match_classes(
    given: Iterable[str],
    objects: Iterable[int],
    wanted: Sequence[str] | None,
    file: StrPath,
    reading: Reading,
    listed: bool = True,
    groups: Collection[int] = (),
    first: Sequence[str] | None = None,
) -> Classes:
    """Match the classes of an annotation file with the wanted ones.

    Args:
        given: the file's class names, in the order of its numbers.
        objects: how many objects each has.
        wanted: the class names of the config or model; None takes the file's. Names ``0``, ``1``, ...
            do not count as names.
        file: names the annotations in messages.
        reading: the `nanodet.data.reading.Reading`; its ``unknown_classes`` must be chosen.
        listed: whether the file lists its classes (COCO, YOLO); without a list (VOC) ``given`` are the
            names that occur, several of which may be spellings of one.
        groups: indices of classes that only group others, left out if they have no objects.
        first: the file of each class's first object, for messages; None for ``file``.

    Returns:
        `Classes`.

    Raises:
        NanodetError: the lists do not match; the message says what to do.
    """
    given, objects = [str(name) for name in given], [int(count) for count in objects]
    empty_groups = {n for n in groups if not objects[n]}
    if wanted is None:
        kept = [n for n in range(len(given)) if n not in empty_groups]
        for name, count in Counter(given[n] for n in kept).items():
            if count > 1:
                error = NanodetError(f"{file}: class name {brief(name)} occurs twice; {TWICE}")
                reading.refuse(error, "classes")
        notes = _alike([given[n] for n in kept], file, listed)
        notes += _left_out([given[n] for n in sorted(empty_groups)], file, "that only group others")
        return Classes(tuple(given[n] for n in kept), _numbered(kept, len(given)), notes)
    wanted = [str(name) for name in wanted]
    found = _match(given, wanted, empty_groups, file, listed)
    absent = [name for n, name in enumerate(wanted) if n not in set(found)]
    extra = [n for n, index in enumerate(found) if index is None and objects[n]]
    nothing_shared = len(absent) == len(wanted) and (listed or extra)
    if nothing_shared or (absent and is_numbering(wanted) and (listed or extra)):
        return _by_position(given, wanted, empty_groups, file, reading, listed)
    if extra and reading.unknown_classes != "skip":
        error = _unknown(
            given,
            objects,
            extra,
            wanted=wanted,
            absent=absent if listed else [],
            file=file,
            reading=reading,
            first=first,
        )
        reading.refuse(error, "classes")
    whose = reading.names_of
    notes = []
    if extra:
        notes.append(
            f"{file}: left out, not in {whose}: {_counted(given, objects, extra, wanted, first)}"
        )
    empty = [given[n] for n, index in enumerate(found) if index is None and not objects[n]]
    notes += _left_out(empty, file, f"without objects that are not in {whose}")
    if absent and listed:
        if reading.training:
            error = NanodetError(
                f"{file}: has no class {shortened(absent)}, which {whose} names and so could not be "
                f"learned: take it out of {whose}, or add it to the file"
            )
            reading.refuse(error, "classes")
        notes.append(f"{file}: lacks classes of {whose}, not measured: {shortened(absent)}")
    labels = np.array([-1 if index is None else index for index in found], np.int64)
    skipped = {given[n]: objects[n] for n in extra}
    return Classes(tuple(wanted), labels, notes, skipped)


def _match(
    given: Sequence[str], wanted: Sequence[str], empty_groups: set[int], file: StrPath, listed: bool
) -> list[int | None]:
    """Return the index in ``wanted`` of each of ``given``; groups take what the others leave."""
    found: list[int | None] = [None] * len(given)
    for some in (set(range(len(given))) - empty_groups, empty_groups):
        part, free = sorted(some), [n for n in range(len(wanted)) if n not in found]
        names = [given[n] for n in part], [wanted[n] for n in free]
        for n, index in zip(part, match_names(*names, file, several=not listed), strict=True):
            found[n] = None if index is None else free[index]
    return found


def _by_position(
    given: Sequence[str],
    wanted: Sequence[str],
    empty_groups: set[int],
    file: StrPath,
    reading: Reading,
    listed: bool,
) -> Classes:
    """Match lists without a common name by position, if they have the same length."""
    numbers = is_numbering(wanted)
    kept = list(range(len(given)))
    if len(kept) != len(wanted):
        kept = [n for n in kept if n not in empty_groups]
    names = [given[n] for n in kept]
    whose = reading.names_of
    # names collected from objects (VOC) have no order
    if len(kept) != len(wanted) or not (listed or numbers):
        if numbers:
            raise NanodetError(
                f"{file}: has {_classes(len(kept))} ({shortened(names)}), but {whose} has {len(wanted)}"
            )
        near = [(name, match) for name in names[:100] for match in nearest(name, wanted)]
        meant = "give both the same names"
        if near:
            name, match = map(brief, near[0])
            meant = f"did you mean {match}? If {whose} is wrong, write {name} there"
        raise NanodetError(
            f"{file}: none of its classes ({shortened(names)}) is in {whose} ({shortened(wanted)}): "
            f"{meant}"
        )
    notes = []
    if not numbers:
        pairs = [f"{a} is {b}" for a, b in zip(names, wanted, strict=True)]
        notes.append(
            f"{file}: shares no class name with {whose}, so matched by position: {first_few(pairs)}"
        )
    notes += _left_out(
        [given[n] for n in range(len(given)) if n not in kept], file, "that only group others"
    )
    return Classes(tuple(names if numbers else wanted), _numbered(kept, len(given)), notes)


def _unknown(
    given: Sequence[str],
    objects: Sequence[int],
    extra: Sequence[int],
    wanted: Sequence[str],
    absent: Sequence[str],
    file: StrPath,
    reading: Reading,
    first: Sequence[str] | None,
) -> NanodetError:
    """Return the error about objects of classes that are not wanted."""
    whose = reading.names_of
    counted = _counted(given, objects, extra, wanted, first)
    skip = f"{reading.spelled('unknown_classes', 'skip')} leaves those objects out"
    if absent:
        return NanodetError(
            f"{file}: has the classes {shortened(given)}, but {whose} has {shortened(wanted)}: only "
            f"the file has {counted}; only {whose} has {shortened(absent)}; give both the same names "
            f"({skip})"
        )
    return NanodetError(f"{file}: has objects that are not in {whose}: {counted}; {skip}")


def _counted(
    given: Sequence[str],
    objects: Sequence[int],
    extra: Sequence[int],
    wanted: Sequence[str],
    first: Sequence[str] | None,
) -> str:
    """Return classes and the numbers of their objects as text."""
    words = []
    for n in extra[:ITEMS_SHOWN]:
        where = f", first in {first[n]}" if first else ""
        words.append(
            f"{brief(given[n])} ({counted(objects[n], 'object')}{where}{did_you_mean(given[n], wanted)})"
        )
    if len(extra) > ITEMS_SHOWN:
        rest = extra[ITEMS_SHOWN:]
        words.append(f"and {_classes(len(rest))} more ({sum(objects[n] for n in rest)} objects)")
    return ", ".join(words)


def _alike(names: Sequence[str], file: StrPath, listed: bool) -> list[str]:
    """Return a line for each name that differs from another only in spelling."""
    first: dict[str, str] = {}
    notes = []
    for name in names:
        other = first.setdefault(levelled(name), name)
        if other != name:
            one = "" if listed else "; to merge them, list only one in class_names"
            notes.append(f"{file}: {brief(other)} and {brief(name)} count as two classes{one}")
    return notes


def nearest(name: str, wanted: Sequence[str]) -> list[str]:
    """Return the one of ``wanted`` that a class name may be a misspelling of, if there is one."""
    return difflib.get_close_matches(name[:200], wanted, n=1, cutoff=0.65)


def did_you_mean(name: str, wanted: Sequence[str]) -> str:
    """Return ``, did you mean 'cat'?`` for the `nearest` of ``wanted``, nothing without one."""
    return "".join(f", did you mean {brief(one)}?" for one in nearest(name, wanted))


def _left_out(names: Sequence[str], file: StrPath, why: str) -> list[str]:
    if not names:
        return []
    return [f"{file}: classes {why}, left out: {shortened(names)}"]


def _numbered(kept: Sequence[int], count: int) -> np.ndarray:
    labels = np.full(count, -1, np.int64)
    labels[kept] = np.arange(len(kept))
    return labels


def _classes(count: int) -> str:
    return counted(count, "class", "es")
