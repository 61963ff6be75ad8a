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

HEAD = [
    "form", "compared on", "images", "largest error of scores", "of edges, px", "allowed",
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
            "0..1, edges in network pixels. An export does not write a form that differs by more than "
            "allowed. The figures are those in the specs of the files."
        )
    for form in subject.forms:
        _add_int8(page, form)
    if subject.elsewhere:
        page.text(
            f"{subject.elsewhere} other exported files in the folder come from another checkpoint, and are "
            "not shown."
        )
    if verified is not None:
        _add_verified(page, verified)


def parity_rows(forms: Sequence[Form]) -> list[list[str | Cell]]:
    """Return a row per stage that a spec has figures of; what has another form is left out."""
    rows: dict[str, list[str | Cell]] = {}
    for form in forms:
        measured = form.spec.measured if form.spec is not None else {}
        stages = measured.get("against_torch")
        for stage, found in stages.items() if isinstance(stages, dict) else ():
            if not isinstance(found, dict):
                continue
            limits = found.get("tolerance")
            limits = limits if isinstance(limits, dict) else {}
            allowed = f"{_small(limits.get('score'))}, {_small(limits.get('edge'))} px"
            rows.setdefault(str(stage), [
                literal(stage), literal(measured.get("compared_on", "-")),
                _whole(found.get("pictures")), _small(found.get("score_max")),
                _small(found.get("edge_max")), allowed,
            ])  # fmt: skip
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
        drop = f"a drop of {_small(ap.get('drop'))}"
        if isinstance(ends, list) and len(ends) == 2:
            drop += f" (95 %: {_small(ends[0])} .. {_small(ends[1])})"
        parts.append(
            f"AP {_small(ap['int8'])} in int8, {_small(ap['fp32'])} in fp32, {drop}, on "
            f"{_whole(found.get('measuring_pictures'))} images not used for calibration"
        )
    twins = found.get("twins")
    if isinstance(twins, float):
        parts.append(f"{100 * twins:.1f} % of the detections above 0.3 are in both")
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
        twins = one.get("twins")
        rows.append([
            literal(one.get("name", "-")), literal(one.get("verdict", "-")),
            _small(result.get("score_max")), _small(result.get("edge_max")),
            f"{100 * twins:.1f} %" if isinstance(twins, float) else "-",
            _small(one.get("ap")), _signed(one.get("ap_change")),
        ])  # fmt: skip
    page.table(
        ["stage", "verdict", "largest error of scores", "of edges, px", "same detections", "AP", "change"],
        rows, left=2,
    )  # fmt: skip
    reference = Path(str(verified.get("reference", "-"))).name
    page.note(f"`nanodet verify` on {verified.get('pictures', '-')}, against `{reference}`.")


def raw_measured(form: Form) -> str:
    """Return everything that a spec holds as measured, as JSON, without its long lists."""
    measured = {} if form.spec is None else form.spec.measured
    return json.dumps(measured, indent=1, ensure_ascii=False)


def _small(value: Any) -> str:
    """Return a number of a file with three digits; ``-`` for anything else."""
    fits = isinstance(value, float | int) and not isinstance(value, bool)
    return f"{value:.3g}" if fits and abs(value) < 100 else f"{value:g}" if fits else "-"


def _whole(value: Any) -> str:
    return str(value) if type(value) is int else "-"


def _signed(value: Any) -> str:
    return f"{value:+.2f}" if isinstance(value, float | int) else "-"
