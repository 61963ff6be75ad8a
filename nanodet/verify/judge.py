"""What is allowed, and what each stage makes of it."""

import dataclasses
from dataclasses import dataclass, field

from nanodet.compare.outputs import BRAIN, FULL, HALF, Tolerance, percent
from nanodet.compare.twins import NEEDED

# from the finest to the coarsest; two models are judged as the coarser one
ORDER = ("fp32", "fp16", "bf16", "fp16 arithmetic", "int8")
NETWORK = {"fp32": FULL, "fp16": HALF, "bf16": BRAIN, "fp16 arithmetic": BRAIN}
UNLIMITED = Tolerance(float("inf"), float("inf"))
AP = {"fp32": 0.05, "fp16": 0.1, "bf16": 0.3, "fp16 arithmetic": 0.3, "int8": 1.0}
AP_PICTURES = 500
EXACT_TWINS = 0.99  # of the detections above 0.3: for full precision that ends in boxes
TWINS_GENERATED = 0.5


@dataclass
class Row:
    """One stage of the report.

    Attributes:
        name, path, kind: of the stage.
        verdict: ``agrees``, ``differs``, ``not judged`` or ``not run``.
        result: the `StageResult` of the raw output, None where there is none.
        twins: part of the detections above 0.3 that have a twin, 0..1; None without any.
        ap: AP in percent, None without annotations; ap_change: against the reference's.
        faults: (part, sentence): ``files``, ``preprocessing``, ``network``, ``decoding``,
            ``detections``, ``AP``, ``spec`` or ``model``.
        keys: the spec's keys that differ.
        notes: sentences about what differs and may.
        input_max: largest difference of its tensors, normalised units, None where it was not run.
        detections: how many detections of both sides the twins were counted of.
    """

    name: str
    path: str
    kind: str
    verdict: str = "agrees"
    result: object = None
    twins: float | None = None
    detections: int = 0
    ap: float | None = None
    ap_change: float | None = None
    input_max: float | None = None
    faults: list = field(default_factory=list)
    keys: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def to_dict(self):
        """Return the JSON form."""
        values = dataclasses.asdict(self) | {"path": str(self.path)}
        values["faults"] = [{"part": part, "text": text} for part, text in self.faults]
        values["result"] = None
        if self.result is not None and not self.result.failure:
            values["result"] = self.result.to_dict()
            if self.result.tolerance == UNLIMITED:
                values["result"]["tolerance"] = None
        return values


def coarser(first, second):
    """Return the kind of two that allows more."""
    return max(first, second, key=ORDER.index)


def network_tolerance(kind):
    """Return the `Tolerance` of raw outputs; int8 has none, it is judged by what it detects."""
    return NETWORK.get(kind, UNLIMITED)


def ap_tolerance(kind, spec, pictures):
    """Return by how many points of AP a stage may differ from the reference.

    The limits are for 500 pictures. On fewer, chance moves AP more: by the root of their number. A
    quantised model may carry its own budget (``measured.int8.max_drop``), which holds as it is.
    """
    budget = spec.measured.get("int8")
    budget = budget.get("max_drop") if isinstance(budget, dict) else None
    if kind == "int8" and type(budget) in (int, float) and 0 <= budget < 100:
        return float(budget)
    return AP[kind] * max(1.0, (AP_PICTURES / pictures) ** 0.5)


def judge_ap(row, spec, kind, ap, reference_ap, pictures):
    """Enter AP into a `Row`, and a fault where it is too far from the reference's."""
    row.ap = ap
    if ap is None or reference_ap is None:
        return
    row.ap_change = ap - reference_ap
    allowed = ap_tolerance(kind, spec, pictures)
    # a quantised model may gain; any other has no reason to
    if kind == "int8" and allowed > AP["int8"]:
        row.notes.append(f"may lose {allowed:g} AP by its own budget; {AP['int8']:g} is usual")
    off = -row.ap_change if kind == "int8" else abs(row.ap_change)
    if off > allowed:
        text = f"{ap:.2f}, but the reference has {reference_ap:.2f} (allowed {allowed:.2g})"
        row.faults.append(("AP", text))


def judge_twins(row, needed, generated=False):
    """Judge a stage by its detections, where it has no raw output to be judged by, or int8's.

    Args:
        row: the `Row`.
        needed: part of the detections that must have a twin, 0..1.
        generated: whether the pictures are drawn ones, unlike those an int8 model was calibrated
            on: then only a part below `TWINS_GENERATED` is a fault, and one below ``needed`` none.
    """
    if row.twins is None:
        row.verdict = "not judged"
        row.notes.append(
            "is judged by its detections, but the reference finds nothing above 0.3 in these "
            "pictures: give --images"
        )
    elif generated and TWINS_GENERATED <= row.twins < needed:
        row.verdict = "not judged"
        row.notes.append(
            f"{100 * row.twins:.1f} % of the detections have a twin, in drawn pictures, which it was "
            "not calibrated on: give --images"
        )
    elif row.twins < needed:
        row.faults.append(
            ("detections", f"{100 * row.twins:.1f} % have a twin (needed {100 * needed:g} %)")
        )


def note_ties(row):
    """Say why a stage whose raw output agrees has few twins: what NMS makes of equal scores."""
    if row.twins is not None and row.twins < NEEDED:
        row.notes.append(
            f"{percent(row.twins)} of the detections have a twin, though {percent(row.result.matched)} "
            "of the points match: many boxes score alike, and NMS keeps others of them"
        )
