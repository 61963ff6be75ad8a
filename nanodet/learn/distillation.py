"""What a student learns from a teacher: the losses, and their sums over a batch.

Localization distillation is that of Zheng et al., "Localization Distillation for Dense Object Detection",
CVPR 2022: the distributions of a box's edges are learned from a teacher as those of classes usually are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nanodet.config.distill_section import Distill
from nanodet.learn.iou import diou, overlap
from nanodet.learn.lesson import Lesson
from nanodet.learn.losses.quality_focal import quality_focal_loss
from nanodet.learn.objective import Objective, mean_of_processes, processes
from nanodet.learn.points import Points, boxes_around, level_points
from nanodet.learn.targets import NEGATIVE, GroundTruth, GroundTruths, Targets
from nanodet.model.part import BoxCode


def edge_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the divergence of distributions of edges, ``t^2 KL(softmax(T / t) || softmax(S / t))``.

    With the factor, gradients do not shrink with the temperature t (Hinton et al., 2015).

    Args:
        student, teacher: logits S and T of the bins, (..., bins).
        temperature: t, above 0; a high one lets the improbable bins count, too.

    Returns:
        (...), at least 0, and 0 where the distributions are equal.
    """
    own, wanted = ((x / temperature).log_softmax(dim=-1) for x in (student, teacher))
    return temperature**2 * (wanted.exp() * (wanted - own)).sum(dim=-1)


