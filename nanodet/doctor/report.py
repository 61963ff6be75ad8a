"""The diagnosis as lines for a terminal, and as JSON."""

from collections.abc import Iterator
from typing import Any

from nanodet.data.summary import describe
from nanodet.doctor.doctor import Diagnosis
from nanodet.doctor.finding import ERROR, SEVERITIES, WARNING, Finding
from nanodet.text.counted import counted

VERSION = 1  # of the JSON
SHOWN = 3  # examples in the terminal


def lines(diagnosis: Diagnosis, page: str | None = None) -> Iterator[str]:
    """Yield the lines for the user; ``page`` names the HTML page, if there is one."""
    for one in diagnosis.sets:
        yield f"{one.part}: {describe(one.summary)}"
    for finding in diagnosis.findings:
        yield ""
        yield f"{headline(finding)} [{finding.code}]"
        for example in finding.examples[:SHOWN]:
            yield f"  {example.text}"
        yield f"  {finding.advice}"
    yield ""
    yield verdict(diagnosis) + (f"; {page} shows them" if page else "")


def headline(finding: Finding) -> str:
    """Return severity, set, amount and fault of a finding in one line."""
    part = f"{finding.part}: " if finding.part else ""
    return f"{finding.severity}: {part}{finding.said()}"


def verdict(diagnosis: Diagnosis) -> str:
    """Return the numbers of findings, and what they mean for a training."""
    counts = [
        counted(count, severity) for severity in SEVERITIES if (count := diagnosis.count(severity))
    ]
    if diagnosis.count(ERROR):
        meaning = "a training stops, or learns nothing"
    elif diagnosis.count(WARNING):
        meaning = "a training starts, and would be better without them"
    else:
        meaning = "nothing is wrong"
    return f"{', '.join(counts) or 'no findings'}: {meaning}"


def as_json(diagnosis: Diagnosis, subject: str) -> dict[str, Any]:
    """Return everything as plain data; ``subject`` is the config or folder that was looked at."""
    return {
        "version": VERSION,
        "subject": subject,
        "healthy": diagnosis.healthy,
        "sets": {
            one.part: {
                "images": one.summary.images,
                "images_without_objects": one.summary.without_objects,
                "boxes": dict(one.summary.boxes),
                "ignored": one.summary.ignored,
                "too_small": one.summary.too_small,
            }
            for one in diagnosis.sets
        },
        "findings": [
            {
                "severity": one.severity,
                "code": one.code,
                "set": one.part or None,
                "what": one.what,
                "count": one.count or None,
                "of": one.of or None,
                "examples": [example.text for example in one.examples],
                "advice": one.advice,
            }
            for one in diagnosis.findings
        ],
    }
