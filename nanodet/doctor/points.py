"""Which boxes no point of the network learns, by the assigner of the config."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nanodet.config.check import failing
from nanodet.config.follow import check_section
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import ERROR, NOTE, WARNING, Finding
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.objective import build_objective
from nanodet.learn.points import Points, inside, level_points
from nanodet.learn.targets import GroundTruth, GroundTruths
from nanodet.model.detectors import DETECTORS
from nanodet.model.part import on_meta
from nanodet.runtime.fit import Size, place

MOST_BOXES = 20_000  # of larger sets, images are drawn with a fixed seed until they have as many
SOME = 0.05  # fraction of the boxes; if no point learns more, there is a warning
_BATCH = 32  # images


@dataclass(frozen=True)
class Learner:
    """What decides which points learn a box.

    Attributes:
        strides, offset: of the head's points, see `level_points`.
        assigner: the config's; name: its name.
    """

    strides: tuple[int, ...]
    offset: float
    assigner: Assigner
    name: str

    @classmethod
    def of(cls, arch: Any, classes: int) -> "Learner":
        """Return that of a config's ``model.arch``; no weights are made."""
        arch = copy.deepcopy(arch)
        arch.head.num_classes = arch.head.num_classes or classes
        check_section(arch, "model.arch", failing("config"))  # the auxiliary head follows the head
        objective = build_objective(on_meta(DETECTORS[arch.name].build, arch), arch)
        name = assigner_name(arch.head)
        return cls(objective.strides, objective.point_offset, objective.assigner, name)


def assigner_name(head: Any) -> str:
    """Return the name of the assigner of a config's ``model.arch.head``."""
    return head.assigner_cfg.name if head.assigner_cfg else "ATSS"


def unlearned(
    one: Examined, learner: Learner, most: int = MOST_BOXES
) -> tuple[np.ndarray, np.ndarray]:
    """Find boxes that no point learns, in images that are not augmented.

    Each image and its boxes are fitted into the input size of the set. Boxes that training leaves out
    (`nanodet.data.augment.worth_teaching`) are not learned. Of the others, a box is learned if the assigner
    gives it at least one positive. One that reads predictions (DSLA) takes for a box only points inside a
    box: there, a box is learned if a point of any level lies inside it.

    Returns:
        int64 (N,) the boxes that were looked at, about ``most`` at most; bool (N,) true if no point learns
        them.
    """
    order = np.random.default_rng(0).permutation(len(one.pictures))
    numbers = np.bincount(one.owner, minlength=len(one.pictures))
    chosen = order[: int(np.searchsorted(np.cumsum(numbers[order]), most)) + 1]
    starts = np.cumsum(numbers) - numbers
    by_canvas: dict[Size, list[tuple[np.ndarray, np.ndarray]]] = {}
    fit, size = one.section.effective_fit, one.section.input_size
    for n in sorted(chosen.tolist()):
        at = np.arange(starts[n], starts[n] + numbers[n])
        at = at[one.taught[at]]
        if len(at):
            picture = one.pictures[n]
            placed = place(fit, (picture.width, picture.height), size)
            by_canvas.setdefault(placed.canvas, []).append((at, placed.to_network(one.boxes[at])))
    looked = np.flatnonzero(np.isin(one.owner, chosen))
    learned = np.zeros(len(one.boxes), bool)
    for canvas, images in by_canvas.items():
        points = level_points(canvas, learner.strides, learner.offset, "cpu")
        for start in range(0, len(images), _BATCH):
            batch = images[start : start + _BATCH]
            boxes = [torch.from_numpy(fitted).float() for _, fitted in batch]
            which = np.concatenate([at for at, _ in batch])
            learned[which] = _learned(boxes, points, learner.assigner)
    return looked, ~learned[looked]


def _learned(boxes: list[torch.Tensor], points: Points, assigner: Assigner) -> np.ndarray:
    """Return which boxes of some images a point learns, bool (N,)."""
    if assigner.needs_predictions:
        return np.concatenate(
            [inside(points.positions, some[:, None]).any(dim=1).numpy() for some in boxes]
        )
    truths = [
        GroundTruth(some, torch.zeros(len(some), dtype=torch.int64), some.new_zeros((0, 4)))
        for some in boxes
    ]
    matched = assigner.assign_batch(points, GroundTruths.of(truths)).matched
    found = np.zeros(sum(map(len, boxes)), bool)
    found[matched[matched >= 0].unique().numpy()] = True
    return found


def of_points(
    one: Examined, learner: Learner, looked: np.ndarray, lost: np.ndarray
) -> Iterator[Finding]:
    """Yield boxes that no point learns; ``looked`` and ``lost`` are from `unlearned`."""
    at = looked[lost & one.taught[looked]]
    if not len(at):
        return
    share = lost.mean()
    width, height = one.section.input_size
    sample = "" if len(looked) == len(one.boxes) else f" (of {len(looked):,} looked at)"
    training = one.part == "data.train"
    severity = WARNING if share > SOME else NOTE
    if lost.all() and training:
        severity = ERROR
    yield Finding(
        severity, "unlearned-boxes", one.part,
        f"boxes have no point that learns them{sample}, by {learner.name} with strides "
        f"{', '.join(map(str, learner.strides))} in an input of {width}x{height}",
        f"{'They are trained as background' if training else 'Boxes like these are hardly detected'}. A "
        "larger input_size or a smaller first stride gives small and narrow boxes points. Edges further "
        "from a point than reg_max strides are out of its reach: long boxes need a smaller input_size or a "
        "larger last stride. Of boxes that lie on each other, a point learns the one that it fits best: "
        "remove duplicates.",
        len(at), len(looked), one.examples(at),
    )  # fmt: skip