def map_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return ``1 - r`` of two maps (B, C, H, W), r the mean correlation of a channel, as a scalar.

    It is half the mean squared difference of maps whose channels have mean 0 and deviation 1, as networks
    that were trained apart differ in both (Cao et al., "PKD", NeurIPS 2022). Maps of one value a channel
    have no deviation, and so no distance.
    """
    if student.numel() == student.shape[1]:
        return student.new_zeros(())
    own, wanted = (F.batch_norm(x, None, None, training=True) for x in (student, teacher))
    return F.mse_loss(own, wanted) / 2


def valuable_region(cells: Tensor, targets: Targets, truths: GroundTruths, share: float) -> Tensor:
    """Return the points around the positives where boxes are worth learning (the paper's VLR).

    They are no positives, and the DIoU of their cell with a box is at least ``share`` times that of the
    box's worst positive. (The paper takes the threshold of ATSS, which other assigners do not have.)

    Args:
        cells: xyxy (P, 4) of all points, in pixels.
        targets: those of the B images.
        truths: their boxes.
        share: 0..1; the region is larger the smaller it is.

    Returns:
        int64 (B P,), the box with the highest DIoU, counted as in `GroundTruths`; `NEGATIVE` elsewhere.
    """
    count, images = len(cells), len(truths.each)
    worst = cells.new_full((len(truths.boxes),), torch.inf)
    reached = diou(cells[targets.positive % count], targets.boxes)
    worst = worst.scatter_reduce(0, targets.owners, reached, "amin")
    region = targets.owners.new_full((images * count,), NEGATIVE)
    for _, boxes in truths.parts(count):
        least, image = worst[boxes, None], truths.images[boxes]
        near = diou(cells[None], truths.boxes[boxes, None])
        # the least of a box without positives is infinite, and 0 times that is NaN
        near[(near < share * least) | (least <= 0) | least.isinf()] = -torch.inf
        best = near.new_full((images, count), -torch.inf)
        best = best.scatter_reduce(0, image[:, None].expand_as(near), near, "amax")
        box, point = ((near == best[image]) & near.isfinite()).nonzero().unbind(1)
        # of equal ones the last, on every device
        region = region.scatter_reduce(0, image[box] * count + point, box + boxes.start, "amax")
    region[targets.positive] = NEGATIVE
    if targets.left_out is not None:
        region[targets.left_out] = NEGATIVE
    return region


def teacher_is_better(
    own: Tensor, theirs: Tensor, at: Tensor, boxes: Tensor, points: Points, code: BoxCode
) -> Tensor:
    """Return where the teacher's box has the higher IoU with the ground truth, as 1 and 0.

    A teacher whose assigner trains other points than the student's knows little at the student's, and what
    it says there is worse than the ground truth.

    Args:
        own, theirs: the codes of N boxes in the student's code, (N, code.channels).
        at: int64 (N,), their points, of all images.
        boxes: xyxy (N, 4), their ground truth.
        points: the student's; code: of its boxes.

    Returns:
        float32 (N,).
    """
    place = at % len(points.strides)
    position, stride = points.positions[place], points.strides[place, None]
    mine, others = (
        overlap(boxes_around(position, code.distances(raw.detach()) * stride), boxes).iou
        for raw in (own, theirs)
    )
    return (others > mine).float()


def distillation_losses(
    rows: Tensor,
    lesson: Lesson,
    section: Distill,
    objective: Objective,
    targets: Targets,
    truths: Sequence[GroundTruth],
    size: tuple[int, int],
    maps: Sequence[Tensor] = (),
    alone: bool = False,
) -> dict[str, Tensor]:
    """Return the weighted losses of a student towards its teacher; a term without weight is left out.

    ``distill_box`` is the divergence of the edges of positives, weighted by their highest score as the
    loss of boxes is, and ``distill_region`` its mean over the `valuable_region`; both are 0 but where the
    `teacher_is_better`. ``distill_score`` is the Quality Focal Loss of all scores towards those of the
    teacher, over the number of positives. ``distill_feature`` is the mean `map_distance` of the levels.
    Denominators are the mean of all processes, as those of `Objective` are.

    Args:
        rows: the student's output ``main``, (B, P, C + code.channels, or one more).
        lesson: what the teacher says.
        section: the config's ``distill``.
        objective: the student's.
        targets: the student's; truths: what they are made from, one an image.
        size: (width, height) of the student's input.
        maps: of the student's neck after the adaptors, one for each of the lesson's.
        alone: whether denominators are those of this process only.
    """
    with torch.autocast(rows.device.type, enabled=False):
        found = objective.predict(rows.float().flatten(0, 1))
        known = lesson.known.repeat(len(rows))
        sums: dict[str, Tensor] = {}
        counts: dict[str, Tensor] = {}
        if lesson.edges is not None and lesson.reached is not None:
            edges, reached = lesson.edges.flatten(0, 1), lesson.reached.flatten(0, 1)
            points = level_points(size, objective.strides, objective.point_offset, rows.device)
            learned = []
            if section.box_weight:
                at = targets.positive
                weight = found.scores[at].detach().sigmoid().amax(dim=1)
                learned.append(("box", section.box_weight, at, targets.boxes, weight))
            if section.region_weight:
                spread = torch.full_like(points.positions, objective.assigner.cell / 2)
                joined = GroundTruths.of(truths)
                region = valuable_region(
                    points.boxes(spread.repeat(1, 2)), targets, joined, section.region
                )
                at = (region != NEGATIVE).nonzero().squeeze(1)
                weight = rows.new_ones(len(at)).float()
                learned.append(
                    ("region", section.region_weight, at, joined.boxes[region[at]], weight)
                )
            for name, factor, at, boxes, weight in learned:
                own, wanted = found.edges[at], edges[at]
                better = teacher_is_better(
                    own, wanted.flatten(1), at, boxes, points, objective.code
                )
                each = edge_divergence(own.unflatten(1, (4, -1)), wanted, section.temperature)
                each = (each * reached[at]).mean(dim=1)
                weight = weight * known[at]
                sums[name] = factor * (each * better * weight).sum()
                counts[name] = weight.sum()
        if lesson.scores is not None and section.score_weight:
            own = found.scores[:, lesson.classes]
            each = quality_focal_loss(own, lesson.scores.flatten(0, 1).sigmoid())
            used = known if targets.left_out is None else known & ~targets.left_out
            sums["score"] = section.score_weight * (each * used[:, None]).sum()
            counts["score"] = targets.counts.sum().float()
        losses = {}
        if sums:
            numbers = mean_of_processes(torch.stack(list(counts.values())), alone)
            for (name, total), number in zip(sums.items(), numbers.unbind(), strict=True):
                losses[f"distill_{name}"] = total / number.clamp(min=1 / processes(alone))
        if lesson.maps:
            pairs = zip(maps, lesson.maps, strict=True)
            apart = torch.stack([map_distance(own.float(), wanted) for own, wanted in pairs])
            losses["distill_feature"] = section.feature_weight * apart.mean()
        return losses
