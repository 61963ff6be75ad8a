"""Reads the two sets of a training, and checks them against the config and each other."""

import dataclasses
from collections.abc import Mapping

from nanodet.config.data_sections import Data, Dataset
from nanodet.config.schema import Config
from nanodet.data.check_images import BadPictures
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations, in_both
from nanodet.data.summary import check_objects, describe, summarise, untaught, warnings_of
from nanodet.data.tell import tell_reading
from nanodet.errors import NanodetError
from nanodet.text import Say
from nanodet.text.names import shortened


def read_both_sets(config: Config, file: str, say: Say) -> tuple[Annotations, Annotations]:
    """Read both sets, and fill in the config's class names and their number if it has none.

    Args:
        config: a `Config`.
        file: names the config in messages.
        say: gets lines for the user.

    Returns:
        the `Annotations` to train on and those to validate on.

    Raises:
        NanodetError: bad annotations, or sets that do not fit the config.
    """
    names = config.class_names
    names_of = "class_names" if names else "data.train"
    if not names and config.data.train.class_names:
        names_of = "data.train.class_names"
    sets, bad = {}, []
    for part, section in (("data.train", config.data.train), ("data.val", config.data.val)):
        try:
            sets[part] = _read(
                section, part, names, names_of, file=file, training=part == "data.train"
            )
        except BadPictures as error:
            bad += error.lines
        else:
            names = names or list(sets[part].class_names)
    if bad:
        raise BadPictures(bad)  # those of both sets
    for part, found in sets.items():
        tell_reading(found, say, part)
    _report_counts(sets, config.data, say)
    head = config.model.arch.head
    names = names or []  # filled in from the first set above
    if config.class_names is None:
        config.class_names = names
    if head.num_classes is None:
        head.num_classes = len(names)
    if len(names) != head.num_classes:
        raise NanodetError(
            f"{file}: model.arch.head.num_classes: is {head.num_classes}, but data.train has "
            f"{len(names)} classes ({shortened(names)}): leave it out, or name them in class_names"
        )
    return sets["data.train"], sets["data.val"]


def _report_counts(sets: Mapping[str, Annotations], data: Data, say: Say) -> None:
    """Report what there is to learn and to measure; raise `NanodetError` if there is nothing."""
    for part, section in (("data.train", data.train), ("data.val", data.val)):
        summary = summarise(sets[part], section)
        say(f"{part}: {describe(summary)}")
        if part == "data.train":
            check_objects(summary, part)
        for line in warnings_of(summary, part):
            say(line)
        if part == "data.train":
            for line in untaught(summary, part):
                say(line)
    _report_shared(sets, say)


def _report_shared(sets: Mapping[str, Annotations], say: Say) -> None:
    """Warn if images are in both sets: AP on images that were trained on says little."""
    validation = sets["data.val"].pictures
    shared = len(in_both(sets["data.train"].pictures, validation))
    if shared:
        say(
            f"warning: {shared} of the {len(validation)} images of data.val are also in data.train: AP "
            f"on images that were trained on says little"
        )


def _read(
    section: Dataset,
    part: str,
    names: list[str] | None,
    names_of: str,
    file: str,
    training: bool = False,
) -> Annotations:
    """Read a set with the classes ``names``, given by the key ``names_of``; None for its own."""
    own = section.class_names
    if own and names and own != names:
        raise NanodetError(
            f"{file}: {part}.class_names: is {shortened(own)}, but {names_of} has {shortened(names)}"
        )
    reading = Reading.of_section(section, f"{part}.", training)
    return read_annotations(
        section.name, section.img_path, section.ann_path, section.list_path, names or own,
        reading=dataclasses.replace(reading, names_of=names_of),
    )  # fmt: skip
