"""Matches the classes of a checkpoint with those of a network by name, if both have names."""

from collections.abc import Sequence
from typing import TypeGuard

import torch

from nanodet.errors import NanodetError
from nanodet.text.names import is_numbering, match_names, shortened


def has_names(names: Sequence[str] | None) -> TypeGuard[Sequence[str]]:
    """Return whether classes have names, not only numbers."""
    return bool(names) and not is_numbering(names or ())


def matching_classes(
    class_names: Sequence[str] | None, theirs: Sequence[str] | None, file: object
) -> list[int | None] | None:
    """Find the classes of a network in a model.

    Args:
        class_names: the network's, None if it has none.
        theirs: the model's, None if it has none.
        file: names the model in messages.

    Returns:
        for each class of the network its index in the model, None if the model lacks it; None
        instead of the list if one side has no names, or they share none.

    Raises:
        NanodetError: a name matches two of the model's.
    """
    if not (has_names(class_names) and has_names(theirs)):
        return None
    found = match_names(class_names, theirs, file)
    return None if set(found) == {None} else found


def take_rows(
    own: torch.Tensor, given: torch.Tensor, classes: Sequence[int | None], count: int
) -> torch.Tensor | None:
    """Return an output layer's weights or biases with the rows of a checkpoint's classes.

    Args:
        own: the network's tensor: a row for each class, then those of the edges if it has them.
        given: the checkpoint's.
        classes: for each class of the network its index in the checkpoint, or None.
        count: number of the checkpoint's classes.

    Returns:
        the tensor, with the edge rows of the checkpoint; None if the two do not fit.
    """
    fits = given.shape[1:] == own.shape[1:] and len(given) - count == len(own) - len(classes)
    if not fits:
        return None
    taken = torch.cat((own[: len(classes)], given[count:].to(own.dtype)))
    for n, index in enumerate(classes):
        if index is not None:
            taken[n] = given[index]
    return taken


def check_class_order(
    class_names: Sequence[str] | None, theirs: Sequence[str] | None, file: object, model: object
) -> None:
    """Raise `NanodetError` if a config has a model's class names in a different order.

    Args:
        class_names: of the config, None if it has none; different names are allowed.
        theirs: the model's, None if it has none.
        file, model: name the two in the message.
    """
    found = matching_classes(class_names, theirs, model) or ()
    if any(index not in (None, n) for n, index in enumerate(found)):
        raise NanodetError(
            f"{file}: class_names: is {shortened(class_names or ())}, but {model} has these in another "
            f"order: {shortened(theirs or ())}"
        )
