"""The grid of widths and input sizes that ``nanodet choose`` trains from one config, as a study file."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from nanodet.config import load_config
from nanodet.config.fixed_size import fixed_size
from nanodet.config.keys import meaning
from nanodet.config.load import apply_override
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.runtime.fit import ALIGNMENT, Size
from nanodet.runtime.spec import check_input_size
from nanodet.study.plan import OWN

SCALES = (0.75, 1.0, 1.25)  # of the config's input size, without --sizes
WIDTH = "model.arch.backbone.model_size"


def grid_study(
    config: StrPath,
    overrides: Sequence[str],
    folder: Path,
    widths: Sequence[str] | None = None,
    sizes: Sequence[Size] | None = None,
) -> str:
    """Return the text of a study file: every width with every input size, one seed.

    Args:
        config: the training config.
        overrides: texts ``key=value`` that change it.
        folder: of the runs.
        widths: values of the backbone's ``model_size``; None: the config's.
        sizes: (width, height) of the network's input, multiples of 32; None: the config's times `SCALES`.

    Raises:
        NanodetError: a wrong config; a width or size that its network does not take.
    """
    loaded = load_config(config, overrides)
    backbone = loaded.model.arch.backbone
    known = _known_widths(backbone)
    for width in widths or ():
        if width not in known:
            few = f"its widths are {', '.join(known)}" if known else "it has one width"
            raise NanodetError(f"--widths: {width}: {config} has {backbone.name}, and {few}")
    only = fixed_size(loaded.model.arch)
    if sizes and only is not None:
        raise NanodetError(f"--sizes: the network of {config} takes {only[0]}x{only[1]} alone")
    for size in sizes or ():
        check_input_size(size, "--sizes")
    own = [backbone.model_size] if known else [None]
    variants = {
        _name(width, size): _changes(width, size)
        for width in widths or own
        for size in sizes or ([only] if only else usual_sizes(loaded))
    }
    changes = {text.partition("=")[0]: apply_override({}, text) for text in overrides}
    changes = {name: value for name, value in changes.items() if name not in OWN}
    mapping = {
        "config": str(Path(config).absolute()),
        "save_dir": str(folder),
        "seeds": [loaded.seed or 0],
        **({"set": changes} if changes else {}),
        "variants": variants,
    }
    body = yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)
    return f"{_head(body)}\n{body}"


def is_changed(text: str) -> bool:
    """Return whether the text of a study file is not as `grid_study` wrote it."""
    head, _, body = text.partition("\n")
    return head != _head(body)


def _head(body: str) -> str:
    checksum = hashlib.sha256(body.encode()).hexdigest()[:12]
    return f"# Written by nanodet choose ({checksum}): change it and give it to nanodet choose or study."


def usual_sizes(config: Config) -> list[Size]:
    """Return the input sizes that are tried without a wish: about three quarters to five quarters."""

    def aligned(side: float) -> int:
        return max(round(side / ALIGNMENT), 2) * ALIGNMENT

    width, height = config.data.val.input_size
    return list(dict.fromkeys((aligned(s * width), aligned(s * height)) for s in SCALES))


def _known_widths(backbone: Any) -> list[str]:
    for entry in fields(backbone):
        if entry.name == "model_size":
            return [str(one) for one in meaning(entry).known]
    return []


def _name(width: str | None, size: Size) -> str:
    words = [width] if width else []
    return " ".join([*words, f"{size[0]}x{size[1]}"])


def _changes(width: str | None, size: Size) -> dict[str, Any]:
    changes: dict[str, Any] = {} if width is None else {WIDTH: width}
    return changes | {f"data.{part}.input_size": list(size) for part in ("train", "val")}
