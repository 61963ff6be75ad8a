"""Values that have the right type and still cannot work."""

from nanodet.errors import NanodetError
from nanodet.runtime.fit import FITS


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
    if head.num_classes is not None and head.num_classes < 1:
        fail("model.arch.head.num_classes", "must be at least 1")
    if head.reg_max < 1:
        fail("model.arch.head.reg_max", "must be at least 1")
    for part in ("train", "val", "test"):
        dataset = getattr(config.data, part)
        if dataset is not None:
            _check_dataset(dataset, f"data.{part}", fail)
    positive = {
        "device.batchsize_per_gpu": config.device.batchsize_per_gpu,
        "schedule.total_epochs": config.schedule.total_epochs,
        "schedule.val_intervals": config.schedule.val_intervals,
        "schedule.accumulate": config.schedule.accumulate,
        "schedule.optimizer.lr": config.schedule.optimizer.lr,
        "log.interval": config.log.interval,
    }
    for key, value in positive.items():
        if value <= 0:
            fail(key, f"must be above 0, not {value}")
    not_negative = {
        "seed": config.seed or 0,
        "device.workers_per_gpu": config.device.workers_per_gpu,
        "grad_clip": config.grad_clip or 0,
    }
    for key, value in not_negative.items():
        if value < 0:
            fail(key, f"must not be negative, not {value}")


def _check_dataset(dataset, key, fail):
    if len(dataset.input_size) != 2 or min(dataset.input_size) < 1:
        fail(f"{key}.input_size", f"must be [width, height], not {dataset.input_size}")
    if dataset.fit is not None and dataset.fit not in FITS:
        fail(f"{key}.fit", f"must be one of {', '.join(FITS)}, not {dataset.fit!r}")
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
