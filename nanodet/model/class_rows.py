"""Which class of a checkpoint is which class of a network: by name, where both have names."""

import torch

from nanodet.errors import NanodetError
from nanodet.runtime.names import is_numbering, match_names, shortened


def matching_classes(class_names, checkpoint):
    """Find the classes of a network in a checkpoint.

    Args:
        class_names: the network's, None where it has none.
        checkpoint: a `nanodet.model.checkpoint.Checkpoint`.

    Returns:
        for each class of the network its index in the checkpoint, None where it is not there; None
        instead of the list where one side has no names, or they share none.

    Raises:
        NanodetError: a name may be two of the checkpoint's.
    """
    theirs = names_in(checkpoint)
    if not class_names or not theirs or is_numbering(class_names):
        return None
    found = match_names(class_names, theirs, checkpoint.path)
    return None if set(found) == {None} else found


def names_in(checkpoint):
    """Return the class names that a checkpoint carries, None where it has none."""
    names = checkpoint.config.class_names if checkpoint.config else None
    return None if not names or is_numbering(names) else names


def take_rows(own, given, classes, count):
    """Return an output layer's weights or biases with the rows of a checkpoint's classes.

    Args:
        own: the network's tensor: a row for each class, then those of the edges if it has them.
        given: the checkpoint's.
        classes: for each class of the network its index in the checkpoint, or None.
        count: number of the checkpoint's classes.

    Returns:
        the tensor, its edge rows the checkpoint's; None where the two do not fit.
    """
    fits = given.shape[1:] == own.shape[1:] and len(given) - count == len(own) - len(classes)
    if not fits:
        return None
    taken = torch.cat((own[: len(classes)], given[count:].to(own.dtype)))
    for n, index in enumerate(classes):
        if index is not None:
            taken[n] = given[index]
    return taken


def check_class_order(class_names, checkpoint, file):
    """Raise `NanodetError` where a config names a checkpoint's classes in another order.

    Args:
        class_names: of the config, None where it has none; other names for the classes are its right.
        checkpoint: a `nanodet.model.checkpoint.Checkpoint`.
        file: names the config.
    """
    found = matching_classes(class_names, checkpoint) or ()
    if any(index not in (None, n) for n, index in enumerate(found)):
        raise NanodetError(
            f"{file}: class_names: is {shortened(class_names)}, but {checkpoint.path} has these in "
            f"another order: {shortened(names_in(checkpoint))}"
        )
