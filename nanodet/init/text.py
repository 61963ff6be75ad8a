"""The text of a config, with comments that say where its values come from."""

import shlex
from collections.abc import Sequence
from typing import Any

import yaml

from nanodet.config.data_sections import Pipeline
from nanodet.data.discover import FoundSet
from nanodet.data.formats import FORMATS
from nanodet.init.machine import Settings
from nanodet.init.recipe import PRECISION, Recipe
from nanodet.init.start import Start
from nanodet.runtime.fit import Size
from nanodet.text.printable import printable

LINE = 100  # characters, after which a list of class names goes on in the next line


def config_text(
    *,
    about: str,
    out: str,
    save_dir: str,
    seed: int,
    model: str,
    start: Start,
    sets: Sequence[tuple[FoundSet, str]],
    choices: dict[str, Any],
    split: str,
    size: Size,
    size_why: Sequence[str],
    settings: Settings,
    recipe: Recipe,
    steps: int,
    class_names: Sequence[str],
) -> str:
    """Return a config.

    Args:
        about: what it was written for; out: its path; save_dir: the run folder; seed: of the training.
        model: name of the model; start: its architecture and weights.
        sets: of training and validation, each with a line on its figures.
        choices: keys of ``data.train`` and ``data.val`` that say how annotations are read.
        split: the line on a split that was made, "" if the data has one.
        size: of the input, (width, height); size_why: lines on it.
        settings: for the machine; recipe: of the training; steps: of the whole training.
        class_names: in order.
    """
    arch = dict(start.arch)
    if "detach_epoch" in arch:
        arch["detach_epoch"] = recipe.detach_epoch
    batch, workers, cache, gpus = settings
    same = {}  # of both pipelines
    if start.normalize not in (None, Pipeline().normalize):
        same["normalize"] = start.normalize
    lines = [
        f"# {printable(about)}",
        f"#   {printable(shlex.join(['nanodet', 'train', out]))}",
        "# Relative paths are those from the folder in which this is run. docs/config.md has every key.",
        f"save_dir: {_value(save_dir)} # the result: model_best/model_best.ckpt",
        f"seed: {seed}",
        f"model: # {printable(model)}",
        f"  weight_averager: {{name: ExpMovingAverager, decay: {recipe.ema_decay}, "
        f"ramp_steps: {recipe.ema_ramp}}} # over the last {1 / (1 - recipe.ema_decay):.0f} of {steps} steps",
        "  arch:",
        *(f"    {key}: {_value(value)}" for key, value in arch.items()),
        "data:",
    ]
    for part, (found, figures) in zip(("train", "val"), sets, strict=True):
        lines += [
            f"  {part}: # {figures}",
            f"    name: {found.format} # {FORMATS[found.format].short[0]}",
            f"    img_path: {_value(str(found.images))}",
            f"    ann_path: {_value(str(found.annotations))}",
        ]
        if found.list_path is not None:
            why = f" # {split}" if split and part == "train" else ""
            lines.append(f"    list_path: {_value(str(found.list_path))}{why}")
        lines += [f"    {key}: {_value(value)}" for key, value in choices.items()]
        if part == "train":
            lines += [f"    # {line}" for line in size_why]
        lines += [
            f"    input_size: [{size[0]}, {size[1]}]" + " # [width, height]" * (part == "train"),
            "    fit: letterbox" + " # as in the exported model" * (part == "train"),
        ]
        if part == "train":
            lines.append(f"    cache: {_value(cache[0])} # {cache[1]}")
        if pipeline := {**(recipe.pipeline if part == "train" else {}), **same}:
            lines.append("    pipeline:")
            lines += [f"      {key}: {_value(value)}" for key, value in pipeline.items()]
    optimizer = {
        "name": "AdamW", "lr": recipe.lr, "weight_decay": recipe.weight_decay, "no_norm_decay": True,
    }  # fmt: skip
    warmup = {"name": "linear", "steps": recipe.warmup_steps, "ratio": recipe.warmup_ratio}
    cosine = {"name": "CosineAnnealingLR", "eta_min": recipe.lr_end}
    lines += [
        "device:",
        *([f"  gpu_ids: {gpus[0]} # {gpus[1]}"] if gpus[0] else []),
        f"  workers_per_gpu: {workers[0]} # {workers[1]}",
        f"  batchsize_per_gpu: {batch[0]} # {batch[1]}",
        f"  precision: {PRECISION} # half precision where it is faster",
        "schedule:",
        f"  # {printable(start.line)}",
        *([f"  load_model: {_value(start.load_model)}"] if start.load_model else []),
        f"  optimizer: {_value(optimizer)} # lr with the root of the batch",
        f"  warmup: {_value(warmup)}",
        f"  total_epochs: {recipe.epochs} # {steps} steps",
        f"  lr_schedule: {_value(cosine)}",
        f"  val_intervals: {recipe.val_intervals}",
        f"grad_clip: {recipe.grad_clip:g}",
        f"log: {{interval: {recipe.log_interval}}}",
        f"class_names: {_names(class_names)}",
    ]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, float):
        return _number(value)
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        allow_unicode=True,
        width=2**30,
        sort_keys=False,
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _number(value: float) -> str:
    """Return a number without an exponent, whose form ``2e-05`` YAML reads as text."""
    return f"{value:.10f}".rstrip("0").removesuffix(".")


class _Dumper(yaml.SafeDumper):
    """Writes numbers as `_number` does, line breaks of Unicode as escapes, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if value.splitlines() == [value] else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


def _number_node(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", _number(value))


_Dumper.add_representer(str, _text_node)
_Dumper.add_representer(float, _number_node)


def _names(names: Sequence[str]) -> str:
    """Return a list of names, on several lines if it is long."""
    lines = ["["]
    for n, name in enumerate(names):
        word = _value([name])[1:-1] + ("]" if n == len(names) - 1 else ", ")
        if len(lines[-1]) + len(word) > LINE:
            lines[-1] = lines[-1].rstrip()
            lines.append("  ")
        lines[-1] += word
    return "\n".join(lines)
