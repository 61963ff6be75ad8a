"""Loads the teacher of a training, and checks it against the student."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nanodet.config.distill_section import Distill
from nanodet.config.fixed_size import fixed_size
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.export.trainable import checkpoint_of
from nanodet.files.files import sha256
from nanodet.files.inputs import absence
from nanodet.hub.models import meant
from nanodet.learn.grids import Grid, counterparts
from nanodet.model.checkpoint import load_network
from nanodet.model.class_rows import has_names, matching_classes
from nanodet.runtime.box_codes import DISTRIBUTIONS
from nanodet.text import Say
from nanodet.text.names import shortened
from nanodet.train.distiller import Distiller, scaled


def build_distiller(student: Any, config: Config, file: str, say: Say) -> Distiller | None:
    """Load the teacher that a config names, None if it names none.

    Args:
        student: the network in training.
        config: a `Config` whose classes are known.
        file: names the config in messages.
        say: gets lines for the user.

    Raises:
        NanodetError: there is no such teacher, or it cannot teach this student.
    """
    section = config.distill
    if section is None:
        return None
    key = f"{file}: distill"
    with torch.random.fork_rng(devices=[]):  # the student starts as without a teacher
        teacher, theirs = _load(section, key)
    own_size, size = config.data.train.input_size, theirs.data.val.input_size
    if section.box_weight or section.region_weight:
        for owner, head in (("the student's", student.head), ("the teacher's", teacher.head)):
            if head.code.form != DISTRIBUTIONS:
                raise NanodetError(
                    f"{key}.box_weight: {owner} box code has no distributions to learn from: set "
                    "box_weight and region_weight to 0"
                )
    scale = section.scale
    if scale is None:
        scale = min(a / b for a, b in zip(size, own_size, strict=True))
    sees = scaled((own_size[0], own_size[1]), scale)
    only = fixed_size(theirs.model.arch)
    if only is not None and (sees != only or config.data.train.multi_scale):
        raise NanodetError(
            f"{key}.teacher: {section.teacher} takes images of {only[0]} x {only[1]} only, and would "
            f"see them at {sees[0]} x {sees[1]}"
            + (" and other sizes (data.train.multi_scale)" if config.data.train.multi_scale else "")
        )
    classes = _classes(config, theirs, section, key)
    distiller = Distiller(
        section, student, teacher, theirs.data.val.pipeline.normalize, classes, scale,
        sha256(checkpoint_of(section.teacher)),
    )  # fmt: skip
    count = sum(p.numel() for p in teacher.parameters())
    say(
        f"teacher: {section.teacher}, {theirs.model.arch.name} with {count / 1e6:.2f} M parameters, sees "
        f"the images at {sees[0]} x {sees[1]}"
    )
    own = Grid((own_size[0], own_size[1]), tuple(student.head.strides), student.head.point_offset)
    other = Grid(sees, tuple(teacher.head.strides), teacher.head.point_offset)
    found = counterparts(own, other)
    if all(match is None for match in found):
        raise NanodetError(
            f"{key}.teacher: no level of {section.teacher} (strides {_listed(other.strides)}, images at "
            f"{sees[0]} x {sees[1]}) has points as far apart as one of the student's ({_listed(own.strides)})"
        )
    alone = [stride for stride, match in zip(own.strides, found, strict=True) if match is None]
    if alone:
        say(f"teacher: has no level like stride {_listed(alone)}, which learns from boxes alone")
    unused = [stride for i, stride in enumerate(other.strides) if i not in found]
    if unused:
        say(f"teacher: the student has no level like stride {_listed(unused)}: not used")
    if section.score_weight and len(classes) < student.head.num_classes:
        say(
            f"teacher: knows {len(classes)} of {student.head.num_classes} classes: others learn alone"
        )
    return distiller


def _load(section: Distill, key: str) -> tuple[Any, Config]:
    """Return a teacher's network in eval mode, and its config."""
    name = section.teacher
    if section.config is not None and not os.path.isfile(section.config):
        raise NanodetError(f"{key}.config: {absence(section.config, 'there is no such file')}")
    try:
        path = checkpoint_of(name)
        if path == name and not os.path.exists(name):
            raise NanodetError(absence(Path(name), f"there is no such checkpoint{meant(name)}"))
        teacher, theirs, _ = load_network(path, section.config)
    except NanodetError as error:
        raise NanodetError(f"{key}.teacher: {error}") from None
    for weight, tensor in teacher.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise NanodetError(
                f"{key}.teacher: {name}: {weight} holds values that are not finite numbers"
            )
    return teacher, theirs


def _classes(config: Config, theirs: Config, section: Distill, key: str) -> list[tuple[int, int]]:
    """Return the student's and the teacher's number of each class that both have."""
    if not section.score_weight:
        return []
    mine, given = config.class_names, theirs.class_names
    found = matching_classes(mine, given, section.teacher)
    if found is not None:
        return [(n, index) for n, index in enumerate(found) if index is not None]
    count, own = theirs.model.arch.head.num_classes, config.model.arch.head.num_classes
    if count == own and not (has_names(mine) and has_names(given)):
        return [(n, n) for n in range(own)]
    raise NanodetError(
        f"{key}.teacher: {section.teacher} knows none of the classes ({shortened(mine or ())}): its own "
        f"are {shortened(given or [str(n) for n in range(count)], 3)}; set distill.score_weight to 0 to "
        "learn boxes alone"
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
