"""The keys that most backbones have in a config, and their checks."""

from collections.abc import Mapping, Sequence
from typing import Any

from nanodet.config.keys import key
from nanodet.model.blocks import ACTIVATIONS
from nanodet.model.part import Fail

_SIZES = ("model_size", "width_mult", "depth", "arch", "model_name")


def size(default: Any, text: str, low: Any = None, high: Any = None, known: Any = ()) -> Any:
    """Return the field of the key that sets the size of a backbone."""
    return key(default, text, low, high, tuple(known), alike=_SIZES)


def out_stages(default: Any, strides: Mapping[int, int]) -> Any:
    """Return the field of ``out_stages``.

    Args:
        default: a list of stages, or `REQUIRED`.
        strides: the stride of every stage, by its number.
    """
    each = ", ".join(f"{stage}: {stride}" for stage, stride in strides.items())
    return key(
        (lambda: list(default)) if isinstance(default, list) else default,
        f"stages whose maps the neck gets; their strides: {each}",
        min(strides), max(strides), alike=("out_indices",),
    )  # fmt: skip


def check_out_stages(stages: Sequence[int], strides: Mapping[int, int], fail: Fail) -> None:
    """Call ``fail`` if a neck cannot use these ``out_stages``: it needs maps of different strides."""
    if not stages or len(set(stages)) < len(stages) or set(stages) - set(strides):
        *most, last = map(str, strides)
        some = f"{', '.join(most)} and {last}" if most else last
        fail("out_stages", f"{list(stages)}: must be some of {some}, each once")
    by_stride: dict[int, int] = {}
    for stage in sorted(stages):
        other = by_stride.setdefault(strides[stage], stage)
        if other != stage:
            why = f"stages {other} and {stage} both have stride {strides[stage]}: choose one"
            fail("out_stages", why)


def activation(default: str, text: str = "after its convolutions") -> Any:
    """Return the field of ``activation``."""
    return key(default, text, known=tuple(ACTIVATIONS), alike=("act",))


def act() -> Any:
    """Return the field of ``act``, which some backbones of the original also read."""
    return key(None, "the old name of `activation`", known=tuple(ACTIVATIONS))


def check_act(section: Any, fail: Fail) -> None:
    """Call ``fail`` if ``act`` and ``activation`` are both given and differ."""
    default = type(section).activation
    if section.act and section.activation not in (default, section.act):
        fail("act", f"is the old name of activation, which is {section.activation}: remove it")


def pretrain(source: str, default: bool = True) -> Any:
    """Return the field of ``pretrain``; ``source`` is the publisher of the ImageNet weights."""
    return key(
        default,
        f"start from {source} ImageNet weights (true), random weights (false) or those of a file; not "
        "needed, and not downloaded, if `schedule.load_model` is given",
        ours=not default, alike=("pretrained", "checkpoint_path"),
    )  # fmt: skip
