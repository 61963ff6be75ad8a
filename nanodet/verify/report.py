"""What verify found, as a table and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import nanodet
from nanodet.compare.outputs import HEAD, format_figures
from nanodet.evaluate.bootstrap import Interval, change_text
from nanodet.text.printable import printable
from nanodet.verify.judge import Row

WIDTH = 20
CHANGE = 24  # characters


@dataclass
class Report:
    """The result of a verification.

    Attributes:
        reference: the file that every stage was compared with.
        reference_name: its name in the table.
        groups: (fit and size in words, AP or None) of the reference, one for each way in which
            the stages fit images; intervals: the 95 % interval of each of these AP, or None.
        rows: list of `nanodet.verify.judge.Row`.
        pictures: which images, in words.
        seconds: how long it took.
    """

    reference: str
    reference_name: str
    groups: list[tuple[str, float | None]]
    intervals: list[Interval | None]
    rows: list[Row]
    pictures: str
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether no stage differs."""
        return not any(row.faults for row in self.rows)

    def summary(self) -> str:
        """Return one line: how many stages agree, or which differ and in what."""
        wrong = [row for row in self.rows if row.faults]
        if wrong:
            named = "; ".join(f"{row.name} ({', '.join(_parts(row))})" for row in wrong)
            count = f"{len(wrong)} of {len(self.rows)} stages"
            verb = "differs" if len(wrong) == 1 else "differ"
            return f"{count} {verb} from {self.reference}: {named}"
        counts = [
            f"{sum(row.verdict == verdict for row in self.rows)} {words}"
            for verdict, words in (
                ("agrees", f"{_agree(self.rows)} with {self.reference}"),
                ("not judged", "not judged"), ("not run", "not run"),
            )
            if verdict == "agrees" or any(row.verdict == verdict for row in self.rows)
        ]  # fmt: skip
        return ", ".join(counts)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "nanodet": nanodet.__version__,
            "reference": self.reference,
            "agrees": self.agrees,
            "pictures": self.pictures,
            "reference_ap": [
                {"input": words, "AP": ap} | ({"interval": found.ends()} if found else {})
                for (words, ap), found in zip(self.groups, self.intervals, strict=True)
            ],
            "stages": [row.to_dict() for row in self.rows],
            "seconds": round(self.seconds, 2),
        }


def format_report(report: Report) -> str:
    """Return the report as text: a table with a line per stage, and a line per finding."""
    with_ap = any(ap is not None for _, ap in report.groups)
    width = max([WIDTH, *(len(row.name) + 2 for row in report.rows)])
    lines = [
        f"{report.pictures}; edges in network pixels; twins: detections above 0.3 that both have",
        f"{'stage':<{width}}{HEAD}{'twins':>8}"
        + (f"{'AP':>8}{'change (95 %)':>{CHANGE}}" if with_ap else ""),
    ]
    for (words, ap), found in zip(report.groups, report.intervals, strict=True):
        name = f"{report.reference_name}, {words}"
        gap = " " * (width + len(HEAD) + 8 - len(name))
        ends = found and f" ({found.low:.2f} .. {found.high:.2f})"
        lines.append(f"{name}{gap}{_ap(ap)}{ends or ''}".rstrip())
    lines += [_line(row, width) for row in report.rows]
    for row in report.rows:
        lines += [f"{row.name}: {part}: {text}" for part, text in row.faults]
        if row.verdict != "not run":
            lines += [f"{row.name}: note: {text}" for text in row.notes]
    return "\n".join(map(printable, lines))


def _line(row: Row, width: int) -> str:
    start = f"{row.name:<{width}}"
    if row.verdict == "not run":
        return f"{start}not run: {row.notes[0]}"
    failed = {"model", "network"} & set(_parts(row)) if row.result is None else row.result.failure
    if failed:
        return f"{start}failed ({', '.join(_parts(row))})"
    figures = " " * len(HEAD) if row.result is None else format_figures(row.result)
    twins = "-" if row.twins is None else f"{100 * row.twins:.1f} %"
    change = ""
    if row.ap_change is not None:
        change = f"{change_text(row.ap_change, row.ap_change_interval):>{CHANGE}}"
    verdict = f"DIFFERS ({', '.join(_parts(row))})" if row.faults else row.verdict
    return f"{start}{figures}{twins:>8}{_ap(row.ap)}{change}  {verdict}"


def _parts(row: Row) -> list[str]:
    return list(dict.fromkeys(part for part, _ in row.faults))


def _ap(ap: float | None) -> str:
    return f"{ap:>8.2f}" if ap is not None else ""


def _agree(rows: Iterable[Row]) -> str:
    return "stage agrees" if sum(row.verdict == "agrees" for row in rows) == 1 else "stages agree"
