"""The parts of a report on the model itself: how it was trained, how fast it is, its files, how to run it."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.evaluate.plots import ceiling, smooth
from nanodet.files.files import real_path, sha256
from nanodet.files.incoming import published
from nanodet.pages.charts import Line, line_chart
from nanodet.pages.markup import Cell, literal
from nanodet.pages.page import Page
from nanodet.report.forms import raw_measured
from nanodet.report.speed import Speed
from nanodet.report.subject import Subject
from nanodet.report.training import DataSet, Training
from nanodet.runtime.engines import CHECKPOINT, NCNN, kind_of
from nanodet.runtime.spec import Spec

POINTS = 300  # of a curve


def add_training(page: Page, training: Training, spec: Spec) -> None:
    """Add what the model was trained on, and how."""
    if training.source:
        _add_sets(page, training.sets)
    else:
        page.text("No config was found for this model: it is not known what it was trained on.")
    page.subheading("How")
    page.table(["", ""], [[name, literal(text)] for name, text in _facts(training, spec)], left=2)
    _add_curves(page, training)
    if training.config:
        with page.folded(f"The whole config ({Path(training.source).name})"):
            page.code(training.text)


def add_speed(page: Page, speed: Speed | None) -> None:
    """Add milliseconds."""
    if speed is None:
        page.text("Not measured.")
        return
    rows: list[list[str | Cell]] = [
        [
            literal(one.name), literal(one.engine), literal(one.precision), one.size, str(one.threads),
            f"{one.network:.2f}", "-" if one.whole is None else f"{one.whole:.2f}", f"{one.p90:.2f}",
        ]
        for one in speed.timings
    ]  # fmt: skip
    page.table(
        ["file", "engine", "arithmetic", "input", "threads", "network, ms", "image to boxes, ms",
         "90 % below"], rows, left=4, sortable=len(rows) > 1,
    )  # fmt: skip
    page.note(f"Medians, one image at a time, {speed.how}. Machine: {speed.machine}.")
    for failure in speed.failures:
        page.note(f"**Not timed:** {failure}.")
    for remark in speed.remarks[:3]:
        page.note(f"**Disturbed:** {remark}.")


def add_files(page: Page, subject: Subject) -> None:
    """Add the files with their sizes and hashes, and what their specs say of them."""
    stated = {  # by path, as exports in several folders may have the same names
        real_path(form.path.parent / name): value
        for form in subject.forms
        for name, value in (form.spec.files if form.spec is not None else {}).items()
    }
    rows: list[list[str | Cell]] = []
    names = Counter(path.name for path in subject.files)
    for path in subject.files:
        file = published(path)
        own, said = sha256(file), stated.get(real_path(path))
        words = "-" if said is None else "the same" if said == own else "**another file**"
        shown = path.name if names[path.name] == 1 else f"{path.parent.name}/{path.name}"
        rows.append([literal(shown), f"{file.stat().st_size:,}", f"`{own}`", words])
    page.table(["file", "bytes", "SHA-256", "in its spec"], rows)
    forms = [form for form in subject.forms if form.spec is not None and form.spec.measured]
    if forms:
        with page.folded("Everything that was measured, as the specs hold it"):
            for form in forms:
                page.text(f"`{form.path.name}`")
                page.code(raw_measured(form))


def add_use(page: Page, subject: Subject, spec: Spec) -> None:
    """Add how to run the model."""
    shipped = subject.shipped
    checkpoint = kind_of(shipped) is CHECKPOINT
    add_command(page, subject)
    needs = "nanodet with torch" if checkpoint else "nanodet, without torch"
    page.note(f"On the command line: images, folders, videos and cameras. Needs {needs}.")
    page.code(
        "import cv2\nfrom nanodet import Detector\n\n"
        f'detector = Detector("{shipped.name}")\n'
        'found = detector(cv2.imread("photo.jpg"))\n'
        "for box, score, label in zip(found.xyxy, found.confidence, found.class_id):\n"
        "    print(found.name_of(label), score, box)"
    )
    page.note("In Python. Boxes are left, top, right, bottom in pixels of the image.")
    if checkpoint:
        page.code(f"nanodet export {shlex.quote(shipped.name)} --out exported")
        page.note(
            "A checkpoint runs in Python alone. This makes the files for C++, Android and boards, and "
            "compares each with the checkpoint."
        )
    else:
        page.code(
            "#include <nanodet/detector.h>\n\n"
            f'nanodet::Detector detector("{shipped.name}");\n'
            "nanodet::Picture image{pixels, width, height, stride, nanodet::PixelFormat::rgb};\n"
            "for (const nanodet::Detection& found : detector.detect(image))\n"
            "    show(detector.spec().class_names[found.class_id], found.confidence,\n"
            "         found.x1, found.y1, found.x2, found.y2);"
        )
        together = "Keep .param, .bin and .json together. " if kind_of(shipped) is NCNN else ""
        page.note(
            f"In C++, with the library in deploy/cpp. {together}The spec, {shipped.stem}.json, has the "
            "classes, the input and the thresholds; no program repeats them."
        )
    width, height = spec.input_size
    page.table(["", ""], [
        ["input", f"{width} x {height}, {spec.colour_order}, {spec.fit}"],
        ["classes", literal(", ".join(spec.class_names))],
        ["boxes", f"NMS at IoU {spec.nms_iou:g}, {spec.per_picture} at most"],
    ], left=2)  # fmt: skip


def add_command(page: Page, subject: Subject) -> None:
    """Add the one command that runs the model."""
    page.code(f"nanodet detect {shlex.quote(subject.shipped.name)} photo.jpg --out found")


def _add_sets(page: Page, sets: list[DataSet]) -> None:
    for one in sets:
        what = "Trained on" if one.name == "train" else "Validated on"
        found = one.summary
        if found is None:
            why = f" ({one.problem})" if one.problem else ""
            page.text(f"**{what}** `{one.place or '-'}`, which was not read{why}.")
            continue
        empty = f", {found.without_objects:,} without objects" if found.without_objects else ""
        page.text(
            f"**{what}** {found.images:,} images{empty}, {found.taught:,} boxes: `{one.place}`"
        )
    known = [(one.name, dict(one.summary.boxes)) for one in sets if one.summary is not None]
    if known:
        rows: list[list[str | Cell]] = [
            [literal(name), *(f"{counts[name]:,}" for _, counts in known)] for name in known[0][1]
        ]
        heads = ["class", *(f"boxes in {name}" for name, _ in known)]
        page.table(heads, rows, sortable=len(rows) > 1)


def _facts(training: Training, spec: Spec) -> list[tuple[str, str]]:
    """Return (name, text) of what decided the training; what is not known is left out."""
    get = training.get
    width, height = spec.input_size
    trained_at = get("data.train.input_size")
    own_size = f"{width} x {height}"
    if isinstance(trained_at, list | tuple) and list(trained_at) != [width, height]:
        own_size += f" (trained at {' x '.join(map(str, trained_at))})"
    parts = [get(f"model.arch.{part}.name") for part in ("backbone", "fpn", "head")]
    if parts[0]:
        parts[0] = f"{parts[0]} {get('model.arch.backbone.model_size', '')}".strip()
    start = get("schedule.load_model")
    if start is None and training.config:
        start = "ImageNet's (backbone)" if get("model.arch.backbone.pretrain") else "none"
    epochs, planned = training.epochs, get("schedule.total_epochs")
    optimiser, rate = get("schedule.optimizer.name"), get("schedule.optimizer.lr")
    averaged = {True: "averaged (EMA)", False: "as trained, not averaged", None: None}
    found: list[tuple[str, Any]] = [
        ("network", " + ".join(map(str, parts)) if all(parts) else spec.model),
        ("input", own_size),
        ("start weights", start),
        ("teacher", get("distill.teacher")),
        ("epochs", f"{epochs} finished" + (f" of {planned}" if planned else "") if epochs else planned),
        ("optimiser", f"{optimiser}, learning rate {rate}" if optimiser else None),
        ("batch", get("device.batchsize_per_gpu")),
        ("seed", get("seed")),
        ("weights", averaged[training.averaged]),
        ("augmentation", _augmentation(get("data.train.pipeline", {}))),
        ("versions", ", ".join(f"{name} {value}" for name, value in training.versions.items())),
    ]  # fmt: skip
    return [(name, str(value)) for name, value in found if value not in (None, "")]


def _augmentation(pipeline: Any) -> str:
    """Return what a ``data.train.pipeline`` changes; what is off is left out, with its settings."""
    if not isinstance(pipeline, dict):
        return ""
    off = {
        key for key, value in pipeline.items() if value in (0, None, False, [], [[1, 1], [1, 1]])
    }
    shown = [
        f"{key} {value}"
        for key, value in pipeline.items()
        if key != "normalize" and not {key, key.partition("_")[0]} & off
    ]
    return ", ".join(shown)


def _add_curves(page: Page, training: Training) -> None:
    """Add losses and AP over the training."""
    losses = [(name, c) for name, c in training.curves.items() if name.startswith("train/loss")]
    lines, top, last = [], 0.0, 1.0
    for number, (name, (steps, _, values)) in enumerate(losses[:6]):
        at = np.unique(np.linspace(0, len(steps) - 1, POINTS).astype(int))
        lines.append(Line(name.removeprefix("train/"), steps[at], smooth(values)[at], number))
        top, last = max(top, ceiling(values)), max(last, float(steps[-1]))
    if lines:
        page.drawing(line_chart(lines, "step", "", (0, last), (0, top)), "Losses, smoothed")
    scores = [(name, c) for name, c in training.curves.items() if name.startswith("val/AP")]
    if any(len(values) > 1 for _, (_, _, values) in scores):
        first = min(float(epochs[0]) for _, (_, epochs, _) in scores)
        last = max(float(epochs[-1]) for _, (_, epochs, _) in scores)
        lines = [
            Line(name.removeprefix("val/"), epochs, values, number)
            for number, (name, (_, epochs, values)) in enumerate(scores)
        ]
        chart = line_chart(lines, "epoch", "percent", (first, last), (0, 100))
        page.drawing(chart, "AP on the validation images")
