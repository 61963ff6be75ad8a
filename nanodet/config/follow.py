"""What follows from other keys: filled in where a file leaves it out, refused where it differs."""

# ShuffleNetV2's channels after conv1, stage2, stage3, stage4, conv5
SHUFFLENETV2_CHANNELS = {
    "0.5x": (24, 48, 96, 192, 1024),
    "1.0x": (24, 116, 232, 464, 1024),
    "1.5x": (24, 176, 352, 704, 1024),
    "2.0x": (24, 244, 488, 976, 2048),
}
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
        _agree(
            head, "num_classes", len(names), "model.arch.head", f"class_names has {len(names)} names",
            fail,
        )  # fmt: skip
    fill_arch(config.model.arch, fail)
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


def fill_arch(arch, fail):
    """Fill ``model.arch``: channels, levels and strides follow from the backbone."""
    backbone, fpn, head = arch.backbone, arch.fpn, arch.head
    if head.norm_cfg is None:
        fail("model.arch.head.norm_cfg", "null is not built into this version; known: {type: BN}")
    stages = sorted(backbone.out_stages)
    if not stages or len(set(stages)) != len(stages):
        fail("model.arch.backbone.out_stages", f"{backbone.out_stages}: must be some of 2, 3 and 4")
    channels = stage_channels(backbone.model_size, backbone.with_last_conv)
    given = [channels[stage] for stage in stages]
    strides = [2 ** (stage + 1) for stage in stages]
    section = "model.arch.fpn"
    _agree(fpn, "in_channels", given, section, f"the backbone gives {given}", fail)
    _agree(fpn, "num_outs", len(given), section, f"the backbone gives {len(given)} maps", fail)
    section, width = "model.arch.head", fpn.out_channels
    _agree(head, "input_channel", width, section, f"fpn.out_channels is {width}", fail)
    _agree(head, "strides", strides, section, f"the backbone's stages have {strides}", fail)
    if head.stacked_convs == 0 and head.feat_channels != width:
        fail(f"{section}.feat_channels", f"must be fpn.out_channels, {width}: stacked_convs is 0")


def stage_channels(model_size, with_last_conv):
    """Return the channels of ShuffleNetV2's maps behind stages 2, 3 and 4, by stage."""
    _, *channels, last = SHUFFLENETV2_CHANNELS[model_size]
    if with_last_conv:
        channels[-1] = last
    return dict(zip((2, 3, 4), channels, strict=True))


def _agree(section, name, follows, prefix, why, fail):
    value = getattr(section, name)
    if value is None:
        setattr(section, name, follows)
    elif value != follows:
        fail(f"{prefix}.{name}", f"is {value}, but {why}; leave it out, it follows from that")
