"""Milliseconds of a model and its forms: measured now in a short run, or of a bench's JSON."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanodet.bench.bench import bench
from nanodet.bench.plan import Effort
from nanodet.bench.report import busy_of
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import METRICS, read_text
from nanodet.files.json_keys import parse_json
from nanodet.text.brief import brief_text

SHORT = Effort(30, 1.0, "quick")


@dataclass(frozen=True)
class Timing:
    """One line of a bench: medians in milliseconds.

    Attributes:
        name: of the file, without its suffix; engine, precision, threads, size: how it ran.
        network: of the network alone; whole: from the image to the boxes, None if it was not timed.
        p90: of ``whole``, or of the network: nine of ten runs take less.
    """

    name: str
    engine: str
    precision: str
    threads: int
    size: str
    network: float
    whole: float | None
    p90: float

    @property
    def value(self) -> float:
        """The median from the image to the boxes, or of the network alone."""
        return self.network if self.whole is None else self.whole


@dataclass(frozen=True)
class Speed:
    """Times, and where they are from.

    Attributes:
        timings: the lines.
        machine: in words.
        how: whether they were measured for this report, or the file that they are from.
        remarks: what may have disturbed them.
        failures: a line on each file that could not be timed.
    """

    timings: list[Timing]
    machine: str
    how: str
    remarks: list[str]
    failures: list[str] = field(default_factory=list)


def measure_speed(models: Sequence[Path], config: StrPath | None = None) -> Speed:
    """Time models on this machine, each in a process of its own, for a few seconds.

    Args:
        models: files that take one image at once.
        config: config file of a checkpoint that contains none.
    """
    report = bench(list(map(str, models)), effort=SHORT, config=config, show=False)
    return _speed(report, f"measured for this report, at least {SHORT.seconds:g} s each, in turns")


def read_speed(path: StrPath) -> Speed:
    """Return the times of the JSON file of ``nanodet bench --json``.

    Raises:
        NanodetError: it is another file.
    """
    try:
        report = parse_json(read_text(path, METRICS), str(path), "this bench")
        started = brief_text(str(report["started"]))
        return _speed(
            report, f"of `{Path(path).name}`, {started}, effort {report['effort']['name']}"
        )
    except KeyError as error:
        why = f" ({error.args[0]}: this key is missing)"
    except (TypeError, ValueError, AttributeError):
        why = ""
    raise NanodetError(f"{path}: not the JSON of nanodet bench{why}")


def _speed(report: Any, how: str) -> Speed:
    machine = report["machine"]
    remarks = [*report["throttling"]["reasons"], *filter(None, [busy_of(report)])]
    timings, failures = [], []
    for one in report["results"]:
        if "times_us" not in one:
            failures.append(f"{one['name']}: {one['error']}")
            continue
        times = one["times_us"]
        network, whole = times["network"], times.get("end_to_end")
        timings.append(Timing(
            str(one["name"]), str(one["engine"]), str(one["precision"]), int(one["threads"]),
            "x".join(str(side) for side in one["input"]), network["median"] / 1000,
            None if whole is None else whole["median"] / 1000, (whole or network)["p90"] / 1000,
        ))  # fmt: skip
    words = [
        machine["board"],
        machine["soc"],
        f"{len(machine['cores'])} cores",
        machine["architecture"],
    ]
    return Speed(timings, ", ".join(str(word) for word in words if word), how, remarks, failures)
