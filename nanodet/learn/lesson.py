"""What a teacher says about a batch, put to the points and the bins of its student."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nanodet.learn.grids import Grid, at_points, counterparts, factors, rebinned
from nanodet.model.part import BoxCode, Head, Prediction


class Lesson(NamedTuple):
    """What the teacher says, at the P points of the student; None: this is not learned.

    Attributes:
        known: bool (P,), whether the teacher has such a point.
        edges: (B, P, 4, bins), logits of the student's bins.
        reached: bool (B, P, 4), the edges that lie within the student's bins.
        scores: (B, P, K), logits of the scores of the K classes that both have.
        classes: int64 (K,), the student's numbers of these classes.
        maps: of the neck of the teacher, one for each level that both have, at the student's points.
        levels: the student's numbers of these levels.
    """

    known: Tensor
    edges: Tensor | None
    reached: Tensor | None
    scores: Tensor | None
    classes: Tensor
    maps: list[Tensor]
    levels: list[int]


def lesson_of(
    rows: Tensor,
    maps: Sequence[Tensor],
    head: Head,
    size: tuple[int, int],
    student: Head,
    own_size: tuple[int, int],
    classes: Sequence[tuple[int, int]],
    edges: bool,
) -> Lesson:
    """Return the `Lesson` of a teacher's output.

    Args:
        rows: (B, P, C + code.channels, or one more), `Head.training_rows`.
        maps: of its neck; none if they are not learned.
        head: the teacher's; size: (width, height) of its input.
        student: the student's head; own_size: of its input, which shows the same.
        classes: the student's and the teacher's number of each class; none: scores are not learned.
        edges: whether edges are learned; both box codes have bins then.
    """
    own = Grid(own_size, student.strides, student.point_offset)
    other = Grid(size, head.strides, head.point_offset)
    found = Prediction.of(rows, head.num_classes, head.code.channels)
    given = [theirs for _, theirs in classes]
    levels = other.maps(torch.cat((found.edges, found.scores[..., given]), dim=-1))
    known, parts, reached, kept, used = [], [], [], [], []
    bins, channels = student.code.channels // 4, head.code.channels
    for level, match in enumerate(counterparts(own, other)):
        if match is None:
            rows_, columns = own.shape(level)
            count = rows_ * columns
            known.append(torch.zeros(count, dtype=torch.bool, device=rows.device))
            width = (4 * bins if edges else 0) + len(classes)
            parts.append(rows.new_zeros(len(rows), count, width))
            reached.append(rows.new_zeros(len(rows), count, 4, dtype=torch.bool))
            continue
        at, within = at_points(levels[match], own, level, other, match)
        known.append(within.flatten())
        at = at.flatten(2).transpose(1, 2)
        raw, scores = at.split([channels, len(classes)], dim=-1)
        if edges:
            ratios = _bin_ratios(own, level, student.code, other, match, head.code)
            raw = raw.unflatten(2, (4, -1))
            steps = torch.arange(raw.shape[-1], device=rows.device)
            distance = (raw.softmax(dim=-1) * steps).sum(dim=-1)  # in the teacher's bins
            reached.append(distance <= (bins - 1) * torch.tensor(ratios, device=rows.device))
            scores = torch.cat((rebinned(raw, ratios, bins).flatten(2), scores), dim=-1)
        parts.append(scores)
        if maps:
            kept.append(at_points(maps[match].float(), own, level, other, match)[0])
            used.append(level)
    values = torch.cat(parts, dim=1)
    raw, scores = values.split([values.shape[-1] - len(classes), len(classes)], dim=-1)
    return Lesson(
        torch.cat(known),
        raw.unflatten(2, (4, -1)) if edges else None,
        torch.cat(reached, dim=1) if edges else None,
        scores if classes else None,
        torch.tensor([mine for mine, _ in classes], device=rows.device, dtype=torch.int64),
        kept,
        used,
    )


def _bin_ratios(
    own: Grid, level: int, code: BoxCode, other: Grid, theirs: int, their_code: BoxCode
) -> list[float]:
    """Return for left, top, right, bottom how many bins of the teacher one of the student is long."""
    across, down = (
        own.strides[level] * code.unit * factor / (other.strides[theirs] * their_code.unit)
        for factor in factors(own, other)
    )
    return [across, down, across, down]
