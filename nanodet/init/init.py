"""From a folder of annotated images to the config of a training."""

import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanodet.config import config_from_dict
from nanodet.config.check import failing
from nanodet.config.effects import refuse_without_effect
from nanodet.config.keys import Fail
from nanodet.config.schema import Config
from nanodet.data.assemble import checked_names
from nanodet.data.discover import discover
from nanodet.data.formats import FORMATS
from nanodet.data.reading import Reading
from nanodet.data.records import Picture
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import check_writable, text_name, write_text
from nanodet.files.yaml_text import parse_yaml
from nanodet.hub.catalogue import CATALOGUE
from nanodet.init.machine import settings_for, this_machine
from nanodet.init.models import DEFAULT, template
from nanodet.init.recipe import SEED, TRAINING_BYTES, recipe
from nanodet.init.sets import train_and_val
from nanodet.init.size import boxes_line, choose_size
from nanodet.init.start import start_of
from nanodet.init.text import config_text
from nanodet.runtime.fit import ALIGNMENT, Size, nearest_aligned
from nanodet.runtime.options import LARGEST_SIDE
from nanodet.text import Say
from nanodet.text.counted import counted
from nanodet.text.names import shortened
from nanodet.text.printable import say as print_line
from nanodet.text.table import aligned


def init(
    path: StrPath,
    out: StrPath,
    model: str = DEFAULT,
    size: Size | None = None,
    weights: StrPath | None = None,
    reading: Reading | None = None,
    seed: int = SEED,
    force: bool = False,
    classes: Sequence[str] | None = None,
    say: Say = print_line,
) -> Config:
    """Write the config of a training on the images of a folder, and the lists of a split if it has none.

    Args:
        path: a folder, a data.yaml or an annotation file, see `nanodet.data.discover`.
        out: the config to write; lists are written beside it.
        model: a name in `nanodet.init.models.MODELS`, or a config file.
        size: (width, height) of the input, multiples of 32; None to choose it.
        weights: checkpoint or published name to start from; None to choose.
        reading: how to read the annotations; its choices are written into the config.
        seed: of the split and the training.
        force: whether existing files are replaced.
        classes: the names of those to learn, in the order that the model will have; None for all.
        say: gets lines for the user.

    Returns:
        the config.

    Raises:
        NanodetError: nothing to train on, a fault of the data, or existing files.
    """
    out = Path(text_name(out))
    lists = [out.with_name(f"{out.stem}-{part}.txt") for part in ("train", "val")]
    _check_out([out], force)
    found_template = template(model)
    if size is not None and any(side % ALIGNMENT or side > LARGEST_SIDE for side in size):
        near = "x".join(map(str, nearest_aligned(min(side, LARGEST_SIDE) for side in size)))
        raise NanodetError(
            f"--size {size[0]}x{size[1]}: must be multiples of {ALIGNMENT} up to {LARGEST_SIDE}, "
            f"such as {near}"
        )
    if weights is not None and weights not in CATALOGUE and not Path(weights).is_file():
        raise NanodetError(f"--weights {weights}: there is no such file")
    reading = reading or Reading(place="--")
    if classes is not None:
        classes = checked_names(classes, "--classes")
        reading = dataclasses.replace(reading, names_of="--classes")
    found = discover(path)
    for one in (found.train, found.val or found.train):
        for place in (one.images, one.annotations, one.list_path or ""):
            text_name(place)
    if found.val is None:
        _check_out(lists, force)
    else:
        lists = []
    data = train_and_val(found, lists, classes, reading, seed, say)
    names, pictures = data.class_names, data.pictures
    if not any(len(picture.boxes) for picture in pictures[0]):
        raise NanodetError(f"{found.train.annotations}: has no boxes to train on")
    if classes is not None:
        seen = {n for part in pictures for picture in part for n in picture.labels.tolist()}
        if absent := [name for n, name in enumerate(names) if n not in seen]:
            raise NanodetError(
                f"--classes: {found.train.annotations} has no box of {shortened(absent)}"
            )

    if size is None and found_template.size is not None:
        size = found_template.size
        why = ["the only size that this model takes", boxes_line(pictures[0], size)]
    elif size is None:
        size, why = choose_size(pictures[0], found_template.largest)
    else:
        why = [boxes_line(pictures[0], size)]
    machine = this_machine()
    settings = settings_for(machine, pictures[0], size)
    batch = settings.batch[0]
    needed, free = batch * TRAINING_BYTES * size[0] * size[1], machine.gpu or machine.memory
    if needed > free:
        say(
            f"warning: a training with an input of {size[0]} x {size[1]} needs about {needed / 1e9:.1f} GB, "
            f"but {free / 1e9:.1f} GB of memory are free: a smaller --size is needed"
        )
    start = start_of(weights, found_template, say)
    plan = recipe(len(pictures[0]), batch, fine_tuned=start.load_model is not None)
    figures = [_figures(part) for part in pictures]

    written = config_text(
        about=f"Written by nanodet init for {path}: {counted(len(names), 'class', 'es')}, "
        f"{counted(sum(map(len, pictures)), 'image')}.",
        out=str(out), save_dir=f"workspace/{out.stem}", seed=seed, model=model, start=start,
        sets=list(zip(data.sets, figures, strict=True)),
        choices={key: v for key, v in reading.choices().items() if key not in ("format", "list_path")},
        split=data.how, size=size, size_why=why, settings=settings, recipe=plan,
        steps=math.ceil(len(pictures[0]) / batch) * plan.epochs, class_names=names,
    )  # fmt: skip
    config = config_from_dict(parse_yaml(written, out), out)
    refuse_without_effect(config, _failing(out, reading))
    for file, content in zip(lists, data.lists, strict=True):
        write_text(file, content)
    write_text(out, written)
    kind = FORMATS[found.train.format].short[0]
    lines = [
        f"{path}: {kind}, images in {found.train.images}, annotations in {found.train.annotations}",
        *_table(names, pictures),
        f"train: {figures[0]}",
        f"val: {figures[1]}" + (f" ({data.how})" if data.how else ""),
        f"input {size[0]} x {size[1]}: {'; '.join(why)}",
        f"{model}, {start.line}",
        f"{plan.epochs} epochs, batches of {batch}",
        f"written: {', '.join(map(str, [out, *lists]))}",
        f"look for faults of the images and boxes: {shlex.join(['nanodet', 'doctor', str(out)])}",
        f"next: {shlex.join(['nanodet', 'train', str(out)])}",
    ]
    for line in lines:
        say(line)
    return config


