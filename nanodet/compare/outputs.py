"""One model's raw outputs beside another's, on the same tensors, and whether they agree.

Three things are compared. *Scores*: every class score of every point. *Edges*: the expectation of
each edge's distribution, in network pixels, because that is what becomes a box. *Matches*: the part
of the points that a user would call the same in both: each class score within 0.1, and boxes with an
IoU above 0.9 or no edge farther than half a pixel. Edges and matches count only at points whose best
score in the reference is above 0.05 (what evaluation uses) or, where an image has fewer than 100 of
those, at its 100 best points: elsewhere the edges are neither trained nor used.

Points are matched before NMS. NMS chooses among overlapping boxes, and where their scores are equal
the smallest error chooses another: no fault, but no twin either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from nanodet.compare.twins import IOU, SCORE_OFF, iou_of_distances
from nanodet.errors import NanodetError
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.fit import Size
from nanodet.runtime.spec import Spec
from nanodet.text.printable import printable

EDGE_SCORE, EDGE_POINTS = 0.05, 100
MOST = 0.95  # of the points, and of their edges
INVISIBLE = 0.5  # pixels; boxes are the same if all edges are nearer, however small the boxes


@dataclass(frozen=True)
class Tolerance:
    """By how much a stage may be off.

    Attributes:
        score: of class scores, 0..1.
        edge: of edges in network pixels.
        matched: which part of the points must match at least, 0..1; 0 where nothing is rounded:
            there ``score`` and ``edge`` are limits of the largest error, else of what `MOST` of
            the points and edges stay below.
    """

    score: float
    edge: float
    matched: float = 0.0


# The largest error of a rounded stage says little: it is that of one edge in hundreds of thousands,
# where a distribution has two peaks. Measured in docs/verify.md.
FULL = Tolerance(1e-3, 0.05)  # 32-bit weights and arithmetic
HALF = Tolerance(0.01, 0.5, 0.98)  # 16-bit weights, 32-bit arithmetic
BRAIN = Tolerance(0.05, 4.0, 0.9)  # 16 bits between the layers


@dataclass(frozen=True)
class StageResult:
    """How far one stage is from the reference, over all tensors.

    Attributes:
        name: of the stage.
        score_max, score_mean: absolute errors of class scores.
        score_most: what the largest error of a class score stays below at `MOST` of the points.
        edge_max, edge_most, edge_mean: absolute errors of edge expectations in network pixels:
            the largest, what `MOST` stay below, the mean.
        edge_steady: the largest, each divided by the variance of its distribution where that is
            above 1: an edge moves by the variance times what its logits move by, so that where
            there are two peaks, noise of 32 bits can become pixels.
        matched: part of the points that match, 0..1.
        pictures: tensors compared; points: points whose edges were compared.
        tolerance: what was allowed.
        failure: why the stage could not be compared at all, else an empty text.
    """

    name: str
    score_max: float
    score_most: float
    score_mean: float
    edge_max: float
    edge_steady: float
    edge_most: float
    edge_mean: float
    matched: float
    pictures: int
    points: int
    tolerance: Tolerance
    failure: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the stage is within its tolerance."""
        return not self.problem

    @property
    def problem(self) -> str:
        """What is wrong with the stage in one sentence; empty if nothing is."""
        if self.failure:
            return self.failure
        limit, words = self.tolerance, []
        score, edge = self.score_max, self.edge_steady
        if limit.matched:
            score, edge = self.score_most, self.edge_most
        if not score <= limit.score:
            words.append(f"{score:.2g} in score (allowed {limit.score:g})")
        if not edge <= limit.edge:
            words.append(f"{edge:.2g} px in edges (allowed {limit.edge:g} px)")
        text = f"its output is off by {' and '.join(words)}" if words else ""
        if not self.matched >= limit.matched:
            lost = f"{percent(self.matched)} of its points match (needed {percent(limit.matched)})"
            text = f"{text}; {lost}" if text else lost
        return text

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, for a spec's ``measured``."""
        figures = asdict(self)
        del figures["name"], figures["failure"]
        return {k: round(v, 9) if isinstance(v, float) else v for k, v in figures.items()}


class Errors:
    """Adds up, image by image, how far the outputs of a stage are from the reference's.

    Args:
        spec: of the reference.

    Attributes:
        worst: position of the image with the largest error, in parts of the tolerance.
    """

    def __init__(self, spec: Spec, tolerance: Tolerance = FULL) -> None:
        self.spec, self.tolerance = spec, tolerance
        self.pictures, self.worst, self._worst_parts = 0, 0, -1.0
        self._score_max = self._score_sum = self._steady = 0.0
        self._scores = 0
        self._point_scores: list[np.ndarray] = []
        self._edges: list[np.ndarray] = []
        self._matched: list[np.ndarray] = []

    def add(self, wanted: np.ndarray, given: np.ndarray, input_size: Size) -> None:
        """Compare one output with the reference's, as `Backend.run` gives them.

        Args:
            wanted, given: of the reference and of the stage; the stage's shape has been checked.
            input_size: (width, height) of the tensor that gave them.
        """
        classes = len(self.spec.class_names)
        scores = np.abs(given[:, :classes] - wanted[:, :classes])
        read = _read_points(wanted[:, :classes].max(axis=1))
        sizes = self.spec.level_sizes(input_size)
        unit = np.repeat(self.spec.strides, [columns * rows for columns, rows in sizes])
        values = [output[read, classes:] for output in (wanted, given)]
        distances = [self.spec.edge_distances(one) for one in values]
        variances = self.spec.edge_variances(values[0])
        edges = np.abs(distances[0] - distances[1]) * unit[read, None]
        steady = float((edges / np.maximum(variances, 1)).max())
        point_scores = scores[read].max(axis=1)
        same_box = (iou_of_distances(*distances) > IOU) | (edges.max(axis=1) <= INVISIBLE)
        parts = max(scores.max() / self.tolerance.score, edges.max() / self.tolerance.edge)
        if parts > self._worst_parts:
            self.worst, self._worst_parts = self.pictures, parts
        self.pictures += 1
        self._score_max = max(self._score_max, float(scores.max()))
        self._score_sum += float(scores.sum(dtype=np.float64))
        self._scores += scores.size
        self._steady = max(self._steady, steady)
        self._edges.append(edges.ravel())
        self._point_scores.append(point_scores)
        self._matched.append((point_scores <= SCORE_OFF) & same_box)

    def result(self, name: str) -> StageResult:
        """Return the `StageResult` over all images added, at least one."""
        edges, scores = np.concatenate(self._edges), np.concatenate(self._point_scores)
        score_most, edge_most = (
            float(np.quantile(errors, MOST, method="lower")) for errors in (scores, edges)
        )
        return StageResult(
            name,
            score_max=self._score_max,
            score_most=score_most,
            score_mean=self._score_sum / self._scores,
            edge_max=float(edges.max()),
            edge_steady=self._steady,
            edge_most=edge_most,
            edge_mean=float(edges.mean()),
            matched=float(np.concatenate(self._matched).mean()),
            pictures=self.pictures,
            points=len(scores),
            tolerance=self.tolerance,
        )


