"""The page of a report, part by part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanodet import __version__
from nanodet.bench.plan import count_threads
from nanodet.files.incoming import published
from nanodet.pages.gallery import Gallery
from nanodet.pages.page import Page
from nanodet.report.forms import add_forms
from nanodet.report.making import add_command, add_files, add_speed, add_training, add_use
from nanodet.report.pictures import add_pictures, choose_mistakes
from nanodet.report.results import Measured, add_ap, add_confusion, add_thresholds, at_threshold
from nanodet.report.speed import Speed
from nanodet.report.subject import Subject
from nanodet.report.training import Training
from nanodet.runtime.detections import Detections
from nanodet.runtime.engines import files_of
from nanodet.runtime.spec import Spec
from nanodet.text.brief import brief_text
from nanodet.text.counted import counted


def model_page(
    subject: Subject,
    spec: Spec,
    measured: Measured,
    detections: Sequence[Detections],
    training: Training,
    speed: Speed | None,
    verified: dict[str, Any] | None,
    pictures: int,
) -> Page:
    """Return the page of a model.

    Args:
        subject: its files; spec: what it takes and gives.
        measured: on annotated images; detections: those of each image.
        training: how it was made.
        speed: its times, None if they were not measured.
        verified: of `nanodet.report.forms.read_verified`, or None.
        pictures: the most images to show.
    """
    page = Page(_title(subject), _lead(subject, measured), contents=True)
    _add_cards(page, subject, measured, speed)
    add_command(page, subject)
    page.heading("How good it is")
    page.text(f"Measured on {measured.metrics.images:,} images: {measured.source}.")
    add_ap(page, measured)
    page.heading("Thresholds")
    add_thresholds(page, measured)
    page.heading("Mistakes")
    add_confusion(page, measured)
    _add_gallery(page, measured, detections, pictures)
    page.heading("Speed")
    add_speed(page, speed)
    page.heading("Exported forms")
    add_forms(page, subject, verified)
    page.heading("Training")
    add_training(page, training, spec)
    page.heading("How to run it")
    add_use(page, subject, spec)
    page.heading("Files")
    add_files(page, subject)
    return page


def _title(subject: Subject) -> str:
    if subject.run is not None:
        return f"{subject.run.resolve().name}: {subject.model.name}"
    return subject.model.stem


def _lead(subject: Subject, measured: Measured) -> str:
    names = measured.annotations.class_names
    shown = ", ".join(map(brief_text, names[:8]))
    shown += f" and {len(names) - 8} more" if len(names) > 8 else ""
    count = counted(len(names), "class", "es")
    return f"Finds {count}: {shown}. Written by nanodet {__version__}."


def _add_cards(page: Page, subject: Subject, measured: Measured, speed: Speed | None) -> None:
    metrics, found, shipped = measured.metrics, measured.metrics.intervals, subject.shipped
    cards = []
    for name, words in (("AP", "AP"), ("AP50", "AP at IoU 0.50")):
        value = getattr(metrics, name)
        interval = None if found is None else found.summary[name]
        ends = "" if interval is None else f"95 %: {interval.low:.1f} .. {interval.high:.1f}"
        cards.append((words, "-" if value is None else f"{value:.1f}", ends))
    at = at_threshold(measured.shown, measured.thresholds.tolist())
    where = (
        f"score above {measured.thresholds[0]:.2f}" if measured.one_threshold else "own thresholds"
    )
    for words, part in (("Precision", at.precision), ("Recall", at.recall)):
        cards.append((words, "-" if part is None else f"{100 * part:.0f} %", where))
    ours = {name for path in subject.files for name in (path.name, path.stem)}
    # a bench that was given may be of other models
    timings = [] if speed is None else [t for t in speed.timings if Path(t.name).name in ours]
    if speed is not None and timings:
        first = shipped.name, shipped.stem
        shown = min(timings, key=lambda one: (Path(one.name).name not in first, one.value))
        where = f"{shown.name}, {count_threads(shown.threads)}; {speed.machine}"
        cards.append(("Per image", f"{shown.value:.1f} ms", where))
    size = sum(published(path).stat().st_size for path in files_of(shipped))
    cards.append(("Size", f"{size / 1e6:.1f} MB", shipped.name))
    page.cards(cards)


def _add_gallery(
    page: Page, measured: Measured, detections: Sequence[Detections], pictures: int
) -> None:
    chosen = choose_mistakes(measured.mistakes, pictures)
    page.subheading("The worst of them")
    if not chosen:
        page.text("None is shown." if pictures == 0 else "There are none.")
        return
    page.text(
        "False positives by their score, missed objects by their size, and the boxes whose edges are least "
        "certain for their size, where the model states that; of each class in turn. Click on one to see its "
        "image; the arrow keys lead on, Escape back."
    )
    gallery = Gallery(len(chosen))
    add_pictures(gallery, chosen, measured.annotations, detections, measured.thresholds)
    gallery.add_to(page, "The worst mistakes")
