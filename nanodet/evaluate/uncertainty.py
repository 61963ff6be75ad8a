"""How the standard deviations of edges compare with their true errors, on annotated images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from nanodet.data.records import Annotations
from nanodet.evaluate.correlation import rank_correlation
from nanodet.evaluate.greedy_matching import IOU, match
from nanodet.runtime.detections import Detections
from nanodet.runtime.thresholds import Thresholds

ONE_SIGMA, TWO_SIGMA = 0.6827, 0.9545  # of the errors of a normal distribution lie within
GROUPS = 10


class Edges(NamedTuple):
    """Edges of detections that have a matching object.

    Attributes:
        error: float64 (N,), detected minus annotated position in pixels of the image, towards the
            outside of the box: positive where the box is too large.
        std: float64 (N,), the stated standard deviation in the same pixels.
        level: int64 (N,), index of the level of the box.
        at_border: edges that were left out, see `matched_edges`.
        boxes: matched detections.
        score: which they are above; None if each class has a threshold of its own.
    """

    error: np.ndarray
    std: np.ndarray
    level: np.ndarray
    at_border: int
    boxes: int
    score: float | None

    def scaled(self, factors: Sequence[float]) -> "Edges":
        """Return the edges with the standard deviations of each level times its factor."""
        return self._replace(std=self.std * np.asarray(factors, np.float64)[self.level])


class Coverage(NamedTuple):
    """How many errors lie within one and two standard deviations, as fractions; None without edges."""

    edges: int
    one_sigma: float | None
    two_sigma: float | None


class Group(NamedTuple):
    """Edges of similar standard deviation: how many, its mean, and the mean absolute error, in pixels."""

    edges: int
    mean_std: float
    mean_error: float


@dataclass(frozen=True)
class Uncertainty:
    """How the stated standard deviations compare with the true errors.

    Attributes:
        score, iou: detections above this score count if they have at least this IoU with an object;
            score is None if each class has a threshold of its own.
        boxes: matched detections; edges: their edges; at_border: edges left out (`matched_edges`).
        coverage: `Coverage` of all edges; 0.6827 and 0.9545 are those of a normal distribution.
        per_level: stride to `Coverage`.
        deciles: a `Group` for each tenth of the edges, in order of the standard deviation; fewer if
            there are fewer than ten edges.
        ratio: mean error of the last of them divided by that of the first; None if undefined.
        rank_correlation: Spearman's, of standard deviation and absolute error; None if undefined.
    """

    score: float | None
    iou: float
    boxes: int
    edges: int
    at_border: int
    coverage: Coverage
    per_level: dict[int, Coverage]
    deciles: list[Group]
    ratio: float | None
    rank_correlation: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON, rounded."""
        plain = asdict(self)
        plain["coverage"] = self.coverage._asdict()
        plain["per_level"] = {str(s): one._asdict() for s, one in self.per_level.items()}
        plain["deciles"] = [one._asdict() for one in self.deciles]
        rounded: dict[str, Any] = _rounded(plain)
        return rounded


def matched_edges(
    annotations: Annotations, detections: Sequence[Detections], thresholds: Thresholds
) -> Edges:
    """Match detections with objects at `IOU`, greedily and best first, each with one of its own class.

    Edges on the border of their image are left out: the detector clipped them to it, so the border
    and not the distribution decides where they are, and most of their objects are cut off there, with an
    error of 0. An edge inside the image counts even if its object is cut off at the border.

    Args:
        annotations: the `Annotations`.
        detections: a `Detections` with ``edge_std`` and ``level`` for each of its images, in their order.
        thresholds: of the model; detections must score above that of their class.
    """
    errors, stds, levels = [], [], []
    at_border = boxes = 0
    for picture, found in zip(annotations.pictures, detections, strict=True):
        found = found[found.confidence > thresholds.scores_of(found.class_id)]
        objects = match(picture, found, IOU, same_class=True)
        found, objects = found[objects >= 0], objects[objects >= 0]
        if found.edge_std is None or found.level is None:
            raise ValueError("these detections have no edge_std")
        inwards = np.array([1, 1, -1, -1])
        error = inwards * (picture.boxes[objects].astype(np.float64) - found.xyxy)
        size = np.array([picture.width, picture.height])
        clipped = np.concatenate([found.xyxy[:, :2] <= 0, found.xyxy[:, 2:] >= size], axis=1)
        kept = ~clipped
        errors.append(error[kept])
        stds.append(found.edge_std.astype(np.float64)[kept])
        levels.append(np.repeat(found.level[:, None], 4, axis=1)[kept])
        at_border += int(clipped.sum())
        boxes += len(found)
    empty = np.zeros(0)
    error, std, level = (np.concatenate([empty, *part]) for part in (errors, stds, levels))
    score = thresholds.score if thresholds.class_scores is None else None
    return Edges(error, std, level.astype(np.int64), at_border, boxes, score)


