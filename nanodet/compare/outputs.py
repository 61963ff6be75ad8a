"""The proof that nothing changed: each exported form beside torch, on the same tensors.

Two things are compared. *Scores*: every class score of every point. *Edges*: the expectation of
each edge's distribution, in network pixels, because that is what becomes a box. Edges count only
at points whose best score in the reference is above 0.05 (what evaluation looks at) or, where a
picture has fewer than 100 of those, at its 100 best points: elsewhere nobody was ever taught what
the edges should be, and nobody reads them.
"""

from dataclasses import asdict, dataclass

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.decode import edge_distances

EDGE_SCORE, EDGE_POINTS = 0.05, 100


@dataclass(frozen=True)
class Tolerance:
    """The largest errors a stage may have.

    Attributes:
        score: of every class score, 0..1.
        edge: of edges in network pixels.
        edge_part: which part of the edges must keep to it: 1.0 or `MOST`.
    """

    score: float
    edge: float
    edge_part: float = 1.0


# Rounding moves a few edges far, where a distribution has two peaks. Over 500 pictures NanoDet-m with
# 16-bit weights has a mean error of 0.011 px; 999 of 1000 edges are within 0.21 px (of 8 pictures
# within 0.40 px); the largest error grows with the number of pictures and is 1.3 px. With bfloat16
# between the layers: 0.097, 1.8 (4.0) and 9.4 px. So the largest says little there; docs/verify.md.
MOST = 0.999
FULL = Tolerance(1e-3, 0.05)  # 32-bit weights and arithmetic
HALF = Tolerance(0.02, 1.0, MOST)  # 16-bit weights, 32-bit arithmetic
BRAIN = Tolerance(0.1, 8.0, MOST)  # 16 bits between the layers


@dataclass(frozen=True)
class StageResult:
    """How far one stage is from the reference, over all tensors.

    Attributes:
        name: of the stage.
        score_max, score_mean: absolute errors of class scores.
        edge_max, edge_most, edge_mean: absolute errors of edge expectations in network pixels:
            the largest, what 999 in 1000 stay below, the mean.
        pictures: tensors compared; points: points whose edges were compared.
        tolerance: what was allowed.
        failure: why the stage could not be compared at all, else an empty text.
    """

    name: str
    score_max: float
    score_mean: float
    edge_max: float
    edge_most: float
    edge_mean: float
    pictures: int
    points: int
    tolerance: Tolerance
    failure: str = ""

    @property
    def agrees(self):
        """Whether the stage is within its tolerance."""
        if self.failure:
            return False
        return self.score_max <= self.tolerance.score and self.edge <= self.tolerance.edge

    @property
    def edge(self):
        """The error of edges that the tolerance is about."""
        return self.edge_max if self.tolerance.edge_part == 1 else self.edge_most

    def to_dict(self):
        """Return the JSON form, for a spec's ``measured``."""
        figures = asdict(self)
        del figures["name"], figures["failure"]
        return {k: round(v, 9) if isinstance(v, float) else v for k, v in figures.items()}


class Errors:
    """Adds up, picture by picture, how far the outputs of a stage are from the reference's.

    Args:
        spec: of the reference.

    Attributes:
        worst: position of the picture with the largest error, in parts of the tolerance.
    """

    def __init__(self, spec, tolerance=FULL):
        self.spec, self.tolerance = spec, tolerance
        self.pictures, self.worst, self._worst_parts = 0, 0, -1.0
        self._score_max = self._score_sum = self._scores = 0
        self._edges = []

    def add(self, wanted, given, input_size):
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
        edges = [
            edge_distances(output[read, classes:].reshape(len(read), 4, -1))
            for output in (given, wanted)
        ]
        edges = (np.abs(edges[0] - edges[1]) * unit[read, None]).ravel()
        parts = max(scores.max() / self.tolerance.score, edges.max() / self.tolerance.edge)
        if parts > self._worst_parts:
            self.worst, self._worst_parts = self.pictures, parts
        self.pictures += 1
        self._score_max = max(self._score_max, float(scores.max()))
        self._score_sum += float(scores.sum(dtype=np.float64))
        self._scores += scores.size
        self._edges.append(edges)

    def result(self, name):
        """Return the `StageResult` over all pictures added, at least one."""
        edges = np.concatenate(self._edges)
        return StageResult(
            name, self._score_max, self._score_sum / self._scores, float(edges.max()),
            float(np.quantile(edges, MOST, method="lower")), float(edges.mean()), self.pictures,
            len(edges) // 4, self.tolerance,
        )  # fmt: skip


def compare_stages(reference, stages, tensors, tolerances=None):
    """Run every stage and the reference on the same tensors.

    Args:
        reference: the `nanodet.runtime.backends.Backend` to measure against.
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
                output = run_checked(backend, reference.spec, tensor)
                errors.add(wanted, output, tensor.shape[:1:-1])
        except NanodetError as error:
            results.append(failed(name, errors.tolerance, str(error)))
            continue
        results.append(errors.result(name))
    return results


def failed(name, tolerance, why):
    """Return the `StageResult` of a stage that could not be compared."""
    nothing = float("nan")
    return StageResult(name, *[nothing] * 5, 0, 0, tolerance, why)


def run_checked(backend, spec, tensor):
    """Return a backend's output; raise `NanodetError` unless it has the shape ``spec`` says."""
    output = backend.run(tensor)
    spec.check_output(output, tensor.shape[:1:-1], backend.path)
    return output


def format_table(results):
    """Return the results as lines of text, one per stage."""
    lines = [f"{'stage':<20}{HEAD}"]
    for result in results:
        if result.failure:
            lines.append(f"{result.name:<20}failed: {result.failure}")
            continue
        end = "" if result.agrees else "  DISAGREES"
        lines.append(f"{result.name:<20}{format_figures(result)}{end}")
    return "\n".join(lines)


HEAD = f"{'score max':>11}{'mean':>9}{'edge max':>12}{'99.9 %':>10}{'mean':>9}  {'allowed':<14}"


def format_figures(result):
    """Return the figures of a `StageResult` in the columns of `HEAD`; edges in network pixels."""
    limit = result.tolerance
    allowed = f"{limit.score:g}, {limit.edge:g} px" if np.isfinite(limit.edge) else "-"
    edges = f"{result.edge_max:>9.5f} px{result.edge_most:>10.5f}{result.edge_mean:>9.1e}"
    return f"{result.score_max:>11.2e}{result.score_mean:>9.1e}{edges}  {allowed:<14}"


def _read_points(best):
    above = np.flatnonzero(best > EDGE_SCORE)
    if len(above) >= EDGE_POINTS:
        return above
    return np.argsort(-best, kind="stable")[:EDGE_POINTS]
