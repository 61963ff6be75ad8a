"""Reads all sets of a data set, with the same classes."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from nanodet.data.assemble import checked_names
from nanodet.data.discover import FoundSet, discover
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.recognise import recognise
from nanodet.data.records import Annotations
from nanodet.data.tell import tell_reading
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.text import Say


def sets_of(
    source: StrPath | None, images: StrPath | None, annotations: StrPath | None, reading: Reading
) -> dict[str, FoundSet]:
    """Return the sets that a user means, by name; that of a set without a split is empty.

    Args:
        source: what `nanodet.data.discover.discover` takes; None if the others are given.
        images, annotations: the folder of the images and the annotations.
        reading: its format and list go with the latter.

    Raises:
        NanodetError: neither or both are given, or nothing was found.
    """
    if source is None:
        if images is None or annotations is None:
            raise NanodetError("give a folder, or --images and --annotations")
        kind = reading.format or recognise(annotations)
        listed = None if reading.list_path is None else Path(reading.list_path)
        return {"": FoundSet(kind, Path(images), Path(annotations), listed)}
    for name, value in (
        ("images", images),
        ("annotations", annotations),
        ("list", reading.list_path),
    ):
        if value is not None:
            raise NanodetError(f"--{name}: {source} is given already, in which they are looked for")
    found = discover(source)
    if found.val is None and found.test is None:
        return {"": found.train}
    sets = {"train": found.train, "val": found.val, "test": found.test}
    return {name: one for name, one in sets.items() if one is not None}


def read_sets(
    sources: Mapping[str, FoundSet], class_names: Sequence[str] | None, reading: Reading, say: Say
) -> dict[str, tuple[Annotations, StrPath]]:
    """Read sets of images, each with the classes given, or with those of the first set.

    Objects of a later set whose class the first does not have are an error, unless ``reading`` skips them.

    Returns:
        the `Annotations` of each, and the folder of its images.

    Raises:
        NanodetError: they cannot be read, or have other classes.
    """
    if class_names is not None:
        class_names = checked_names(class_names, "--classes")
    sets: dict[str, tuple[Annotations, StrPath]] = {}
    own = dataclasses.replace(reading, names_of="--classes")
    for name, one in sources.items():
        found = read_annotations(
            reading.format or one.format, one.images, one.annotations, one.list_path, class_names,
            reading=own,
        )  # fmt: skip
        tell_reading(found, say, name)
        if class_names is None:
            class_names = found.class_names
            whose = f"{one.annotations} (--classes names other ones)"
            strict = reading.unknown_classes or "error"  # nothing was chosen for VOC to leave out
            own = dataclasses.replace(reading, names_of=whose, unknown_classes=strict)
        sets[name] = found, one.images
    return sets
