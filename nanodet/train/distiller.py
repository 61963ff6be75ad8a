"""The teacher of a training: loaded, checked against the student, and asked about each batch."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanodet.config.distill_section import Distill
from nanodet.config.fixed_size import fixed_size
from nanodet.config.schema import Config
from nanodet.data.loader import Batch, normalise_batch
from nanodet.errors import NanodetError
from nanodet.export.trainable import checkpoint_of
from nanodet.files.files import sha256
from nanodet.files.inputs import absence
from nanodet.hub.models import meant
from nanodet.learn.distillation import distillation_losses
from nanodet.learn.grids import Grid, counterparts
from nanodet.learn.lesson import Lesson, lesson_of
from nanodet.learn.objective import MAIN, Objective
from nanodet.learn.targets import GroundTruth, Targets
from nanodet.model.checkpoint import load_network
from nanodet.model.class_rows import has_names, matching_classes
from nanodet.runtime.box_codes import DISTRIBUTIONS
from nanodet.runtime.fit import Size, nearest_aligned
from nanodet.text import Say
from nanodet.text.names import shortened


class Distiller(nn.Module):
    """A frozen teacher, and what a student needs beside itself to learn from it.

    The teacher is no submodule: it is in no checkpoint, average or optimiser, and never in training mode.

    Args:
        section: the config's ``distill``.
        student: the network in training.
        teacher: the other network; changed in place.
        normalize: mean and std of the teacher's images.
        classes: the student's and the teacher's number of each class that is learned.
        scale: of the images that the teacher sees.
        sha256: of the teacher's checkpoint, which a resumed training needs again.

    Attributes:
        adaptors: convolutions 1 x 1 that turn the student's maps into the teacher's, one a level; none
            without ``feature_weight``. At the start they keep the channels that both have.
    """

    def __init__(
        self,
        section: Distill,
        student: Any,
        teacher: Any,
        normalize: Sequence[Sequence[float]],
        classes: Sequence[tuple[int, int]],
        scale: float,
        sha256: str,
    ) -> None:
        super().__init__()
        self.section, self.normalize = section, normalize
        self.classes, self.scale, self.sha256 = classes, scale, sha256
        for name in teacher.auxiliary:
            delattr(teacher, name)
        teacher.auxiliary = ()
        teacher = teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._outside = (student, teacher)  # a tuple, whose modules are not registered
        self.adaptors = nn.ModuleList()
        for _ in student.fpn.strides if section.feature_weight else ():
            conv = nn.Conv2d(student.fpn.channels, teacher.fpn.channels, 1, bias=False)
            self.adaptors.append(conv)
            nn.init.dirac_(conv.weight)

    def watched(self) -> contextlib.AbstractContextManager[list[Tensor]]:
        """Collect the maps of the student's neck inside the block, if they are learned."""
        return _watched(self._outside[0].fpn, bool(self.adaptors))

    def lesson(self, batch: Batch, size: Size) -> Lesson:
        """Return what the teacher says about a training `Batch`.

        Args:
            batch: as the student gets it.
            size: (width, height) of the student's input.
        """
        student, teacher = self._outside
        if next(teacher.parameters()).device != batch.images.device:
            teacher.to(batch.images.device)
        section, (mean, std) = self.section, self.normalize
        with torch.no_grad():
            images = normalise_batch(batch.images, batch.contents, mean, std)
            width, height = scaled(size, self.scale)
            if (width, height) != size:
                smooth = self.scale < 1
                images = F.interpolate(images, (height, width), mode="bilinear", antialias=smooth)
            with _watched(teacher.fpn, bool(self.adaptors)) as maps:
                rows = teacher.head.training_rows(teacher(images))
            with torch.autocast(images.device.type, enabled=False):
                return lesson_of(
                    rows.float(), maps, teacher.head, (width, height), student.head, size,
                    classes=self.classes if section.score_weight else (),
                    edges=bool(section.box_weight or section.region_weight),
                )  # fmt: skip

    def losses(
        self,
        outputs: dict[str, Tensor],
        maps: Sequence[Tensor],
        lesson: Lesson,
        objective: Objective,
        targets: Targets,
        truths: Sequence[GroundTruth],
        size: Size,
        alone: bool = False,
    ) -> dict[str, Tensor]:
        """Return the losses by name, see `distillation_losses`.

        Args:
            outputs, targets, truths, size, alone: those of the student, see `Objective`.
            maps: what `watched` has collected.
            lesson: what the teacher says.
            objective: the student's.
        """
        adapted = [self.adaptors[i](maps[i]) for i in lesson.levels]
        losses = distillation_losses(
            outputs[MAIN], lesson, self.section, objective, targets, truths, size, adapted, alone
        )
        for i, conv in enumerate(self.adaptors):
            if i not in lesson.levels:  # DDP waits for a gradient of every parameter
                nothing = 0 * next(conv.parameters()).sum()
                losses["distill_feature"] = losses.get("distill_feature", 0) + nothing
        return losses


@contextlib.contextmanager
def _watched(neck: nn.Module, wanted: bool) -> Iterator[list[Tensor]]:
    """Collect the maps that a neck gives inside the block."""
    maps: list[Tensor] = []
    if not wanted:
        yield maps
        return

    def keep(_: object, __: object, output: Sequence[Tensor]) -> None:
        maps[:] = output

    handle = neck.register_forward_hook(keep)
    try:
        yield maps
    finally:
        handle.remove()


def scaled(size: Size, scale: float) -> Size:
    """Return the size at which a teacher sees what a student sees at ``size``."""
    return nearest_aligned(side * scale for side in size)


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
