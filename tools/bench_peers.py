"""Where detectors stand beside each other: AP against milliseconds, as one table and one plot.

``python tools/bench_peers.py PLAN.yml --files DIR... [--images DIR --annotations FILE] --out DIR``

Reads what to compare from a plan file (docs/bench.md; config/bench/peers.yml is one), measures the AP
of all models by the same evaluation, then times all networks in turns in one run. Writes ``peers.md``,
``peers.png`` and ``peers.json``; models made elsewhere are adopted into the folder ``adopted`` beside
them.
"""

import argparse
import shlex
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.bench.plan import count_threads
from nanodet.bench.report import busy_of
from nanodet.cli.arguments import (
    add_data_arguments,
    positive_int,
    reading,
    seconds,
    size_wxh,
    thread_count,
)
from nanodet.cli.main import run_command
from nanodet.config import read_mapping
from nanodet.config.build import build
from nanodet.config.check import check_values, failing
from nanodet.config.keys import REQUIRED, key
from nanodet.errors import NanodetError
from nanodet.text.names import first_few

NAMES = ("peers.md", "peers.png", "peers.json")
MARKERS = "os^DvP*Xhp<>"


@dataclass
class Adoption:
    """What the file of a model made elsewhere does not contain, as options of ``nanodet adopt``."""

    classes: list[str] | None = key(None, "their names, or a file of them; default: COCO's 80")
    point_offset: float | None = key(None, "where in its cell a point is, in strides")
    fit: str | None = key(None, "how images are fitted", known=("letterbox", "stretch"))
    colour_order: str | None = key(None, "of the channels", known=("bgr", "rgb"))
    mean: list[float] | None = key(None, "of the channels in grey levels")
    std: list[float] | None = key(None, "of the channels in grey levels")


@dataclass
class Peer:
    """One network of a plan file."""

    sizes: dict[str, float | None] = key(REQUIRED, "320x320 to the AP published for it, or null")
    model: str | None = key(None, "model file; {width} stands for the width of the input")
    graph: str | None = key(None, "ncnn graph without weights, which is timed alone")
    adopt: Adoption | None = key(None, "the model was made elsewhere")
    source: str | None = key(None, "who published the AP")
    note: str | None = key(None, "what a reader of the table must know")


@dataclass
class Row:
    """One network at one input size.

    Attributes:
        name, peer: of the network.
        size: (width, height) of the input.
        published: AP on COCO val2017 in percent, None if unknown.
        file: of the model, or of the graph.
        measured: `nanodet.evaluate.coco_metrics.Metrics.to_dict`, None if not measured.
        engine: that ran it, with its version.
        ratio: its network time over that of the first row, see `time_all`.
        milliseconds: that ratio times the first row's median.
    """

    name: str
    peer: Peer
    size: tuple[int, int]
    published: float | None
    file: Path
    measured: dict[str, Any] | None = None
    engine: str = ""
    ratio: float = 1.0
    milliseconds: float = 0.0

    @property
    def input(self) -> str:
        return f"{self.size[0]}x{self.size[1]}"

    @property
    def measured_ap(self) -> float | None:
        return None if self.measured is None else self.measured["AP"]


def read_plan(path: Path, folders: Sequence[Path]) -> list[Row]:
    """Return a row for each network and size of a plan file.

    Args:
        path: a YAML file: name of the network to the keys of `Peer`.
        folders: where its files are looked for, in order.

    Raises:
        NanodetError: not readable, a wrong key, type or value, or a file that is in none of the folders.
    """
    rows, fail, missing = [], failing(path), []
    for name, section in read_mapping(path).items():
        peer = build(Peer, section, str(path), str(name))
        for part, place in ((peer, name), (peer.adopt, f"{name}.adopt")):
            if part is not None:
                check_values(part, lambda one, why, place=place: fail(f"{place}.{one}", why))
        if (peer.model is None) == (peer.graph is None):
            fail(str(name), "needs either model or graph")
        if peer.adopt is not None and peer.graph is not None:
            fail(f"{name}.adopt", "is for a model; a graph is only timed")
        if not peer.sizes:
            fail(f"{name}.sizes", "is empty")
        for text, published in peer.sizes.items():
            try:
                size = size_wxh(str(text))
            except ArgumentTypeError as error:
                fail(f"{name}.sizes", str(error))
            if published is not None and peer.source is None:
                fail(f"{name}.source", "is missing: who published this AP?")
            file = (peer.model or peer.graph).replace("{width}", str(size[0]))
            found = next((one / file for one in folders if (one / file).is_file()), None)
            if found is None:
                missing.append(f"{name}: {file}")
            rows.append(Row(str(name), peer, size, published, found))
    if missing:
        where = ", ".join(map(str, folders))
        raise NanodetError(
            f"{path}: not in --files {where}: {first_few(list(dict.fromkeys(missing)), joint='; ')}"
        )
    if not rows:
        raise NanodetError(f"{path}: names nothing to compare")
    return rows