def _failing(out: Path, reading: Reading) -> Fail:
    """Return a function that raises a `NanodetError`, about the option that has set a key if one has."""

    def fail(key: str, why: str) -> None:
        option = key.rpartition(".")[2]
        if key.startswith("data.") and option in reading.choices():
            raise NanodetError(f"{reading.spelled(option)}: {why}")
        failing(out)(key, why)

    return fail


def _check_out(files: Sequence[Path], force: bool) -> None:
    """Raise `NanodetError` if a file cannot be written, or would be replaced."""
    for file in files:
        if file.exists() and not file.is_dir() and not force:
            raise NanodetError(
                f"{file}: exists already; --force replaces it, --out writes another one"
            )
        check_writable(file)


def _figures(pictures: Sequence[Picture]) -> str:
    boxes = sum(len(picture.boxes) for picture in pictures)
    empty = sum(not len(picture.boxes) for picture in pictures)
    text = f"{counted(len(pictures), 'image')}, {counted(boxes, 'box', 'es')}"
    return text + f", {counted(empty, 'image')} without objects" * bool(empty)


def _table(names: Sequence[str], pictures: Sequence[Sequence[Picture]]) -> list[str]:
    """Return lines with the boxes of each class in both sets."""
    counts = [
        np.bincount(np.concatenate([p.labels for p in part]), minlength=len(names))
        for part in pictures
    ]
    shown = (
        range(len(names))
        if len(names) <= 20
        else np.argsort(-counts[0], kind="stable")[:20].tolist()
    )
    rows = [[shortened([names[n]]), *(str(part[n]) for part in counts)] for n in shown]
    lines = aligned(["boxes", "train", "val"], rows)
    if len(names) > len(shown):
        lines.append(f"... and {len(names) - len(shown)} classes with fewer boxes")
    return lines
