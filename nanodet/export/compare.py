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
    """The largest errors a stage may have: ``score`` 0..1, ``edge`` in network pixels."""

    score: float
    edge: float


FULL = Tolerance(1e-3, 0.05)  # 32-bit weights
# 16-bit weights: rounding them alone moves single edges of NanoDet-m by up to 0.04 strides, that
# is 0.9 pixels at stride 32, where a distribution has two peaks (99 of 100 edges: under 0.2)
HALF = Tolerance(0.02, 2.0)


@dataclass(frozen=True)
class StageResult:
    """How far one stage is from the reference, over all tensors.

    Attributes:
        name: of the stage.
        score_max, score_mean: absolute errors of class scores.
        edge_max, edge_mean: absolute errors of edge expectations in network pixels.
        pictures: tensors compared; points: points whose edges were compared.
        tolerance: what was allowed.
        failure: why the stage could not be compared at all, else an empty text.
    """

    name: str
    score_max: float
    score_mean: float
    edge_max: float
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
        return self.score_max <= self.tolerance.score and self.edge_max <= self.tolerance.edge

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
            float(edges.mean()), self.pictures, len(edges) // 4, self.tolerance,
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
    return StageResult(name, nothing, nothing, nothing, nothing, 0, 0, tolerance, why)


def run_checked(backend, spec, tensor):
    """Return a backend's output; raise `NanodetError` unless it has the shape ``spec`` says."""
    output = backend.run(tensor)
    spec.check_output(output, tensor.shape[:1:-1], backend.path)
    return output


def format_table(results):
    """Return the results as lines of text, one per stage."""
    head = f"{'stage':<18}{'score max':>11}{'mean':>10}{'edge max':>12}{'mean':>10}  allowed"
    lines = [head]
    for result in results:
        if result.failure:
            lines.append(f"{result.name:<18}failed: {result.failure}")
            continue
        allowed = f"{result.tolerance.score:g}, {result.tolerance.edge:g} px"
        lines.append(
            f"{result.name:<18}{result.score_max:>11.2e}{result.score_mean:>10.1e}"
            f"{result.edge_max:>9.5f} px{result.edge_mean:>10.1e}  {allowed}"
            f"{'' if result.agrees else '  DISAGREES'}"
        )
    return "\n".join(lines)


def _read_points(best):
    above = np.flatnonzero(best > EDGE_SCORE)
    if len(above) >= EDGE_POINTS:
        return above
    return np.argsort(-best, kind="stable")[:EDGE_POINTS]
