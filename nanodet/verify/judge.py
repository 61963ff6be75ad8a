"""The tolerances, and the verdict on each stage."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nanodet.compare.outputs import BRAIN, FULL, HALF, StageResult, Tolerance, percent
from nanodet.compare.twins import NEEDED
from nanodet.evaluate.bootstrap import Interval, Z, change_text
from nanodet.evaluate.intervals import Resampled
from nanodet.files import StrPath
from nanodet.runtime.spec import Spec
from nanodet.verify.run import Measured

# from the finest to the coarsest; two models are judged as the coarser one
ORDER = ("fp32", "fp16", "bf16", "fp16 arithmetic", "int8")
NETWORK = {"fp32": FULL, "fp16": HALF, "bf16": BRAIN, "fp16 arithmetic": BRAIN}
UNLIMITED = Tolerance(float("inf"), float("inf"))
AP = {"fp32": 0.05, "fp16": 0.1, "bf16": 0.3, "fp16 arithmetic": 0.3, "int8": 1.0}
# times the ends of the 95 % interval of a change of AP: three standard errors (99.7 %) cannot be chance
CERTAIN = 3 / Z
EXACT_TWINS = 0.99  # of the detections above 0.3: for full precision that ends in boxes
TIE_MARGIN = 2  # times the twins that 32-bit forms lose to ties: other forms may lose more
TWINS_UNSURE = (
    0.5  # of the detections: requiring fewer shows nothing, having fewer is always a fault
)


@dataclass
class Row:
    """One stage of the report.

    Attributes:
        name, path, kind: of the stage.
        verdict: ``agrees``, ``differs``, ``not judged`` or ``not run``.
        result: the `StageResult` of the raw output, None if there is none.
        twins: part of the detections above 0.3 that have a twin, 0..1; None without any.
        ap: AP in percent, None without annotations; ap_change: against the reference's.
        ap_interval: the 95 % interval of AP, None if fewer than ten images have objects;
            ap_change_interval: that of the change, None with objects in one image only.
        faults: (part, sentence): ``files``, ``preprocessing``, ``network``, ``decoding``,
            ``detections``, ``AP``, ``spec`` or ``model``.
        keys: the spec's keys that differ.
        notes: sentences about differences that are allowed.
        input_max: largest difference of its tensors, normalised units, None if it was not run.
        detections: number of detections of both sides that ``twins`` refers to.
    """

    name: str
    path: StrPath
    kind: str
    verdict: str = "agrees"
    result: StageResult | None = None
    twins: float | None = None
    detections: int = 0
    ap: float | None = None
    ap_change: float | None = None
    ap_interval: Interval | None = None
    ap_change_interval: Interval | None = None
    input_max: float | None = None
    faults: list[tuple[str, str]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        values = dataclasses.asdict(self) | {"path": str(self.path)}
        for name in ("ap_interval", "ap_change_interval"):
            found: Interval | None = getattr(self, name)
            values[name] = found and found.ends()
        values["faults"] = [{"part": part, "text": text} for part, text in self.faults]
        values["result"] = None
        if self.result is not None and not self.result.failure:
            values["result"] = self.result.to_dict()
            if self.result.tolerance == UNLIMITED:
                values["result"]["tolerance"] = None
        return values


def coarser(first: str, second: str) -> str:
    """Return the one of two kinds that allows more."""
    return max(first, second, key=ORDER.index)


def network_tolerance(kind: str) -> Tolerance:
    """Return the `Tolerance` of raw outputs; int8 has none, it is judged by what it detects."""
    return NETWORK.get(kind, UNLIMITED)


def ap_limit(kind: str, spec: Spec) -> float:
    """Return by how many points of AP a stage may differ from the reference, chance aside.

    The spec of a quantised model may state a budget (``measured.int8.max_drop``).
    """
    noted = spec.measured.get("int8")
    budget: Any = noted.get("max_drop") if isinstance(noted, dict) else None
    if kind == "int8" and type(budget) in (int, float) and 0 <= budget < 100:
        return float(budget)
    return AP[kind]


def judge_ap(
    row: Row, spec: Spec, kind: str, ap: Resampled | None, reference: Resampled | None
) -> bool:
    """Enter AP into a `Row`, and a fault if it is too far from the reference's.

    On few images AP also changes by chance: of two boxes that score alike, NMS may keep the other one.
    The change is too far if the whole of its interval is, with each end `CERTAIN` times as far from the
    change as that of the 95 % interval: 5 % of all sound stages would be too many.

    Args:
        row: the `Row`.
        spec, kind: of the stage.
        ap, reference: on the same images, or None.

    Returns:
        whether AP is conclusive: False without AP, or if the change is beyond its limit and chance
        explains it.
    """
    if ap is None:
        return False
    row.ap, row.ap_interval = ap.value(), ap.interval()
    if reference is None:
        return False
    row.ap_change, row.ap_change_interval = row.ap - reference.value(), ap.minus(reference, 2)
    limit = ap_limit(kind, spec)
    if kind == "int8" and limit > AP["int8"]:
        row.notes.append(f"may lose {limit:g} AP by its own budget; {AP['int8']:g} is usual")
    # a quantised model may gain; any other has no reason to
    off = -row.ap_change if kind == "int8" else abs(row.ap_change)
    if off <= limit:
        return True
    chance = float("inf")
    if (found := row.ap_change_interval) is not None:
        chance = CERTAIN * abs((found.high if found.value < 0 else found.low) - found.value)
    if off <= limit + chance:
        words = change_text(row.ap_change, found)
        row.notes.append(f"AP {words}: on so few images it may be chance")
        return False
    text = f"{row.ap:.2f}, but the reference has {reference.value():.2f} (allowed {limit:g}"
    row.faults.append(("AP", f"{text}, and {chance:.2g} by chance)"))
    return True


def steady_twins(stages: Iterable[Measured], kinds: Mapping[str, str]) -> float:
    """Return the fraction of detections that keep their twin if only noise of 32 bits differs, 0..1.

    It is below 1 where many boxes score alike, among which NMS chooses by that noise.

    Args:
        stages: `nanodet.verify.run.Measured` of the stages that were run.
        kinds: name of a stage to its kind.
    """
    parts = [
        measured.twins / measured.twins_of
        for measured in stages
        if kinds[measured.stage.name] == "fp32" and not measured.stage.ends_in_boxes
        and measured.twins_of and not measured.network_failure
        and measured.errors.result("").agrees
    ]  # fmt: skip
    return min(parts, default=1.0)


def needed_twins(kind: str, steady: float) -> float:
    """Return the fraction of detections that must have a twin if a stage is judged by them, 0..1.

    Args:
        kind: of the stage.
        steady: see `steady_twins`.
    """
    needed = NEEDED if kind == "int8" else EXACT_TWINS
    return max(needed - TIE_MARGIN * (1 - steady), 0)


def judge_twins(row: Row, needed: float, unsure: str = "", remedy: str = "give --images") -> None:
    """Judge a stage by its detections, if nothing else shows whether it is right.

    Args:
        row: the `Row`.
        needed: fraction of the detections that must have a twin, 0..1.
        unsure: why a fraction below ``needed`` is a fault only if it is also below `TWINS_UNSURE`;
            empty if it is always one.
        remedy: what makes a verdict possible.
    """
    if row.twins is None:
        row.verdict = "not judged"
        row.notes.append(
            "is judged by its detections, but the reference finds nothing above 0.3 in these "
            f"images: {remedy}"
        )
    elif needed < TWINS_UNSURE:
        row.verdict = "not judged"
        row.notes.append(
            f"is judged by its detections, of which {percent(row.twins)} have a twin, but so many boxes "
            f"score alike in these images that this means nothing: {remedy}"
        )
    elif unsure and TWINS_UNSURE <= row.twins < needed:
        row.verdict = "not judged"
        row.notes.append(
            f"{100 * row.twins:.1f} % of the detections have a twin, {unsure}: {remedy}"
        )
    elif row.twins < needed:
        row.faults.append(
            ("detections", f"{100 * row.twins:.1f} % have a twin (needed {100 * needed:.3g} %)")
        )


def note_ties(row: Row) -> None:
    """Note why a stage whose raw output agrees has few twins: how NMS treats equal scores."""
    if row.result is not None and row.twins is not None and row.twins < NEEDED:
        row.notes.append(
            f"{percent(row.twins)} of the detections have a twin, though {percent(row.result.matched)} "
            "of the points match: many boxes score alike, and NMS keeps different ones"
        )
