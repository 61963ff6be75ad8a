"""The teacher of a training: asked about each batch, and what the student needs to learn from it."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nanodet.config.distill_section import Distill
from nanodet.data.loader import Batch, normalise_batch
from nanodet.learn.distillation import distillation_losses
from nanodet.learn.lesson import Lesson, lesson_of
from nanodet.learn.objective import MAIN, Objective
from nanodet.learn.targets import GroundTruth, Targets
from nanodet.runtime.fit import Size, nearest_aligned


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
