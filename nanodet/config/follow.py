"""Keys that follow from others: filled in if they are missing, refused if they differ."""

from collections.abc import Sequence
from typing import Any

from nanodet.config.fixed_size import follow_size
from nanodet.config.keys import Fail

# torch's
WEIGHT_DECAY = {"SGD": 0.0, "Adam": 0.0, "AdamW": 0.01}


def fill(config: Any, fail: Fail) -> None:
    """Fill a config in place.

    Args:
        config: a `Config` whose values are within bounds.
        fail: called with key and reason if a given value differs from what follows.
    """
    head, names = config.model.arch.head, config.class_names
    if names is None:
        names = config.class_names = config.data.train.class_names
    if names is not None:
        agree(
            head, "num_classes", len(names), "model.arch.head", f"class_names has {len(names)} names",
            fail,
        )  # fmt: skip
    check_section(config.model.arch, "model.arch", fail)
    follow_size(config, fail)
    decay, optimizer = config.schedule.lr_schedule, config.schedule.optimizer
    if decay.name == "CosineAnnealingLR" and decay.T_max is None:
        decay.T_max = config.schedule.total_epochs
    if optimizer.weight_decay is None:
        optimizer.weight_decay = WEIGHT_DECAY.get(optimizer.name)


def take_classes(config: Any, names: Sequence[str] | None) -> None:
    """Fill in the classes that a config leaves to the data.

    Args:
        config: a `Config`, changed in place if it names no classes and does not set a different number.
        names: the class names of a model that was trained with it; None for a model without names.
    """
    head = config.model.arch.head
    if config.class_names is None and names and head.num_classes in (None, len(names)):
        config.class_names, head.num_classes = list(names), len(names)


def check_section(section: Any, name: str, fail: Fail) -> None:
    """Call the checks of a part's section; ``name`` is the prefix of its keys."""
    if hasattr(section, "check"):
        section.check(lambda key, why: fail(f"{name}.{key}", why))


def agree(section: Any, name: str, follows: Any, prefix: str, why: str, fail: Fail) -> None:
    """Fill in a key that follows from another; call ``fail`` if a given value differs.

    Args:
        section: a dataclass; one without this key is not changed.
        name: of the key.
        follows: the value that follows.
        prefix: dotted key of the section, for messages.
        why: where the value comes from.
        fail: called with key and reason.
    """
    value = getattr(section, name, follows)
    if value is None:
        setattr(section, name, follows)
    elif value != follows:
        fail(f"{prefix}.{name}", f"is {value}, but {why}; remove it, it follows from that")
