"""Calibrates the standard deviations of edges, and writes the factors into the specs of a model."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanodet.data.records import Annotations
from nanodet.errors import NanodetError
from nanodet.evaluate.model_specs import change_specs, check_changeable
from nanodet.evaluate.uncertainty import (
    ONE_SIGMA,
    Edges,
    Uncertainty,
    format_uncertainty,
    join_edges,
    matched_edges,
    measure,
)
from nanodet.files import StrPath
from nanodet.runtime.detections import Detections
from nanodet.runtime.spec import Spec

OPTION = "--calibrate"
FEWEST = 50  # edges of a level with a factor of its own: its coverage then varies by about 7 %


class Calibration(NamedTuple):
    """A calibration: fitted on all images, and checked by fitting on each half and measuring on the other.

    Attributes:
        factors: one per level, fitted on all images, on the standard deviations without any factor.
        shared: strides of levels with fewer than `FEWEST` edges, which got the factor of all levels.
        images: their number; seed: of the choice of the halves.
        before: of all images, with the model's earlier factors.
        after: of all images, each half with the factors that were fitted on the other one.
    """

    factors: tuple[float, ...]
    shared: tuple[int, ...]
    images: int
    seed: int
    before: Uncertainty
    after: Uncertainty

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self._asdict() | {
            "factors": list(self.factors), "shared": list(self.shared),
            "before": self.before.to_dict(), "after": self.after.to_dict(),
        }  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """Return what the spec records of it."""
        after = self.after.to_dict()
        return {
            "images": self.images, "seed": self.seed, "coverage": after["coverage"],
            "per_level": after["per_level"],
        }  # fmt: skip


def calibrate(
    annotations: Annotations,
    detections: Sequence[Detections],
    spec: Spec,
    seed: int,
    model: StrPath,
) -> Calibration:
    """Fit one factor per level, and measure on each half of the images what the other half gives.

    Args:
        annotations: the `Annotations`.
        detections: a `Detections` with ``edge_std`` for each of its images, in their order.
        spec: of the model; its factors are part of ``edge_std``, and detections above its thresholds count.
        seed: of the choice of the halves.
        model: names it in messages.

    Raises:
        NanodetError: there are too few detections.
    """
    count, levels = len(annotations.pictures), len(spec.strides)
    order = np.random.default_rng(seed).permutation(count).tolist()
    one, other = (
        matched_edges(
            dataclasses.replace(annotations, pictures=[annotations.pictures[i] for i in half]),
            [detections[i] for i in half],
            spec,
        )
        for half in (order[: count // 2], order[count // 2 :])
    )
    whole = join_edges(one, other)
    by_one, by_other, by_all = (fit_factors(edges, levels) for edges in (one, other, whole))
    if by_one is None or by_other is None or by_all is None:
        raise NanodetError(
            f"{model}: {OPTION}: {len(one.error)} edges of matched detections in one half of the "
            f"images and {len(other.error)} in the other; needs {FEWEST} in each: give more images"
        )
    few = np.bincount(whole.level, minlength=levels) < FEWEST
    earlier = spec.edge_std_factors or (1.0,) * levels
    held_out = join_edges(other.scaled(by_one), one.scaled(by_other))
    return Calibration(
        factors=tuple(round(a * b, 6) for a, b in zip(earlier, by_all, strict=True)),
        shared=tuple(int(spec.strides[i]) for i in np.flatnonzero(few)),
        images=count,
        seed=seed,
        before=measure(whole, spec.strides),
        after=measure(held_out, spec.strides),
    )


def fit_factors(edges: Edges, levels: int, fewest: int = FEWEST) -> tuple[float, ...] | None:
    """Return a factor per level with which 68.27 % of the errors are within one standard deviation.

    A level of fewer than ``fewest`` edges gets the factor of all levels. The result is None if they
    have fewer together, or if too many standard deviations are 0.

    Args:
        edges: of `nanodet.evaluate.uncertainty.matched_edges`.
        levels: how many there are.
    """
    if len(edges.error) < fewest:
        return None
    error = np.abs(edges.error)
    # a standard deviation of 0 covers an error of 0 alone, whatever its factor
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.where(error > 0, error / edges.std, 0.0)
    by_level = [wanted[edges.level == level] for level in range(levels)]
    parts = [part if len(part) >= fewest else wanted for part in by_level]
    factors = [float(np.quantile(part, ONE_SIGMA, method="inverted_cdf")) for part in parts]
    return tuple(factors) if all(1e-6 <= factor <= 1e6 for factor in factors) else None


def format_calibration(found: Calibration) -> str:
    """Return a calibration as text for a terminal."""
    strides = list(found.after.per_level)
    factors = ", ".join(
        f"stride {stride} {factor:.3f}"
        for stride, factor in zip(strides, found.factors, strict=True)
    )
    lines = [format_uncertainty(found.after), ""]
    lines.append(
        f"factors fitted on {found.images} images: {factors}; the figures above are of each half (seed "
        f"{found.seed}) with the factors of the other one"
    )
    before = found.before.coverage.one_sigma
    lines.append(f"before, {100 * (before or 0):.1f} % of these edges were within 1 sigma")
    if found.shared:
        few = ", ".join(map(str, found.shared))
        lines.append(f"stride {few}: fewer than {FEWEST} edges to fit on: the factor of all levels")
    return "\n".join(lines)


def check_calibratable(model: StrPath, spec: Spec) -> None:
    """Raise the `NanodetError` that `write_factors` would raise, before the long run."""
    check_changeable(model, OPTION, "the factors")
    spec.check_uncertainty(model, OPTION)


def write_factors(
    model: StrPath, factors: Sequence[float], measured: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write ``output.edge_std_factors`` into all specs of a model, see `change_specs`.

    Args:
        model: an ``.onnx`` or ``.param`` file.
        factors: one per level.
        measured: what is recorded under ``measured.edge_std`` of the JSON beside it.
    """
    record = {"edge_std": dict(measured)} if measured else {}
    return change_specs(model, OPTION, {"edge_std_factors": tuple(factors)}, record)
