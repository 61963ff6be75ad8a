"""Values that have the right type and still cannot work."""

from nanodet.config.schema import DATASET_CHOICES
from nanodet.errors import NanodetError
from nanodet.runtime.fit import ALIGNMENT, FITS


def check(config, file):
    """Raise `NanodetError` for the first value that cannot work.

    Fills ``model.arch.head.num_classes`` from ``class_names`` where it is not given.
    """

    def fail(key, why):
        raise NanodetError(f"{file}: {key}: {why}")

    head = config.model.arch.head
    names = config.class_names
    if names is not None and len(set(names)) != len(names):
        fail("class_names", "a name occurs twice")
    if head.num_classes is None and names is not None:
        head.num_classes = len(names)
    if names is not None and head.num_classes != len(names):
        fail(
            "model.arch.head.num_classes",
            f"is {head.num_classes}, but class_names has {len(names)} names",
        )
    for part in ("train", "val", "test"):
        dataset = getattr(config.data, part)
        if dataset is not None:
            _check_dataset(dataset, f"data.{part}", fail)
            if dataset.class_names and names and dataset.class_names != names:
                fail(f"data.{part}.class_names", "differs from class_names, or in its order")
    for key, low, high in _BOUNDS:
        value = _at(config, key)
        if value is not None and not low <= value <= high:
            limits = f"{low:g} to {high:g}" if high < _MUCH else f"at least {low:g}"
            fail(key, f"must be {limits}, not {value:g}")
    for key, known in _NAMES:
        value = _at(config, key)
        if value is not None and value != known:
            fail(key, f"{value!r} is not built into this version; known: {known}")
    optimiser = config.schedule.optimizer
    betas = optimiser.betas
    if betas is not None and (len(betas) != 2 or not all(0 <= b < 1 for b in betas)):
        fail("schedule.optimizer.betas", f"must be two numbers, 0 to 1, not {betas}")
    if optimiser.nesterov and (not optimiser.momentum or optimiser.dampening):
        fail("schedule.optimizer.nesterov", "needs a momentum, and no dampening")


_MUCH = 2**31
_LEAST = 1e-12  # above zero
# key, lowest and highest value
_BOUNDS = (
    ("seed", 0, _MUCH),
    ("grad_clip", 0, _MUCH),
    ("log.interval", 1, _MUCH),
    ("model.arch.fpn.out_channels", 1, 4096),
    ("model.arch.head.num_classes", 1, 65536),
    ("model.arch.head.input_channel", 1, 4096),
    ("model.arch.head.feat_channels", 1, 4096),
    ("model.arch.head.stacked_convs", 0, 64),
    ("model.arch.head.reg_max", 1, 256),
    ("model.arch.head.octave_base_scale", 1, 1024),
    ("model.arch.head.loss.loss_qfl.beta", 0, 16),
    ("model.arch.head.loss.loss_qfl.loss_weight", 0, _MUCH),
    ("model.arch.head.loss.loss_dfl.loss_weight", 0, _MUCH),
    ("model.arch.head.loss.loss_bbox.loss_weight", 0, _MUCH),
    ("model.weight_averager.decay", 0, 1),
    ("device.batchsize_per_gpu", 1, _MUCH),
    ("device.workers_per_gpu", 0, 4096),
    ("device.num_nodes", 1, 4096),
    ("schedule.total_epochs", 1, _MUCH),
    ("schedule.val_intervals", 1, _MUCH),
    ("schedule.accumulate", 1, _MUCH),
    ("schedule.early_stopping.patience", 0, _MUCH),
    ("schedule.optimizer.lr", _LEAST, _MUCH),
    ("schedule.optimizer.weight_decay", 0, _MUCH),
    ("schedule.optimizer.momentum", 0, 1),
    ("schedule.optimizer.dampening", 0, 1),
    ("schedule.optimizer.eps", 0, 1),
    ("schedule.warmup.steps", 0, _MUCH),
    ("schedule.warmup.ratio", 0, 1),
    ("schedule.lr_schedule.T_max", 1, _MUCH),
    ("schedule.lr_schedule.eta_min", 0, _MUCH),
    ("schedule.lr_schedule.gamma", 0, 1),
    ("evaluator.score", 0, 1),
    ("evaluator.nms_iou", 0, 1),
    ("evaluator.per_level", 1, _MUCH),
    ("evaluator.per_picture", 1, _MUCH),
)
_NAMES = (
    ("model.weight_averager.name", "ExpMovingAverager"),
    ("evaluator.name", "CocoDetectionEvaluator"),
)


def _at(config, key):
    """Return the value of a dotted key, ``None`` where a section on the way is left out."""
    for name in key.split("."):
        config = getattr(config, name, None)
    return config


def _check_dataset(dataset, key, fail):
    if len(dataset.input_size) != 2 or min(dataset.input_size) < 1:
        fail(f"{key}.input_size", f"must be [width, height], not {dataset.input_size}")
    if dataset.fit is not None and dataset.fit not in FITS:
        fail(f"{key}.fit", f"must be one of {', '.join(FITS)}, not {dataset.fit!r}")
    for name, known in DATASET_CHOICES.items():
        value = getattr(dataset, name)
        if value is not None and value not in known:
            fail(f"{key}.{name}", f"must be one of {', '.join(known)}, not {value!r}")
    fit = dataset.effective_fit
    if fit == "letterbox" and any(side % ALIGNMENT for side in dataset.input_size):
        fail(f"{key}.input_size", f"must be multiples of {ALIGNMENT}, not {dataset.input_size}")
    for name in ("use_instance_mask", "use_seg_mask", "use_keypoint", "load_mosaic"):
        if getattr(dataset, name):
            fail(f"{key}.{name}", "is not built into this version")
    pipeline = dataset.pipeline
    for name, value in (
        ("multi_scale", dataset.multi_scale),
        ("pipeline.scale", pipeline.scale),
        ("pipeline.contrast", pipeline.contrast),
        ("pipeline.saturation", pipeline.saturation),
    ):
        lowest_may_be_zero = name in ("pipeline.contrast", "pipeline.saturation")
        if value is not None and not _is_range(value, lowest_may_be_zero):
            fail(f"{key}.{name}", f"must be [low, high] above 0, not {value}")
    stretch = pipeline.stretch
    if stretch is not None and (len(stretch) != 2 or not all(map(_is_range, stretch))):
        fail(f"{key}.pipeline.stretch", "must be [[low, high], [low, high]] above 0")
    for name in ("perspective", "rotation", "shear", "translate", "brightness"):
        if (getattr(pipeline, name) or 0) < 0:
            fail(f"{key}.pipeline.{name}", "must not be negative")
    if not 0 <= pipeline.flip <= 1:
        fail(f"{key}.pipeline.flip", "is a probability, 0 to 1")
    mean_std = pipeline.normalize
    if len(mean_std) != 2 or any(len(v) != 3 for v in mean_std) or min(mean_std[1]) <= 0:
        fail(f"{key}.pipeline.normalize", "must be [[mean x 3], [std x 3]] with std above 0")


def _is_range(value, lowest_may_be_zero=False):
    low_enough = len(value) == 2 and (value[0] > 0 or (lowest_may_be_zero and value[0] == 0))
    return low_enough and value[0] <= value[1]
