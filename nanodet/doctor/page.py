"""The diagnosis as one HTML page with plots and images."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nanodet.data.picture import load_picture
from nanodet.data.records import Picture
from nanodet.data.summary import describe
from nanodet.doctor import plots
from nanodet.doctor.doctor import Diagnosis
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import Example, Finding
from nanodet.doctor.report import verdict
from nanodet.drawing.draw import draw
from nanodet.errors import NanodetError
from nanodet.evaluate.sheet import contact_sheet, fit_cell
from nanodet.files import StrPath
from nanodet.files.files import write_text
from nanodet.files.temporary import temporary_folder
from nanodet.images.image_file import write_picture
from nanodet.pages.markup import escape
from nanodet.pages.page import Page
from nanodet.runtime.detections import Detections

SAMPLES = 12  # images of a set
CELL = (320, 240)  # of a sheet of images, in pixels
AROUND = 1.5  # sides of a box that are shown around it
LEAST_SHOWN = 24  # pixels around a small box
Names = Mapping[int, Sequence[str]]  # of the classes of an image, by its id()


def write_page(found: Diagnosis, subject: str, path: StrPath) -> None:
    """Write the page of a `Diagnosis`; ``subject`` is the config or folder that it is of."""
    page = Page(f"Data of {subject}", lead=verdict(found), contents=True)
    for one in found.sets:
        page.text(f"`{one.part}`: {describe(one.summary)}")
    if found.findings:
        page.heading("Findings")
        head = ["severity", "set", "what", "how many"]
        rows = [[f.severity, f.part, f.what, f.amount] for f in found.findings]
        page.table(head, rows, left=3)
    names = {id(p): one.names for one in found.sets for p in one.pictures}
    with temporary_folder() as folder:
        for number, finding in enumerate(found.findings):
            _add_finding(page, finding, names, Path(folder) / f"finding{number}.jpg")
        sets = [one for one in found.sets if len(one.boxes)]
        if sets:
            page.heading("Plots")
            _add_plots(page, found, sets, Path(folder))
        for one in found.sets:
            _add_samples(page, one, Path(folder) / f"{one.part}.jpg")
    write_text(path, page.html())


def _add_finding(page: Page, finding: Finding, names: Names, path: Path) -> None:
    part = f" in `{finding.part}`" if finding.part else ""
    page.heading(f"{finding.severity.capitalize()}: {finding.code}{part}")
    page.text(f"{finding.said('**')}. {finding.advice}")
    if finding.examples:
        texts = [example.text for example in finding.examples]
        rows = "".join(f"<li><code>{escape(text)}</code></li>" for text in texts)
        page.add("\n".join(f"- `{text}`" for text in texts), f"<ul>{rows}</ul>")  # long lines wrap
    cells = [cell for example in finding.examples for cell in _cells(example, names)]
    if cells:
        write_picture(path, contact_sheet(cells, columns=3, cell=CELL))
        page.picture(path, f"the images of these examples, with their annotations: {finding.code}")


def _cells(example: Example, names: Names) -> list[np.ndarray]:
    """Return the images of an example, as much of them as its box needs; [] if one cannot be read."""
    try:
        return [_shown(p, names[id(p)], example.box) for p in example.pictures]
    except NanodetError:
        return []


def _shown(picture: Picture, names: Sequence[str], box: np.ndarray | None = None) -> np.ndarray:
    """Return an image with its boxes, uint8 (H, W, 3), scaled into `CELL`; around ``box`` if given."""
    pixels = load_picture(picture)
    height, width = pixels.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    if box is not None:
        margin = np.maximum(AROUND * (box[2:] - box[:2]), LEAST_SHOWN)
        left, top = np.clip((box[:2] - margin).astype(int), 0, [width - 1, height - 1]).tolist()
        right, bottom = np.clip((box[2:] + margin).astype(int) + 1, 1, [width, height]).tolist()
    small, ratio = fit_cell(pixels[top:bottom, left:right], CELL)
    origin = np.array([left, top, left, top])
    boxes = picture.boxes if box is None else box[None]
    labels = picture.labels
    if box is not None:
        # of several at the same place it is the last, which repeats those before
        labels = labels[(picture.boxes == box).all(axis=1)][-1:]
    shown = Detections((boxes - origin) * ratio, np.ones(len(boxes)), labels, tuple(names))
    return draw(small, shown, scores=False, labels=len(boxes) <= SAMPLES)


def _add_plots(page: Page, found: Diagnosis, sets: Sequence[Examined], folder: Path) -> None:
    for name, words, make in (
        ("sizes", "sizes of the boxes against the strides", lambda p: plots.plot_sizes(found, p)),
        ("classes", "boxes per class", lambda p: plots.plot_classes(sets, p)),
        ("aspects", "aspect of the boxes", lambda p: plots.plot_aspects(sets, p)),
        ("images", "sizes of the images", lambda p: plots.plot_images(sets, p)),
        ("places", "where the boxes lie", lambda p: plots.plot_places(sets, p)),
    ):
        make(folder / f"{name}.png")
        page.picture(folder / f"{name}.png", words)


def _add_samples(page: Page, one: Examined, path: Path) -> None:
    """Add a sheet of images spread evenly over a set; those that cannot be read are left out."""
    total = len(one.pictures)
    chosen = np.unique(np.linspace(0, total - 1, min(SAMPLES, total)).round().astype(int))
    cells = []
    for n in chosen.tolist():
        with contextlib.suppress(NanodetError):
            cells.append(_shown(one.pictures[n], one.names))
    if cells:
        page.heading(f"Samples of {one.part}")
        write_picture(path, contact_sheet(cells, columns=3, cell=CELL))
        page.picture(path, f"images of {one.part} with their annotations")