def adopt_all(rows: Sequence[Row], folder: Path) -> None:
    """Let the rows of models made elsewhere have the adopted files, which are written to ``folder``."""
    from nanodet.adopt.adopt import adopt
    from nanodet.adopt.facts import Facts

    done: dict[Path, Path] = {}
    for row in rows:
        if row.peer.adopt is None:
            continue
        if row.file not in done:
            given = {one.name: getattr(row.peer.adopt, one.name) for one in fields(Adoption)}
            given = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
            done[row.file] = adopt(row.file, folder, Facts(**given)).path
        row.file = done[row.file]


def measure(rows: Sequence[Row], args: Namespace) -> None:
    """Measure the AP of all rows that have weights, as ``nanodet eval`` does."""
    from nanodet.evaluate.evaluate import evaluate
    from nanodet.evaluate.plots import percent
    from nanodet.text.printable import say

    for row in rows:
        if row.peer.model is not None:
            metrics = evaluate(
                row.file, args.images, args.annotations, reading(args), size=row.size
            )
            row.measured = metrics.to_dict()
            say(f"{row.name} {row.input}: AP {percent(metrics.AP)}")


def time_all(rows: Sequence[Row], args: Namespace, command: str) -> dict[str, Any]:
    """Time all rows in turns in one run; return the report of ``nanodet bench``.

    Times are compared round by round, so that what disturbs the machine for some seconds falls on both.
    The benchmark compares with its first entry; the ratio of a row is the quotient of two such medians.
    """
    from nanodet.bench.bench import bench
    from nanodet.bench.plan import effort_of

    models = [row for row in rows if row.peer.model is not None]
    graphs = [row for row in rows if row.peer.graph is not None]
    report = bench(
        [f"{row.file}@{row.input}" for row in models],
        [(row.file, row.size) for row in graphs],
        threads=(args.threads,),
        effort=effort_of(args.strict, args.runs, args.seconds),
        cores=args.cores,
        command=command,
    )
    results = dict(zip(map(id, [*models, *graphs]), report["results"], strict=True))
    first = results[id(rows[0])]
    for row in rows:
        result = results[id(row)]
        row.engine = result["engine"]
        row.ratio = result["network_ratio"]["median"] / first["network_ratio"]["median"]
        row.milliseconds = row.ratio * first["times_us"]["network"]["median"] / 1000
    return report


def page_of(rows: Sequence[Row], report: dict[str, Any], plot: Path, args: Namespace) -> str:
    """Return the page with the table, as Markdown."""
    from nanodet.evaluate.plots import percent
    from nanodet.pages.page import Page

    machine, effort = report["machine"], report["effort"]
    page = Page("Beside peers")
    heads = ["network", "input", "engine", "ms", "ratio", "AP, published"]
    cells = [
        [r.name, r.input, r.engine.split()[0], f"{r.milliseconds:.2f}", f"{r.ratio:.2f}",
         "-" if r.published is None else f"{r.published:.1f}"]
        for r in rows
    ]  # fmt: skip
    images = {r.measured["images"] for r in rows if r.measured}
    if images:
        heads.append(f"AP, measured on {images.pop()} images")
        for line, row in zip(cells, rows, strict=True):
            line.append(percent(row.measured_ap))
    page.table(heads, cells, left=3)
    page.text(
        f"Network alone, {count_threads(args.threads)}, batch 1, all in turns in one run. "
        "Ratio: to the first line, median over the rounds; ms: its median times the ratio. "
        f"{machine['soc'] or machine['architecture']}; "
        f"{', '.join(dict.fromkeys(row.engine for row in rows))}; effort {effort['name']}"
        f"{', not for publication' * (effort['name'] == 'quick')}. Published AP is on COCO val2017, as "
        "its source says; measured and published AP are not comparable."
    )
    reasons = report["throttling"]["reasons"]
    if reasons:
        page.text(
            f"**Throttled?** {len(reasons)} signs, all in {NAMES[2]}; the first: {reasons[0]}"
        )
    if busy := busy_of(report):
        page.text(f"**Busy**: {busy}.")
    peers = {row.name: row.peer for row in rows}
    notes = [
        f"- **{name}**: {'. '.join(text for text in (peer.source, peer.note) if text)}"
        for name, peer in peers.items()
        if peer.source or peer.note
    ]
    if notes:
        page.text("\n".join(notes))
    page.code(report["command"])
    page.picture(plot, "AP against milliseconds")
    return page.markdown()


