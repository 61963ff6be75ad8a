"""The result of a quantisation, for the user and for the spec."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanodet.evaluate.bootstrap import Interval, change_text, text
from nanodet.evaluate.intervals import TOO_FEW
from nanodet.quantize.choose import ALL
from nanodet.quantize.rewrite import INT8
from nanodet.quantize.sensitivity import LayerReport


@dataclass
class Quantised:
    """What was made and measured.

    Attributes:
        files: the paths of the model's three files.
        table: the path of the table of its layers.
        layers: list of `nanodet.quantize.sensitivity.LayerReport`.
        calibration: number of calibration images; measured: number of images measured on.
        accuracy: ``fp32``, ``int8`` and ``drop`` in AP on the measuring images (None without
            annotations); ``looks``: how often they were used; ``intervals``: the ends of the 95 %
            interval of each, None with objects in fewer than ten images.
        twins: part, 0..1, of the detections above 0.3 that both models have.
        bytes: of ``.param`` and ``.bin`` together, before and after.
        seconds: of the network for one image, one thread, side by side: name to median.
    """

    files: list[Path]
    layers: list[LayerReport]
    calibration: int
    measured: int
    accuracy: dict[str, Any]
    twins: float | None
    bytes: dict[str, int]
    seconds: dict[str, float]
    settings: dict[str, Any] = field(default_factory=dict)
    table: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, for the spec's ``measured``."""
        return {
            **self.settings,
            "calibration_pictures": self.calibration,
            "measuring_pictures": self.measured,
            "ap": {
                k: v if isinstance(v, dict) else _rounded(v, 3) for k, v in self.accuracy.items()
            },
            "twins": _rounded(self.twins, 4),
            "bytes": self.bytes,
            "network_ms_one_thread": {k: _rounded(1000 * v, 3) for k, v in self.seconds.items()},
            "layers": [_layer(report) for report in self.layers],
        }


def _layer(report: LayerReport) -> dict[str, Any]:
    return {
        "name": report.name,
        "precision": report.precision,
        "reason": report.reason,
        "method": report.method,
        "threshold": _rounded(report.threshold, 5),
        "scale": _rounded(127 / report.threshold, 5),
        "sensitivity": _rounded(report.sensitivity, 6),
        "float_us": _rounded(report.float_us, 1),
        "int8_us": _rounded(report.int8_us, 1),
        "weights": report.weights,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def layer_table(reports: Sequence[LayerReport]) -> list[str]:
    """Return the layers as lines of text."""
    width = max(5, *(len(report.name) for report in reports))
    lines = [
        f"{'layer':<{width}} {'input':>14} {'weights':>8} {'method':>10} {'scale':>9} "
        f"{'costs':>8} {'float us':>9} {'int8 us':>8}  kept as"
    ]
    for r in reports:
        shape = "x".join(map(str, r.shape))
        why = f" ({r.reason})" if r.reason else ""
        lines.append(
            f"{r.name:<{width}} {shape:>14} {r.weights:>8} {r.method:>10} {127 / r.threshold:>9.2f} "
            f"{r.sensitivity:>8.5f} {r.float_us:>9.1f} {r.int8_us:>8.1f}  {r.precision}{why}"
        )
    return lines


def summary(result: Quantised, layers: str) -> list[str]:
    """Return a summary for the user as lines of text."""
    int8 = [r for r in result.layers if r.precision == INT8]
    kept = Counter(r.reason for r in result.layers if r.precision != INT8)
    why = ", ".join(f"{count} ({reason})" for reason, count in kept.most_common())
    lines = [
        f"layers      {len(int8)} of {len(result.layers)} convolutions in int8"
        + (f"; in floating point: {why}" if kept else "")
    ]
    lines += _accuracy(result)
    if result.twins is not None:
        lines.append(f"detections  {100 * result.twins:.1f} % of those above 0.3 have a twin")
    before, after = result.bytes["before"], result.bytes["after"]
    lines.append(f"file size   {before:,} to {after:,} bytes ({after / before:.2f} of it)")
    full, ours = result.seconds["fp32"], result.seconds["int8"]
    lines.append(
        f"network     {1000 * full:.2f} ms fp32, {1000 * ours:.2f} ms int8: {ours / full:.2f} of its "
        "time (one thread, side by side)"
    )
    for name in ("bf16", "fp16"):
        if name in result.seconds:
            other = result.seconds[name]
            word = "slower" if ours > other else "faster"
            lines.append(
                f"            {1000 * other:.2f} ms {name} on this CPU: int8 is {word} "
                f"({ours / other:.2f} of its time)"
            )
    if ours > full:
        way = " (--layers fast leaves the slow layers out)" if layers == ALL else ""
        lines.append(f"On this CPU int8 is SLOWER than fp32{way}.")
    return lines


def _accuracy(result: Quantised) -> list[str]:
    found = result.accuracy
    if not found:
        return []
    values = {
        name: ends and Interval(found[name], *ends) for name, ends in found["intervals"].items()
    }
    full, ours = (text(found[name], values[name]) for name in ("fp32", "int8"))
    change = change_text(-found["drop"], values["drop"] and values["drop"].negative())
    return [
        f"AP          {full} fp32, {ours} int8 on {result.measured} images not used for calibration",
        f"            int8 minus fp32: {change}",
        *([] if values["drop"] else [f"            {TOO_FEW}"]),
    ]
