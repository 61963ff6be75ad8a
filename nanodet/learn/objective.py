"""The objective of a batch: assignment, and the losses of each training output (paper eq. 15)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from nanodet.errors import NanodetError
from nanodet.learn.assigners import ASSIGNERS, atss
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.iou import overlap
from nanodet.learn.losses import BOX_LOSSES, EDGE_LOSSES, SCORE_LOSSES
from nanodet.learn.points import (
    Points,
    boxes_around,
    centerness,
    edge_distances,
    level_points,
)
from nanodet.learn.targets import GroundTruth, GroundTruths, Targets, batch_targets
from nanodet.model.box_codes import check_decoding
from nanodet.model.box_codes.gaussian import Gaussian
from nanodet.model.part import BoxCode, Head, Part, Prediction, QualityBranch

MAIN, AUXILIARY = "main", "aux"  # training outputs


class Weighted(NamedTuple):
    """A loss from one of the tables in `nanodet.learn.losses`, and its factor in the sum."""

    loss: Callable[[Tensor, Tensor], Tensor]
    weight: float


class _Sums(NamedTuple):
    """The losses of one output by name, summed over their points.

    Attributes:
        by_point: those divided by the number of positives; by_weight: by the sum of ``weights``.
    """

    by_point: dict[str, Tensor]
    by_weight: dict[str, Tensor]
    weights: Tensor


@dataclass(frozen=True)
class Objective:
    """Losses of scores, boxes and edges over the positives that an assigner chooses (eq. 15).

    The losses of the scores and of a branch of quality are divided by the number of positives. Those of
    boxes and edges are weighted by the highest score of their point (detached) and divided by the sum of
    those weights. All denominators are means over all processes, so that averaging the gradients of the
    processes equals one process on the union of their batches.

    Attributes:
        num_classes, strides, point_offset, code: the head's.
        assigner: chooses the positives, the same for all outputs.
        scores, boxes, edges: the losses; None for none.
        joint: whether the score of the true class learns the IoU of its box (eq. 1), or 1.
        branch: what a branch of quality learns; None without one.
    """

    num_classes: int
    strides: tuple[int, ...]
    point_offset: float
    code: BoxCode
    assigner: Assigner
    scores: Weighted
    boxes: Weighted | None
    edges: Weighted | None
    joint: bool = True
    branch: QualityBranch | None = None

    def __call__(
        self,
        outputs: Mapping[str, Tensor],
        truths: Sequence[GroundTruth],
        size: tuple[int, int],
        alone: bool = False,
    ) -> dict[str, Tensor]:
        """Return the weighted losses of a batch, whose sum is minimised.

        Args:
            outputs: name to rows (B, P, C + code.channels, and one if there are logits of quality);
                ``main``, and ``aux`` if the network has such an output, which then guides the
                assignment.
            truths: the ground truth of each image.
            size: (width, height) of the network's input.
            alone: whether the means are those of this process only; otherwise it waits for the other
                processes of a distributed run, whose positives count, too.

        Returns:
            scalars ``loss_qfl``, ``loss_bbox`` and ``loss_dfl`` of ``main``, and ``loss_quality`` of a
            branch; those of another output have its name as a prefix, as in ``aux_loss_qfl``.
        """
        return self.losses(outputs, self.targets(outputs, truths, size), size, alone)

    def losses(
        self,
        outputs: Mapping[str, Tensor],
        targets: Targets,
        size: tuple[int, int],
        alone: bool = False,
    ) -> dict[str, Tensor]:
        """Return what a call does, of targets that `targets` has found."""
        device = outputs[MAIN].device
        # half precision cannot represent the sums over all points, or the edges to a pixel
        with torch.autocast(device.type, enabled=False):
            points = level_points(size, self.strides, self.point_offset, device)
            sums = {
                name: self._sums(output.float().flatten(0, 1), targets, points)
                for name, output in outputs.items()
            }
            return self._mean(sums, targets.counts, alone)

    @torch.no_grad()
    def targets(
        self,
        outputs: Mapping[str, Tensor],
        truths: Sequence[GroundTruth],
        size: tuple[int, int],
    ) -> Targets:
        """Assign every image of a batch; the arguments are those of a call."""
        assign, joined = self.assigner.assign_batch, GroundTruths.of(truths)
        guide = outputs.get(AUXILIARY, outputs[MAIN]).detach()
        with torch.autocast(guide.device.type, enabled=False):
            points = level_points(size, self.strides, self.point_offset, guide.device)
            if not self.assigner.needs_predictions:
                return batch_targets(assign(points, joined), joined)
            guided = self.predict(guide.float())
            distances = self.code.distances(guided.edges.flatten(0, 1)).view(*guide.shape[:2], 4)
            found = assign(points, joined, guided.scores, points.boxes(distances))
            return batch_targets(found, joined)

    def predict(self, rows: Tensor) -> Prediction:
        """Return the rows of an output by what they mean."""
        return Prediction.of(rows, self.num_classes, self.code.channels)

    def _sums(self, output: Tensor, targets: Targets, points: Points) -> _Sums:
        found = self.predict(output)
        positive = targets.positive
        at = positive % len(points.strides)
        stride = points.strides[at][:, None]
        position, wanted = points.positions[at] / stride, targets.boxes / stride
        raw = found.edges[positive]
        predicted = boxes_around(position, self.code.distances(raw))
        distances = edge_distances(position, wanted)
        iou = overlap(predicted, wanted).iou.detach()

        trained = found.scores if self.joint else found.classes
        quality = torch.zeros_like(trained)
        reached = iou if targets.quality is None else targets.quality
        quality[positive, targets.labels] = reached if self.joint else torch.ones_like(iou)
        scores = self.scores.loss(trained, quality)
        if targets.left_out is not None:
            scores = scores.masked_fill(targets.left_out[:, None], 0)
        by_point = {"loss_qfl": self.scores.weight * scores.sum()}
        if self.branch is not None and found.quality is not None:
            wish = iou if self.branch.learns == "iou" else centerness(distances)
            loss = F.binary_cross_entropy_with_logits(
                found.quality[positive, 0], wish, reduction="sum"
            )
            by_point["loss_quality"] = self.branch.weight * loss

        weight = found.scores[positive].detach().sigmoid().amax(dim=1)
        by_weight = {}
        if self.boxes is not None:
            boxes = (self.boxes.loss(predicted, wanted) * weight).sum()
            by_weight["loss_bbox"] = self.boxes.weight * boxes
        if self.edges is not None:
            sides = (distances / self.code.unit).clamp(0, self.code.target_max)
            by_weight["loss_dfl"] = self.edges.weight * (self.edges.loss(raw, sides) * weight).sum()
        return _Sums(by_point, by_weight, weight.sum())

    def _mean(self, sums: Mapping[str, _Sums], counts: Tensor, alone: bool) -> dict[str, Tensor]:
        each = self.assigner.at_least_one == "image"
        positives = (counts.clamp(min=1) if each else counts).sum().float()
        numbers = torch.stack([positives, *(one.weights for one in sums.values())])
        least = 1e-6 if each else 1.0  # of all processes together
        numbers = mean_of_processes(numbers, alone)
        count, *weights = numbers.clamp(min=least / processes(alone)).unbind()
        losses: dict[str, Tensor] = {}
        for (name, one), weight in zip(sums.items(), weights, strict=True):
            prefix = "" if name == MAIN else f"{name}_"
            losses |= {f"{prefix}{loss}": total / count for loss, total in one.by_point.items()}
            losses |= {f"{prefix}{loss}": total / weight for loss, total in one.by_weight.items()}
        return losses


def processes(alone: bool) -> int:
    """Return how many processes train together, 1 if ``alone``."""
    together = not alone and distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def mean_of_processes(numbers: Tensor, alone: bool) -> Tensor:
    """Return the mean of a tensor over all processes that train together; it is changed in place."""
    count = processes(alone)
    if count > 1:
        distributed.all_reduce(numbers)
    return numbers / count


def build_objective(network: nn.Module, arch: Any) -> Objective:
    """Build the `Objective` of a network and the config's ``model.arch`` that it was built from.

    Strides, points and box code are those of ``network.head``; losses and assigner are those in the
    section of the head.
    """
    head, section = cast(Head, network.head), arch.head
    loss = section.loss
    assigner = section.assigner_cfg or atss.Section(
        octave_base_scale=section.octave_base_scale, ignore_iof_thr=section.ignore_iof_thr
    )
    scores = _weighted(SCORE_LOSSES, loss.loss_qfl)
    assert scores is not None  # its key takes no null
    objective = Objective(
        num_classes=head.num_classes,
        strides=tuple(head.strides),
        point_offset=head.point_offset,
        code=head.code,
        assigner=ASSIGNERS[assigner.name].build(assigner),
        scores=scores,
        boxes=_weighted(BOX_LOSSES, loss.loss_bbox),
        edges=_weighted(EDGE_LOSSES, loss.loss_dfl),
        joint=head.quality.joint,
        branch=head.quality.branch,
    )
    if head.quality.joint and loss.loss_qfl.name == "FocalLoss":
        raise NanodetError(
            f"model.arch.head.loss.loss_qfl: FocalLoss learns classes alone, and quality "
            f"{section.quality.name} wants the IoU in the scores: choose another of either"
        )
    if objective.edges is not None:
        _check_edge_loss(objective.edges, head.code, loss.loss_dfl.name)
    elif objective.boxes is None or isinstance(head.code, Gaussian):
        raise NanodetError(
            "model.arch.head.loss.loss_dfl: is null, and no other loss trains "
            + ("the edges" if objective.boxes is None else "the variances of the box code")
        )
    check_decoding(head.code)
    return objective


def _weighted(table: Mapping[str, Part], section: Any) -> Weighted | None:
    if section is None:
        return None
    return Weighted(table[section.name].build(section), getattr(section, "loss_weight", 1.0))


def _check_edge_loss(edges: Weighted, code: BoxCode, loss: str) -> None:
    """Raise `NanodetError` if the loss of the edges does not take the values of the box code."""
    try:
        edges.loss(torch.zeros(2, code.channels), torch.ones(2, 4).clamp(max=code.target_max))
    except (IndexError, RuntimeError, ValueError):
        raise NanodetError(
            f"model.arch.head.loss.loss_dfl: {loss} cannot train the values of the box code "
            f"({code.channels} for each point): choose another, or null for none"
        ) from None
