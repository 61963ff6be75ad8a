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
        tolerance = (tolerances or {}).get(name, FULL)
        try:
            outputs = [_run(backend, reference.spec, tensor) for tensor in tensors]
        except NanodetError as error:
            nothing = float("nan")
            results.append(
                StageResult(name, nothing, nothing, nothing, nothing, 0, 0, tolerance, str(error))
            )
            continue
        results.append(_measure(name, expected, outputs, tensors, reference.spec, tolerance))
    return results


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


def _run(backend, spec, tensor):
    output = backend.run(tensor)
    spec.check_output(output, tensor.shape[:1:-1], backend.path)
    return output


def _measure(name, expected, outputs, tensors, spec, tolerance):
    classes = len(spec.class_names)
    score_errors, edge_errors = [], []
    for wanted, given, tensor in zip(expected, outputs, tensors, strict=True):
        score_errors.append(np.abs(given[:, :classes] - wanted[:, :classes]).ravel())
        read = _read_points(wanted[:, :classes].max(axis=1))
        unit = np.repeat(spec.strides, [w * h for w, h in spec.level_sizes(tensor.shape[:1:-1])])
        edges = [
            edge_distances(output[read, classes:].reshape(len(read), 4, -1))
            for output in (given, wanted)
        ]
        edge_errors.append((np.abs(edges[0] - edges[1]) * unit[read, None]).ravel())
    score, edge = np.concatenate(score_errors), np.concatenate(edge_errors)
    return StageResult(
        name, float(score.max()), float(score.mean()), float(edge.max()), float(edge.mean()),
        len(tensors), len(edge) // 4, tolerance,
    )  # fmt: skip


def _read_points(best):
    above = np.flatnonzero(best > EDGE_SCORE)
    if len(above) >= EDGE_POINTS:
        return above
    return np.argsort(-best, kind="stable")[:EDGE_POINTS]
