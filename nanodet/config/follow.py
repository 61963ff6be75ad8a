"""What follows from other keys: filled in where a file leaves it out, refused where it differs."""

from nanodet.config.fixed_size import follow_size

# torch's
WEIGHT_DECAY = {"SGD": 0.0, "Adam": 0.0, "AdamW": 0.01}


def fill(config, fail):
    """Fill a config in place.

    Args:
        config: a `Config` whose values are in their bounds.
        fail: called with key and reason where a given value differs from what follows.
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


def take_classes(config, names):
    """Fill the classes in that a config leaves to the data.

    Args:
        config: a `Config`, changed in place where it names no classes and gives no other number.
        names: those of a model that was trained with it; None for a model without names.
    """
    head = config.model.arch.head
    if config.class_names is None and names and head.num_classes in (None, len(names)):
        config.class_names, head.num_classes = list(names), len(names)


def check_section(section, name, fail):
    """Call the checks that a part's section brings; its keys begin with ``name``."""
    if hasattr(section, "check"):
        section.check(lambda key, why: fail(f"{name}.{key}", why))


def agree(section, name, follows, prefix, why, fail):
    """Fill a key in that follows from another; ``fail`` where a given value differs.

    Args:
        section: a dataclass; one without this key is left alone.
        name: of the key.
        follows: its value.
        prefix: dotted key of the section, for messages.
        why: where the value comes from.
        fail: called with key and reason.
    """
    value = getattr(section, name, follows)
    if value is None:
        setattr(section, name, follows)
    elif value != follows:
        fail(f"{prefix}.{name}", f"is {value}, but {why}; leave it out, it follows from that")
