"""The two sets of a training: read, and checked against the config and each other."""

from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError

PROBLEMS_SHOWN = 5


def read_sets(config, file, say):
    """Read both sets; fills the config's class names and their number where it has none.

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
    training_set = _read(config.data.train, names)
    if names is None:
        names = list(training_set.class_names)
    validation_set = _read(config.data.val, names)
    head = config.model.arch.head
    if config.class_names is None:
        config.class_names = names
    if head.num_classes is None:
        head.num_classes = len(names)
    for part, found in (("train", training_set), ("val", validation_set)):
        if len(found.class_names) != head.num_classes:
            raise NanodetError(
                f"{file}: model.arch.head.num_classes: is {head.num_classes}, but data.{part} has "
                f"{len(found.class_names)} classes"
            )
        for problem in found.problems[:PROBLEMS_SHOWN]:
            say(f"data.{part}: {problem}")
        if len(found.problems) > PROBLEMS_SHOWN:
            say(f"data.{part}: {len(found.problems) - PROBLEMS_SHOWN} more such lines")
    return training_set, validation_set


def _read(section, class_names):
    return read_annotations(
        section.name, section.img_path, section.ann_path, section.list_path,
        section.class_names or class_names,
    )  # fmt: skip
