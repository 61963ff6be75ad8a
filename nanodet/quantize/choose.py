"""Chooses the layers that become int8: those that get faster, less those that cost too much accuracy."""

from collections.abc import Iterable

from nanodet.quantize.rewrite import FP16, INT8, TABLE
from nanodet.quantize.sensitivity import LayerReport

FAST, ALL = "fast", "all"
LAYERS = (FAST, ALL)
# a layer must be clearly faster by itself: in the whole model, conversions between layers add to it
_CLEARLY = 0.85
_TABLE_FROM = 2048  # weights; with fewer, the table takes more space than it saves over 16 bits


def start(reports: Iterable[LayerReport], layers: str) -> None:
    """Set the precisions before any accuracy is measured.

    Args:
        reports: list of `nanodet.quantize.sensitivity.LayerReport`, changed in place.
        layers: ``fast``: int8 where it is clearly faster on this CPU; ``all``: everywhere.
    """
    for report in reports:
        report.precision, report.reason = INT8, ""
        if layers == FAST and report.int8_us > _CLEARLY * report.float_us:
            # accuracy would allow int8: a byte per weight will do
            report.precision = TABLE if report.weights > _TABLE_FROM else FP16
            slower = report.gain_us <= 0
            report.reason = "int8 is slower" if slower else "int8 is hardly faster"


def give_up(reports: Iterable[LayerReport], count: int, layers: str) -> list[str]:
    """Move the ``count`` int8 layers that cost most accuracy per time gained to floating point.

    Args:
        reports, layers: as in `start`.
        count: how many.

    Returns:
        names of the layers moved; fewer than ``count`` when int8 layers run out.
    """
    candidates = [report for report in reports if report.precision == INT8]
    if layers == FAST:
        candidates.sort(key=lambda r: r.sensitivity / max(r.gain_us, 1e-3), reverse=True)
    else:  # for another CPU, whose times are not known
        candidates.sort(key=lambda r: r.sensitivity, reverse=True)
    for report in candidates[:count]:
        report.precision, report.reason = FP16, "costs accuracy"
    return [report.name for report in candidates[:count]]


def precisions(reports: Iterable[LayerReport]) -> dict[str, str]:
    """Return the precision of each layer by name, as `nanodet.quantize.rewrite.rewrite` takes it."""
    return {report.name: report.precision for report in reports}


def thresholds(reports: Iterable[LayerReport]) -> dict[str, float]:
    """Return the threshold of each int8 layer by name."""
    return {report.name: report.threshold for report in reports if report.precision == INT8}
