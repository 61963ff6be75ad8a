"""Networks that only take images of one size, such as those with learned positions."""

from collections.abc import Callable
from typing import Any


def fixed_size(arch: Any) -> tuple[int, int] | None:
    """Return the only (width, height) that a network takes; None: all multiples of 32.

    Args:
        arch: a checked ``model.arch``. The section of a neck that takes a single size has a method
            ``input_size(strides)``, which returns it.
    """
    says = getattr(arch.fpn, "input_size", None)
    return says(arch.head.strides) if says else None


def follow_size(config: Any, fail: Callable[[str, str], None]) -> None:
    """Call ``fail`` if the data of a config has a size other than the only one its network takes.

    If no fit is given, images that keep their aspect ratio are fitted into that size (``letterbox``).
    """
    size = fixed_size(config.model.arch)
    if size is None:
        return
    why = f"{config.model.arch.fpn.name} only takes {list(size)}"
    for part in ("train", "val"):
        dataset = getattr(config.data, part)
        if dataset.input_size != list(size):
            fail(f"data.{part}.input_size", f"is {dataset.input_size}, but {why}")
        if dataset.multi_scale:
            fail(f"data.{part}.multi_scale", f"{why}: remove it")
        if dataset.fit == "own":
            fail(f"data.{part}.fit", f"own makes images of many sizes, but {why}: remove it")
        if dataset.effective_fit == "own":
            dataset.fit = "letterbox"
