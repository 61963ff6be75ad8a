"""Chooses the layers that become int8: those that get faster, less those that cost too much accuracy."""

from collections.abc import Callable, Iterable, Sequence

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


def ranked(reports: Iterable[LayerReport], layers: str) -> list[LayerReport]:
    """Return the int8 layers, first those that cost most accuracy per time gained.

    Args:
        reports, layers: as in `start`.
    """
    candidates = [report for report in reports if report.precision == INT8]
    if layers == FAST:
        return sorted(candidates, key=lambda r: r.sensitivity / max(r.gain_us, 1e-3), reverse=True)
    # for another CPU, whose times are not known
    return sorted(candidates, key=lambda r: r.sensitivity, reverse=True)


def give_up(ranking: Sequence[LayerReport], count: int) -> None:
    """Put the first ``count`` layers of a ranking in floating point, and the others in int8."""
    for report in ranking[:count]:
        report.precision, report.reason = FP16, "costs accuracy"
    for report in ranking[count:]:
        report.precision, report.reason = INT8, ""


def fewest(most: int, accepts: Callable[[int], bool]) -> int:
    """Return a count from 0 to ``most`` that is accepted, while the one below it is not.

    Steps double until a count is accepted, then halve. ``most`` is returned without a try where nothing
    that was tried below it is accepted.
    """
    refused, count, step = -1, 0, 1
    while count < most and not accepts(count):
        refused, count, step = count, min(count + step, most), 2 * step
    while count - refused > 1:
        middle = (refused + count) // 2
        if accepts(middle):
            count = middle
        else:
            refused = middle
    return count


def fewest_in_the_end(most: int, accepts: Callable[[int, bool], bool]) -> int:
    """Return a count from 0 that the final judgement accepts, too; ``most`` if there is none.

    Args:
        most: of which nothing is judged.
        accepts: tells whether a count is good enough, by the final judgement if the flag is set.
    """
    count, step = fewest(most, lambda count: accepts(count, False)), 1
    # no halving here: the more often the measuring images are asked, the more chance decides
    while count < most and not accepts(count, True):
        count, step = min(count + step, most), 2 * step
    return count


def precisions(reports: Iterable[LayerReport]) -> dict[str, str]:
    """Return the precision of each layer by name, as `nanodet.quantize.rewrite.rewrite` takes it."""
    return {report.name: report.precision for report in reports}


def thresholds(reports: Iterable[LayerReport]) -> dict[str, float]:
    """Return the threshold of each int8 layer by name."""
    return {report.name: report.threshold for report in reports if report.precision == INT8}
