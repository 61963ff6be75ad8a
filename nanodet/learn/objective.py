"""The objective of a batch: assignment, and the losses of each training output (paper eq. 15)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, distributed, nn

from nanodet.errors import NanodetError
from nanodet.learn.assigners import ASSIGNERS, atss
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.iou import overlap
from nanodet.learn.losses import BOX_LOSSES, EDGE_LOSSES, SCORE_LOSSES
from nanodet.learn.points import Points, boxes_around, edge_distances, level_points
from nanodet.learn.targets import GroundTruth, Targets, batch_targets
from nanodet.model.box_codes import check_decoding
from nanodet.model.part import BoxCode, Head, Part

MAIN, AUXILIARY = "main", "aux"  # training outputs


class Weighted(NamedTuple):
    """A loss from one of the tables in `nanodet.learn.losses`, and its factor in the sum."""

    loss: Callable[[Tensor, Tensor], Tensor]
    weight: float


class _Sums(NamedTuple):
    """The three losses of one output, summed over their points, and the weights of the last two."""

    scores: Tensor
    boxes: Tensor
    edges: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Objective:
    """Losses of scores, boxes and edges over the positives that an assigner chooses.

    The loss of the scores is divided by the number of positives. Those of boxes and edges are weighted
    by the highest class score of their point (detached) and divided by the sum of those weights. All
    denominators are means over all processes, so that averaging the gradients of the processes
    equals one process on the union of their batches.

    Attributes:
        num_classes, strides, point_offset, code: the head's.
        assigner: chooses the positives, the same for all outputs.
        scores, boxes, edges: the losses.
    """

    num_classes: int
    strides: tuple[int, ...]
    point_offset: float
    code: BoxCode
    assigner: Assigner
    scores: Weighted
    boxes: Weighted
    edges: Weighted

    def __call__(
        self,
        outputs: Mapping[str, Tensor],
        truths: Sequence[GroundTruth],
        size: tuple[int, int],
        alone: bool = False,
    ) -> dict[str, Tensor]:
        """Return the weighted losses of a batch, whose sum is minimised.

        Args:
            outputs: name to (B, P, C + code.channels) logits; ``main``, and ``aux`` if the network
                has such an output, which then guides the assignment.
            truths: the ground truth of each image.
            size: (width, height) of the network's input.
            alone: whether the means are those of this process only; otherwise it waits for the other
                processes of a distributed run, whose positives count, too.

        Returns:
            scalars ``loss_qfl``, ``loss_bbox`` and ``loss_dfl`` of ``main``; those of another output
            have its name as a prefix, as in ``aux_loss_qfl``.
        """
        targets = self.targets(outputs, truths, size)
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
        assign, guide = self.assigner.assign, outputs.get(AUXILIARY, outputs[MAIN]).detach()
        with torch.autocast(guide.device.type, enabled=False):
            points = level_points(size, self.strides, self.point_offset, guide.device)
            if not self.assigner.needs_predictions:
                return batch_targets([assign(points, truth) for truth in truths], truths)
            logits, raw = guide.float().split([self.num_classes, self.code.channels], dim=-1)
            assignments = [
                assign(points, truth, of_classes, points.boxes(self.code.distances(of_edges)))
                for truth, of_classes, of_edges in zip(truths, logits, raw, strict=True)
            ]
            return batch_targets(assignments, truths)

    def _sums(self, output: Tensor, targets: Targets, points: Points) -> _Sums:
        logits, raw = output.split([self.num_classes, self.code.channels], dim=-1)
        positive = targets.positive
        at = positive % len(points.strides)
        stride = points.strides[at][:, None]
        position, wanted = points.positions[at] / stride, targets.boxes / stride
        raw = raw[positive]
        predicted = boxes_around(position, self.code.distances(raw))

        quality = torch.zeros_like(logits)
        quality[positive, targets.labels] = (
            overlap(predicted, wanted).iou.detach() if targets.quality is None else targets.quality
        )
        scores = self.scores.loss(logits, quality)
        if targets.left_out is not None:
            scores = scores.masked_fill(targets.left_out[:, None], 0)

        weight = logits[positive].detach().sigmoid().amax(dim=1)
        sides = (edge_distances(position, wanted) / self.code.unit).clamp(0, self.code.target_max)
        return _Sums(
            scores.sum(),
            (self.boxes.loss(predicted, wanted) * weight).sum(),
            (self.edges.loss(raw, sides) * weight).sum(),
            weight.sum(),
        )

    def _mean(
        self, sums: Mapping[str, _Sums], counts: Sequence[int], alone: bool
    ) -> dict[str, Tensor]:
        each = self.assigner.at_least_one == "image"
        positives = sum(max(n, 1) for n in counts) if each else sum(counts)
        sums_of_weights = [one.weights for one in sums.values()]
        numbers = torch.stack([sums_of_weights[0].new_tensor(positives), *sums_of_weights])
        least = 1e-6 if each else 1.0  # of all processes together
        if not alone and distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(numbers)
            least /= distributed.get_world_size()
            numbers = numbers / distributed.get_world_size()
        count, *weights = numbers.clamp(min=least).unbind()
        losses = {}
        for (name, one), weight in zip(sums.items(), weights, strict=True):
            prefix = "" if name == MAIN else f"{name}_"
            losses[f"{prefix}loss_qfl"] = self.scores.weight * one.scores / count
            losses[f"{prefix}loss_bbox"] = self.boxes.weight * one.boxes / weight
            losses[f"{prefix}loss_dfl"] = self.edges.weight * one.edges / weight
        return losses


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
    objective = Objective(
        num_classes=head.num_classes,
        strides=tuple(head.strides),
        point_offset=head.point_offset,
        code=head.code,
        assigner=ASSIGNERS[assigner.name].build(assigner),
        scores=_weighted(SCORE_LOSSES, loss.loss_qfl),
        boxes=_weighted(BOX_LOSSES, loss.loss_bbox),
        edges=_weighted(EDGE_LOSSES, loss.loss_dfl),
    )
    _check_edge_loss(objective, loss.loss_dfl.name)
    check_decoding(head.code)
    return objective


def _weighted(table: Mapping[str, Part], section: Any) -> Weighted:
    return Weighted(table[section.name].build(section), getattr(section, "loss_weight", 1.0))


def _check_edge_loss(objective: Objective, loss: str) -> None:
    """Raise `NanodetError` if the loss of the edges does not take the values of the box code."""
    code = objective.code
    try:
        objective.edges.loss(
            torch.zeros(2, code.channels), torch.ones(2, 4).clamp(max=code.target_max)
        )
    except (IndexError, RuntimeError, ValueError):
        raise NanodetError(
            f"model.arch.head.loss.loss_dfl: {loss} cannot train the values of the box code "
            f"({code.channels} for each point): choose another"
        ) from None