def draw(rows: Sequence[Row], title: str, path: Path) -> None:
    """Draw AP against milliseconds: measured AP filled, published AP hollow.

    The sizes of a network are joined by a line; networks without any AP are left out.

    Args:
        rows: with times.
        title: of the plot.
        path: the PNG to write.
    """
    from matplotlib import colormaps

    from nanodet.drawing.lettering import plot_label
    from nanodet.evaluate.plots import log_scale, new_figure, save_figure

    figure, axes = new_figure(8, 6)
    colours = [*colormaps["tab10"].colors, *colormaps["Dark2"].colors]
    kinds = {
        "measured": (lambda row: row.measured_ap, "full", "-", -9),
        "published (COCO val2017)": (lambda row: row.published, "none", ":", 4),
    }
    for number, name in enumerate(dict.fromkeys(row.name for row in rows)):
        colour, marker = colours[number % len(colours)], MARKERS[number % len(MARKERS)]
        label = plot_label(name)
        for value, fill, line, below in kinds.values():
            points = [
                (row.milliseconds, value(row), row) for row in rows
                if row.name == name and value(row) is not None
            ]  # fmt: skip
            if not points:
                continue
            axes.plot(
                *zip(*[point[:2] for point in points], strict=True), line, marker=marker,
                fillstyle=fill, color=colour, linewidth=1, markersize=7, label=label,
            )  # fmt: skip
            label = None  # one line of the legend for both
            for x, y, row in points:
                text = str(row.size[0]) if len(set(row.size)) == 1 else row.input
                axes.annotate(
                    text,
                    (x, y),
                    xytext=(5, below),
                    textcoords="offset points",
                    fontsize=7,
                    color=colour,
                )
    for name, (_, fill, line, _) in kinds.items():
        axes.plot([], [], f"{line}o", fillstyle=fill, color="0.3", linewidth=1, label=name)
    axes.set(xlabel="network, milliseconds", ylabel="AP")
    axes.set_title(title, fontsize=10)
    log_scale(axes, "x")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    save_figure(figure, path)


def compare(args: Namespace, command: str) -> None:
    """Do what the command line says, and print the page."""
    from nanodet.evaluate.plots import new_figure
    from nanodet.files.files import check_folder_writable, write_text
    from nanodet.text.printable import json_text, say

    if (args.images is None) != (args.annotations is None):
        raise NanodetError("--images and --annotations: AP is measured with both, or not at all")
    rows = read_plan(args.plan, args.files)
    check_folder_writable(args.out)
    new_figure(1, 1)  # is matplotlib there?
    page, plot, data = (args.out / name for name in NAMES)
    adopt_all(rows, args.out / "adopted")
    if args.images is not None:
        measure(rows, args)
    report = time_all(rows, args, command)
    keys = ("name", "input", "engine", "milliseconds", "ratio", "published", "measured")
    compared = [
        {name: getattr(row, name) for name in keys}
        | {"source": row.peer.source, "note": row.peer.note}
        for row in rows
    ]
    data_of_all = {"annotations": args.annotations, "rows": compared, "bench": report}
    write_text(data, json_text(data_of_all, indent=1) + "\n")
    threads = count_threads(args.threads)
    draw(rows, f"{report['machine']['soc'] or report['machine']['architecture']}, {threads}", plot)
    text = page_of(rows, report, plot, args)
    write_text(page, text)
    say("", *text.splitlines())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("plan", type=Path, help="YAML file: what to compare")
    parser.add_argument(
        "--files", type=Path, nargs="+", required=True, metavar="DIR", help="where its files are"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    parser.add_argument("--threads", type=thread_count, default=1, metavar="N")
    parser.add_argument("--cores", default="big", metavar="big|little|all|0,2")
    parser.add_argument("--strict", action="store_true", help="as of nanodet bench")
    parser.add_argument("--runs", type=positive_int, metavar="N", help="as of nanodet bench")
    parser.add_argument("--seconds", type=seconds, metavar="S", help="as of nanodet bench")
    add_data_arguments(parser, "folder of images to measure AP on (default: no AP is measured)")
    words = sys.argv[1:] if argv is None else list(argv)
    command = shlex.join(["python", "tools/bench_peers.py", *words])
    return run_command(compare, parser.parse_args(words), command)


if __name__ == "__main__":
    sys.exit(main())
