"""The exported forms of a model: what was compared with the checkpoint, and how far they differ."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import METRICS, read_text
from nanodet.files.json_keys import parse_json
from nanodet.pages.markup import Cell, literal
from nanodet.pages.page import Page
from nanodet.report.subject import Form, Subject

LONGEST_LIST = 20  # of what is shown as it is
HEAD = [
    "form", "compared on", "scores: largest error", "95 % below", "edges, px: largest error", "95 % below",
    "same points", "allowed",
]  # fmt: skip


def add_forms(page: Page, subject: Subject, verified: dict[str, Any] | None) -> None:
    """Add what the specs say about the parity of each form, and the report of ``nanodet verify``.

    Args:
        page: gets the tables.
        subject: has the forms.
        verified: as `read_verified` returns it, None without one.
    """
    if not subject.forms:
        page.text(
            "No exported form of this checkpoint was found beside it. `nanodet export` makes them, and "
            "`--exports DIR` says where they are."
        )
        return
    rows = parity_rows(subject.forms)
    if rows:
        page.table(HEAD, rows, left=2)
        page.note(
            "Raw outputs of each form beside those of the checkpoint, compared when it was exported: scores "
            "0..1, edges in network pixels. What is allowed is the largest error, or what 95 % must be below "
            "where numbers are rounded; an export does not write a form that differs by more. The figures "
            "are those in the specs of the files."
        )
    for form in subject.forms:
        _add_int8(page, form)
    if subject.elsewhere:
        page.text(
            f"{subject.elsewhere} other exported files in the folder are not known to come from this "
            "checkpoint, and are not shown."
        )
    if verified is not None:
        _add_verified(page, verified)


def parity_rows(forms: Sequence[Form]) -> list[list[str | Cell]]:
    """Return a row per folder and stage that a spec has figures of; what has another form is left out."""
    rows: dict[tuple[Path, str], list[str | Cell]] = {}
    several = len({form.path.parent for form in forms}) > 1
    for form in forms:
        measured = form.spec.measured if form.spec is not None else {}
        stages = measured.get("against_torch")
        for stage, found in stages.items() if isinstance(stages, dict) else ():
            if not isinstance(found, dict):
                continue
            errors = [
                _small(found.get(f"{part}_{which}"))
                for part in ("score", "edge")
                for which in ("max", "most")
            ]
            where = literal(measured.get("compared_on", "-"))
            ends = _part(found.get("matched")), _allowed(found)
            name = f"{stage}, {form.path.parent.name}" if several else stage
            row: list[str | Cell] = [literal(name), where, *errors, *ends]
            # each file of an export has the figures of all of them
            rows.setdefault((form.path.parent, str(stage)), row)
    return list(rows.values())


def read_verified(path: StrPath) -> dict[str, Any]:
    """Return the JSON of ``nanodet verify --json``.

    Raises:
        NanodetError: it is another file.
    """
    found = parse_json(read_text(path, METRICS), str(path), "this report")
    stages = found.get("stages") if isinstance(found, dict) else None
    if not isinstance(stages, list) or not all(isinstance(one, dict) for one in stages):
        raise NanodetError(f"{path}: not the JSON of nanodet verify (stages: this key is missing)")
    return found


def _add_int8(page: Page, form: Form) -> None:
    """Add what ``nanodet quantize`` measured."""
    found = form.spec.measured.get("int8") if form.spec is not None else None
    if not isinstance(found, dict):
        return
    parts = []
    ap = found.get("ap")
    if isinstance(ap, dict) and {"fp32", "int8"} <= ap.keys():
        ends = (
            ap.get("intervals", {}).get("drop") if isinstance(ap.get("intervals"), dict) else None
        )
        drop = f"a drop of {_with_ends(ap.get('drop'), ends)}"
        parts.append(
            f"AP {_points(ap['int8'])} in int8, {_points(ap['fp32'])} in fp32, {drop}, on "
            f"{_in('.0f', found.get('measuring_pictures'))} images not used for calibration"
        )
    twins = found.get("twins")
    if _number(twins) is not None:
        parts.append(f"{_part(twins)} of the detections above 0.3 are in both")
    times = found.get("network_ms_one_thread")
    if isinstance(times, dict):
        words = ", ".join(f"{name} {_small(value)} ms" for name, value in times.items())
        parts.append(f"network on the machine that quantized it, one thread: {words}")
    if parts:
        page.text(f"**{form.path.stem}**, by its spec: {'; '.join(parts)}.")


def _add_verified(page: Page, verified: dict[str, Any]) -> None:
    page.subheading("Verified")
    rows: list[list[str | Cell]] = []
    for one in verified["stages"]:
        result = one.get("result") if isinstance(one.get("result"), dict) else {}
        change = _with_ends(one.get("ap_change"), one.get("ap_change_interval"))
        rows.append([
            literal(one.get("name", "-")), literal(one.get("verdict", "-")),
            _small(result.get("score_max")), _small(result.get("edge_max")), _part(one.get("twins")),
            _points(one.get("ap")), change,
        ])  # fmt: skip
    page.table(
        ["stage", "verdict", "largest error of scores", "of edges, px", "same detections", "AP", "change"],
        rows, left=2,
    )  # fmt: skip
    reference = Path(str(verified.get("reference", "-"))).name
    page.note(f"`nanodet verify` on {verified.get('pictures', '-')}, against `{reference}`.")


def raw_measured(form: Form) -> str:
    """Return what a spec holds as measured, as JSON, with the lengths of its long lists in their places."""
    measured = {} if form.spec is None else form.spec.measured
    return json.dumps(_short(measured), indent=1, ensure_ascii=False)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return list(map(_short, value)) if len(value) <= LONGEST_LIST else f"({len(value)} entries)"
    return value


def _number(value: Any) -> float | None:
    """Return a number of a file; None for anything else, as it may hold anything."""
    fits = isinstance(value, float | int) and not isinstance(value, bool) and abs(value) < 1e12
    return float(value) if fits else None


def _in(form: str, value: Any) -> str:
    """Return a number of a file in a form such as ``.2f``; ``-`` for anything else."""
    number = _number(value)
    return "-" if number is None else format(number, form)


def _small(value: Any) -> str:
    return _in(".3g", value)


def _points(value: Any) -> str:
    """Return AP, or a difference of AP, with two digits."""
    return _in("z.2f", value)


def _with_ends(value: Any, ends: Any) -> str:
    """Return a difference of AP with its interval, where a file has one."""
    if not isinstance(ends, list) or len(ends) != 2:
        return _points(value)
    return f"{_points(value)} (95 %: {_points(ends[0])} .. {_points(ends[1])})"


def _part(value: Any) -> str:
    """Return a part of 1 in percent."""
    return _in(".1%", value).replace("%", " %")


def _allowed(found: dict[str, Any]) -> str:
    """Return the tolerance of a stage, see `nanodet.compare.outputs.Tolerance`."""
    limits = found.get("tolerance")
    if not isinstance(limits, dict):
        return "-"
    words = f"{_small(limits.get('score'))}, {_small(limits.get('edge'))} px"
    return f"95 %: {words}" if limits.get("matched") else f"largest: {words}"