def compare_stages(
    reference: Backend,
    stages: Mapping[str, Any],
    tensors: Sequence[np.ndarray],
    tolerances: Mapping[str, Tolerance] | None = None,
) -> list[StageResult]:
    """Run every stage and the reference on the same tensors.

    Args:
        reference: the `nanodet.runtime.engines.backend.Backend` to measure against.
        stages: name to Backend; a `NanodetError` it raises is a result, not an exception.
        tensors: float32 (1, 3, H, W) each, as `Backend.run` takes them; sizes may differ.
        tolerances: name to `Tolerance`; `FULL` where a name is missing.

    Returns:
        one `StageResult` per stage, in their order.
    """
    expected = [reference.run(tensor) for tensor in tensors]
    results = []
    for name, backend in stages.items():
        errors = Errors(reference.spec, (tolerances or {}).get(name, FULL))
        try:
            for wanted, tensor in zip(expected, tensors, strict=True):
                output = run_checked(backend, reference.spec, tensor, wanted)
                errors.add(wanted, output, tensor.shape[:1:-1])
        except NanodetError as error:
            results.append(failed(name, errors.tolerance, str(error)))
            continue
        results.append(errors.result(name))
    return results


def failed(name: str, tolerance: Tolerance, why: str) -> StageResult:
    """Return the `StageResult` of a stage that could not be compared."""
    figures = (field.name for field in fields(StageResult) if field.type is float)
    nothing: dict[str, Any] = dict.fromkeys(figures, float("nan"))
    return StageResult(name, pictures=0, points=0, tolerance=tolerance, failure=why, **nothing)


def run_checked(
    backend: Any, spec: Spec, tensor: np.ndarray, wanted: np.ndarray | None = None
) -> np.ndarray:
    """Return a backend's output; raise `NanodetError` unless it has the shape ``spec`` says.

    Args:
        backend: the Backend; every place in the batch is tried if it takes several images at once.
        spec: of the reference.
        tensor: float32 (1, 3, H, W).
        wanted: the reference's output: the place in the batch that is farthest from it counts.
    """
    size = tensor.shape[:1:-1]
    if wanted is None or backend.spec.batch == 1:
        output = backend.run(tensor)
        spec.check_output(output, size, backend.path)
        return output
    outputs = backend.run_slots(tensor)
    for output in outputs:
        spec.check_output(output, size, backend.path)
    return max(outputs, key=lambda output: np.abs(output - wanted).max())


def format_table(results: Iterable[StageResult]) -> str:
    """Return the results as lines of text, one per stage."""
    lines = [f"{'stage':<20}{HEAD}"]
    for result in results:
        if result.failure:
            lines.append(f"{result.name:<20}failed: {result.failure}")
            continue
        verdict = "agrees" if result.agrees else f"DIFFERS: {result.problem}"
        lines.append(f"{result.name:<20}{format_figures(result)}  {verdict}")
    return "\n".join(map(printable, lines))


def percent(part: float) -> str:
    """Return a part of 1 in percent, rounded down: 100 % is all of them."""
    return f"{np.floor(1000 * part + 1e-6) / 10:g} %"


HEAD = (
    f"{'score max':>11}{'95 %':>9}{'mean':>9}{'edge max':>12}{'95 %':>10}{'mean':>9}{'match':>8}  "
    f"{'allowed':<22}"
)


def format_figures(result: StageResult) -> str:
    """Return the figures of a `StageResult` in the columns of `HEAD`; edges in network pixels."""
    limit = result.tolerance
    allowed = f"{limit.score:g}, {limit.edge:g} px" if np.isfinite(limit.edge) else "-"
    if limit.matched:
        allowed += f", {percent(limit.matched)}"
    scores = f"{result.score_max:>11.2e}{result.score_most:>9.1e}{result.score_mean:>9.1e}"
    edges = f"{result.edge_max:>9.5f} px{result.edge_most:>10.5f}{result.edge_mean:>9.1e}"
    return f"{scores}{edges}{percent(result.matched):>8}  {allowed:<22}"


def _read_points(best: np.ndarray) -> np.ndarray:
    above = np.flatnonzero(best > EDGE_SCORE)
    if len(above) >= EDGE_POINTS:
        return above
    return np.argsort(-best, kind="stable")[:EDGE_POINTS]
