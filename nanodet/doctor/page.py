"""The diagnosis as one HTML page with plots and images."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nanodet.data.picture import load_picture
from nanodet.data.records import Picture
from nanodet.data.summary import describe
from nanodet.doctor import plots
from nanodet.doctor.doctor import Diagnosis
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import Finding
from nanodet.doctor.report import verdict
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import write_text
from nanodet.files.temporary import temporary_folder
from nanodet.pages.gallery import Gallery, Mark
from nanodet.pages.markup import escape
from nanodet.pages.page import Page

SAMPLES = 12  # images of a set
BYTES = 60_000  # of an image, about
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
    for finding in found.findings:
        _add_finding(page, finding, names)
    sets = [one for one in found.sets if len(one.boxes)]
    if sets:
        page.heading("Plots")
        with temporary_folder() as folder:
            _add_plots(page, found, sets, Path(folder))
    for one in found.sets:
        _add_samples(page, one)
    write_text(path, page.html())


def _add_finding(page: Page, finding: Finding, names: Names) -> None:
    part = f" in `{finding.part}`" if finding.part else ""
    page.heading(f"{finding.severity.capitalize()}: {finding.code}{part}")
    page.text(f"{finding.said('**')}. {finding.advice}")
    if finding.examples:
        texts = [example.text for example in finding.examples]
        rows = "".join(f"<li><code>{escape(text)}</code></li>" for text in texts)
        page.add("\n".join(f"- `{text}`" for text in texts), f"<ul>{rows}</ul>")  # long lines wrap
    pictures = [(p, example) for example in finding.examples for p in example.pictures]
    gallery = Gallery(len(pictures), BYTES * len(pictures))
    for picture, example in pictures:
        _show(gallery, picture, names[id(picture)], example.text, example.box)
    gallery.add_to(page, f"Examples of {finding.code}")


def _show(
    gallery: Gallery,
    picture: Picture,
    names: Sequence[str],
    facts: str = "",
    box: int | None = None,
) -> None:
    """Add an image with its annotations, number ``box`` in question; not one that cannot be read."""
    marks = [
        Mark(own, "truth", names[k]) for own, k in zip(picture.boxes, picture.labels, strict=True)
    ]
    if box is not None:
        marks.append(replace(marks.pop(box), kind="missed", focus=True))  # over the others
    with contextlib.suppress(NanodetError):
        gallery.add(load_picture(picture), marks, picture.path.name, facts, key=picture.path)


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


def _add_samples(page: Page, one: Examined) -> None:
    """Add images spread evenly over a set; those that cannot be read are left out."""
    total = len(one.pictures)
    chosen = np.unique(np.linspace(0, total - 1, min(SAMPLES, total)).round().astype(int))
    gallery = Gallery(len(chosen), BYTES * len(chosen))
    for n in chosen.tolist():
        _show(gallery, one.pictures[n], one.names)
    if len(gallery):
        page.heading(f"Samples of {one.part}")
    gallery.add_to(page, f"Samples of {one.part}")
