"""The page of a choice: recommendation, table and plot, as HTML and Markdown."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nanodet import __version__
from nanodet.choose.files import FP32
from nanodet.choose.front import Choice, Recommendation, front
from nanodet.drawing.lettering import plot_label
from nanodet.evaluate.plots import new_figure, save_figure
from nanodet.files.files import write_text
from nanodet.pages.markup import literal
from nanodet.pages.page import Page
from nanodet.text.table import aligned

NAME = "choose"


@dataclass(frozen=True)
class Chosen:
    """What was measured and recommended.

    Attributes:
        choices: all model files; params: name of each to the path of its ``.param``.
        recommendation: of them.
        budget_ms: milliseconds end to end for one image.
        images: what AP was measured on; machine: what the times were measured on.
        notes: lines about what could not be made.
        seconds: what this run spent on training, making files, AP and timing; 0 for what was kept.
        commands: that repeat it.
    """

    choices: tuple[Choice, ...]
    params: dict[str, str]
    recommendation: Recommendation
    budget_ms: float
    images: str
    machine: str
    notes: tuple[str, ...]
    seconds: dict[str, float]
    commands: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        best = self.recommendation.choice
        on_front = front(self.choices)
        return {
            "format": 1, "nanodet": __version__, "budget_ms": self.budget_ms,
            "images": self.images, "machine": self.machine,
            "choices": [
                {**asdict(one), "ap": one.ap._asdict(), "file": self.params[one.name],
                 "front": one in on_front, "recommended": one is best}
                for one in self.choices
            ],
            "reasons": list(self.recommendation.reasons),
            "notes": list(self.notes), "seconds": self.seconds, "commands": list(self.commands),
        }  # fmt: skip


def write_pages(chosen: Chosen, folder: Path) -> list[Path]:
    """Write ``choose.html``, ``.md``, ``.json`` and the plot into ``folder``; return their paths."""
    plot = folder / f"{NAME}.png"
    _plot(chosen, plot)
    page = Page(f"A model for {chosen.budget_ms:g} ms")
    best = chosen.recommendation.choice
    if best is not None:
        page.text(f"**Take {best.name}**: `{chosen.params[best.name]}`")
    for reason in chosen.recommendation.reasons:
        page.text(reason)
    page.heading("All models")
    page.picture(plot, "AP against milliseconds")
    head, rows = table(chosen)
    page.table(head, [[literal(name), *cells] for name, *cells in rows], left=2)
    page.text(
        f"AP: {chosen.images}, with 95 % intervals from a bootstrap over the images. Milliseconds: end to "
        f"end for one image, median and 90th percentile, all files in turns in one run on {chosen.machine}. "
        "MB: the files that are shipped. front: no other file has at least its AP in no more time."
    )
    for note in chosen.notes:
        page.text(note)
    page.heading("How it was made")
    page.table(
        ["step", "seconds in this run"],
        [[step, f"{seconds:.0f}"] for step, seconds in chosen.seconds.items()],
    )
    page.code("\n".join(chosen.commands))
    paths = [folder / f"{NAME}{suffix}" for suffix in (".html", ".md", ".json")]
    texts = page.html(), page.markdown(), json.dumps(chosen.to_dict(), indent=1) + "\n"
    for path, text in zip(paths, texts, strict=True):
        write_text(path, text)
    return [*paths, plot]


def text_of(chosen: Chosen) -> list[str]:
    """Return the table and the recommendation as lines for a terminal."""
    head, rows = table(chosen)
    best = chosen.recommendation.choice
    take = [] if best is None else [f"take {best.name}: {chosen.params[best.name]}"]
    return [
        *aligned(head, rows, left=2),
        "", *take, *chosen.recommendation.reasons,
    ]  # fmt: skip


def table(chosen: Chosen) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table, fastest first."""
    on_front, best = front(chosen.choices), chosen.recommendation.choice
    head = ["model", "", "AP (95 %)", "ms", "p90", "MB"]
    rows = [
        [one.name, "recommended" if one is best else "front" if one in on_front else "",
         str(one.ap), f"{one.ms:.2f}", f"{one.p90:.2f}", f"{one.megabytes:.2f}"]
        for one in sorted(chosen.choices, key=lambda c: c.ms)
    ]  # fmt: skip
    return head, rows


def _plot(chosen: Chosen, path: Path) -> None:
    figure, axes = new_figure(8, 5)
    on_front, best = front(chosen.choices), chosen.recommendation.choice
    axes.plot([c.ms for c in on_front], [c.ap.value for c in on_front], color="0.7", zorder=1)
    for one in chosen.choices:
        value, low, high = one.ap
        colour = "#c44e52" if one is best else "#4c72b0" if one in on_front else "0.6"
        axes.errorbar(
            one.ms, value, [[max(value - low, 0)], [max(high - value, 0)]],
            fmt="o", color=colour, capsize=2, linewidth=1,
        )  # fmt: skip
        axes.annotate(
            plot_label(one.name),
            (one.ms, value),
            xytext=(5, -10 if one.name.endswith(FP32) else 4),  # int8 and fp32 of a model are close
            textcoords="offset points",
            fontsize=7,
        )
    axes.axvline(chosen.budget_ms, color="#c44e52", linestyle=":", linewidth=1)
    axes.set(xlabel="milliseconds, end to end", ylabel="AP")
    axes.margins(x=0.12)  # room for the last name
    axes.grid(alpha=0.3)
    save_figure(figure, path)
