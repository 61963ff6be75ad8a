"""Checks for values that have the right type but cannot work."""

from collections.abc import Sequence
from typing import Any, NoReturn

from nanodet.config.follow import check_section, fill
from nanodet.config.hints import unknown_value
from nanodet.config.keys import MUCH, Fail, look_up, meaning, sections
from nanodet.config.schema import PRECISIONS
from nanodet.errors import NanodetError
from nanodet.runtime.fit import ALIGNMENT
from nanodet.text.names import LONGEST, is_short, is_unicode


def failing(file: object) -> Fail:
    """Return a function ``fail(key, why)`` that raises a `NanodetError` naming ``file`` and key."""

    def fail(key: str, why: str) -> NoReturn:
        raise NanodetError(f"{file}: {key}: {why}")

    return fail


def check(config: Any, fail: Fail) -> None:
    """Call ``fail`` for every value that cannot work.

    Fills in missing keys that follow from others, see `nanodet.config.follow`.

    Args:
        config: a `Config`.
        fail: called with key and reason, see `failing`.
    """
    check_values(config, fail)
    fill(config, fail)
    if not config.save_dir.strip():
        fail("save_dir", "is empty")
    names = config.class_names
    if names is not None and len(set(names)) != len(names):
        fail("class_names", "a name occurs twice")
    if not all(map(is_short, names or ())):
        fail("class_names", f"a name is longer than {LONGEST} bytes")
    if not all(map(is_unicode, names or ())):
        fail("class_names", "contains an incomplete character")
    check_data(config.data, fail, names)
    precision = config.device.precision
    if str(precision) not in PRECISIONS:
        fail("device.precision", unknown_value(precision, PRECISIONS, "device.precision"))
    ids = config.device.gpu_ids
    listed = [ids] if isinstance(ids, int) else ids
    if ids not in ("auto", -1, [-1]) and (
        isinstance(ids, str)
        or not listed
        or any(i < 0 for i in listed)
        or len({*listed}) < len(listed)
    ):
        fail("device.gpu_ids", f"must be a list of GPUs counted from 0, -1 or auto, not {ids!r}")
    check_section(config.distill, "distill", fail)
    _check_schedule(config.schedule, fail)


def check_data(data: Any, fail: Fail, class_names: Sequence[str] | None = None) -> None:
    """Call ``fail`` for what cannot work in a config's ``data``, whose values are within bounds.

    Args:
        data: a `nanodet.config.data_sections.Data`.
        fail: called with key and reason.
        class_names: the config's, None if it has none.
    """
    for part in ("train", "val"):
        dataset = getattr(data, part)
        _check_dataset(dataset, f"data.{part}", fail)
        if dataset.class_names and class_names and dataset.class_names != class_names:
            fail(f"data.{part}.class_names", "differs from class_names or its order")


def check_values(section: Any, fail: Fail, prefix: str = "") -> None:
    """Call ``fail`` for the first key whose value is out of bounds or unknown.

    Args:
        section: a dataclass of `nanodet.config.schema`.
        fail: called with key and reason.
        prefix: of the section's dotted keys.
    """
    for key, entry, value in sections(section, prefix):
        _, low, high, known, *_ = meaning(entry)
        if value is None:
            continue
        for one in value if known and isinstance(value, list) else [value]:
            if known and one not in known:
                fail(key, unknown_value(one, known, key, meaning(entry).instead))
        if low is None or high is None:
            continue
        for number in value if isinstance(value, list) else [value]:
            if not low <= number <= high:
                most = f"at most {high:g}" if high == MUCH < number else limits(low, high)
                fail(key, f"must be {most}, not {value}")


def limits(low: float, high: float) -> str:
    """Return the bounds of a number in words."""
    if high < MUCH:
        return f"above 0, to {high:g}" if 0 < low < 1e-6 else f"{low:g} to {high:g}"
    return "above 0" if 0 < low < 1e-6 else f"at least {low:g}"


def _check_dataset(dataset, key, fail):
    full = look_up("nanodet.data.formats:full_name")(dataset.name)
    if full is None:
        known = look_up("nanodet.data.formats:FORMATS")
        fail(f"{key}.name", unknown_value(dataset.name, known, f"{key}.name"))
    else:
        dataset.name = full
    if len(dataset.input_size) != 2:
        fail(f"{key}.input_size", f"must be [width, height], not {dataset.input_size}")
    fit = dataset.effective_fit
    if fit == "letterbox" and any(side % ALIGNMENT for side in dataset.input_size):
        fail(f"{key}.input_size", f"must be multiples of {ALIGNMENT}, not {dataset.input_size}")
    pipeline = dataset.pipeline
    for name, value in (
        ("multi_scale", dataset.multi_scale),
        ("pipeline.scale", pipeline.scale),
        ("pipeline.contrast", pipeline.contrast),
        ("pipeline.saturation", pipeline.saturation),
        ("pipeline.mosaic_scale", pipeline.mosaic_scale),
        ("pipeline.crop_size", pipeline.crop_size),
    ):
        lowest_may_be_zero = name in ("pipeline.contrast", "pipeline.saturation")
        if value is not None and not _is_range(value, lowest_may_be_zero):
            fail(f"{key}.{name}", f"must be [low, high] above 0, not {value}")
    if pipeline.crop_size[1] > 1:
        fail(f"{key}.pipeline.crop_size", f"must be at most 1, not {pipeline.crop_size}")
    stretch = pipeline.stretch
    if stretch is not None and (len(stretch) != 2 or not all(map(_is_range, stretch))):
        fail(f"{key}.pipeline.stretch", "must be [[low, high], [low, high]] above 0")
    mean_std = pipeline.normalize
    if len(mean_std) != 2 or any(len(v) != 3 for v in mean_std) or min(mean_std[1]) <= 0:
        fail(f"{key}.pipeline.normalize", "must be [[mean x 3], [std x 3]] with std above 0")


def _is_range(value, lowest_may_be_zero=False):
    low_enough = len(value) == 2 and (value[0] > 0 or (lowest_may_be_zero and value[0] == 0))
    return low_enough and value[0] <= value[1]


def _check_schedule(schedule, fail):
    optimiser = schedule.optimizer
    betas = optimiser.betas
    if betas is not None and (len(betas) != 2 or not all(0 <= b < 1 for b in betas)):
        fail("schedule.optimizer.betas", f"must be two numbers, 0 to 1, not {betas}")
    if optimiser.nesterov and (not optimiser.momentum or optimiser.dampening):
        fail("schedule.optimizer.nesterov", "needs a momentum and no dampening")