def join_edges(one: Edges, other: Edges) -> Edges:
    """Return the edges of two sets of images that were matched alike."""
    return one._replace(
        error=np.concatenate([one.error, other.error]),
        std=np.concatenate([one.std, other.std]),
        level=np.concatenate([one.level, other.level]),
        at_border=one.at_border + other.at_border,
        boxes=one.boxes + other.boxes,
    )


def measure(edges: Edges, strides: Sequence[int]) -> Uncertainty:
    """Compare the stated standard deviations with the true errors.

    Args:
        edges: of `matched_edges`.
        strides: of the levels.
    """
    error, std = np.abs(edges.error), edges.std
    order = np.argsort(std, kind="stable")
    parts = [part for part in np.array_split(order, GROUPS) if len(part)]
    deciles = [Group(len(p), float(std[p].mean()), float(error[p].mean())) for p in parts]
    has_ratio = len(deciles) > 1 and deciles[0].mean_error > 0
    return Uncertainty(
        score=edges.score,
        iou=IOU,
        boxes=edges.boxes,
        edges=len(error),
        at_border=edges.at_border,
        coverage=_coverage(error, std),
        per_level={
            int(stride): _coverage(error[edges.level == i], std[edges.level == i])
            for i, stride in enumerate(strides)
        },
        deciles=deciles,
        ratio=deciles[-1].mean_error / deciles[0].mean_error if has_ratio else None,
        rank_correlation=rank_correlation(std, error),
    )


def format_uncertainty(found: Uncertainty) -> str:
    """Return the figures as text for a terminal."""
    above = "the threshold of their class" if found.score is None else f"{found.score:g}"
    lines = [
        "",
        f"edges of {found.boxes} detections of score above {above}, IoU {found.iou:g} or more "
        f"with an object of their class; {found.at_border} at the image's border left out",
        "",
        f"{'stride':>6} {'edges':>7} {'1 sigma':>8} {'2 sigma':>8}",
    ]
    rows = {**{str(stride): one for stride, one in found.per_level.items()}, "all": found.coverage}
    for name, (edges, one, two) in rows.items():
        lines.append(f"{name:>6} {edges:>7} {_percent(one):>8} {_percent(two):>8}")
    lines.append(f"{'normal':>6} {'':>7} {_percent(ONE_SIGMA):>8} {_percent(TWO_SIGMA):>8}")
    if not found.edges:
        return "\n".join(
            [*lines, "", "no edges to compare: no detection above the score matches an object"]
        )
    lines += ["", "sigma  " + "".join(f"{group.mean_std:>7.1f}" for group in found.deciles)]
    lines += ["|error|" + "".join(f"{group.mean_error:>7.1f}" for group in found.deciles)]
    ratio = "-" if found.ratio is None else f"{found.ratio:.1f}"
    rank = "-" if found.rank_correlation is None else f"{found.rank_correlation:.2f}"
    lines.append(
        "means in pixels of each tenth of the edges, by sigma; error of the last / first "
        f"{ratio}; rank correlation {rank}"
    )
    return "\n".join(lines)


def _coverage(error: np.ndarray, std: np.ndarray) -> Coverage:
    if not len(error):
        return Coverage(0, None, None)
    return Coverage(len(error), *(float((error <= n * std).mean()) for n in (1, 2)))


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{100 * part:.1f} %"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value
