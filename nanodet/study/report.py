"""The report of a study: Markdown and HTML with tables and curves."""

import itertools
import platform
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from nanodet import __version__
from nanodet.cores import core_count
from nanodet.evaluate.bootstrap import CONFIDENCE
from nanodet.files.files import write_text
from nanodet.pages.page import Page
from nanodet.study.curves import mean_losses, plot_differences, plot_losses
from nanodet.study.over_images import ap_over_images, ap_text, change_over_images
from nanodet.study.plan import Study
from nanodet.study.results import LOG, Outcome, same_validation_set
from nanodet.study.statistics import Difference, paired, spread
from nanodet.text.brief import brief

# figure of a result: its name, and digits after the point
FIGURES = {"AP": ("AP", 2), "AP50": ("AP50", 2), "AP75": ("AP75", 2), "pearson": ("Pearson r", 3)}
MOST_PAIRED = 8  # variants besides the baseline, of which all pairs are shown
TITLES = {
    "loss_qfl": "Loss of the scores", "loss_bbox": "Loss of the boxes",
    "loss_dfl": "Loss of the edges' distributions",
    "loss_quality": "Loss of the branch of quality",
}  # fmt: skip


def write_report(
    study: Study, outcomes: Sequence[Outcome], command: Sequence[str] = ()
) -> tuple[Path, Path]:
    """Write ``NAME.md``, ``NAME.html`` and their images into the study's folder.

    Args:
        study: what was planned.
        outcomes: of its runs, in their order.
        command: the words that repeat the study.

    Returns:
        the paths of the Markdown and of the HTML.
    """
    page = Page(f"Study {study.name}")
    page.text(_summary(study, outcomes))
    page.heading("Results")
    page.text(
        "Mean and standard deviation over the seeds. AP in percent on `data.val`, measured once after the "
        "last epoch. Pearson r: correlation of the final score and the true IoU over the positives of "
        "`data.val`. Time: training and validation of a run."
    )
    page.table(*_results(study, outcomes))
    _add_differences(page, study, outcomes)
    _add_images(page, study, outcomes)
    _add_losses(page, study, outcomes)
    page.heading("Variants")
    page.table(["variant", "changes"], _variants(study), left=2)
    page.heading("Runs")
    page.table(*_runs(outcomes))
    page.heading("Repeat it")
    page.code(shlex.join(command))
    markdown, web = (study.folder / f"{study.name}{end}" for end in (".md", ".html"))
    write_text(markdown, page.markdown())
    write_text(web, page.html())
    return markdown, web


def _summary(study: Study, outcomes: Sequence[Outcome]) -> str:
    done = sum(one.result is not None for one in outcomes)
    failed = sum(one.failure is not None for one in outcomes)
    config = study.example
    state = f"{done} of {len(outcomes)} runs are done" + (f", {failed} failed" if failed else "")
    return (
        f"`{study.config}` in {len(study.variants)} variants, each with seed "
        f"{', '.join(map(str, study.seeds))} for {study.epochs} epochs"
        f"{f' from `{config.schedule.load_model}`' if config.schedule.load_model else ''}; {state}. "
        f"nanodet {__version__}, {core_count()} cores, {platform.machine()}."
    )


def _values(outcomes: Iterable[Outcome], variant: str, name: str) -> dict[int, float]:
    """Return seed to the figure ``name`` of the finished runs of a variant that have it."""
    found = {
        one.run.seed: one.result.value(name)
        for one in outcomes
        if one.result is not None and one.run.variant == variant
    }
    return {seed: value for seed, value in found.items() if value is not None}


def _results(study: Study, outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for variant in study.variants:
        own = [one.result for one in outcomes if one.run.variant == variant and one.result]
        cells = [variant, str(len(own))]
        for name, (_, digits) in FIGURES.items():
            found = spread(list(_values(outcomes, variant, name).values()))
            cells.append(
                "-" if found is None
                else f"{found.mean:.{digits}f}" if found.deviation is None
                else f"{found.mean:.{digits}f} ± {found.deviation:.{digits}f}"
            )  # fmt: skip
        taken = spread([one.seconds for one in own if one.seconds is not None])
        rows.append([*cells, "-" if taken is None else f"{taken.mean:.0f} s"])
    return ["variant", "seeds", *(name for name, _ in FIGURES.values()), "time"], rows


def _add_differences(page: Page, study: Study, outcomes: Sequence[Outcome]) -> None:
    others = [variant for variant in study.variants if variant != study.baseline]
    if not others:
        return
    page.heading(f"Differences from {study.baseline}")
    percent = f"{100 * CONFIDENCE:.0f} %"
    page.text(
        f"Paired: of runs with the same seed. In brackets the {percent} interval by Student's t over the "
        "seeds; it is bold where it does not hold 0."
        if len(study.seeds) > 1
        else "With one seed there is no interval: how much a difference varies by chance is unknown."
    )
    if not same_validation_set([one.result for one in outcomes if one.result]):
        page.text("Variants that were validated on different images are not compared: `-`.")
    rows, of_ap = [], {}
    for variant in others:
        found = _paired(outcomes, variant, study.baseline)
        rows.append([variant, *_cells(found)])
        if found["AP"] is not None:
            of_ap[variant] = found["AP"]
    page.table(["variant", *(name for name, _ in FIGURES.values())], rows)
    if of_ap:
        path = study.folder / f"{study.name}_differences.png"
        plot_differences(
            of_ap,
            f"AP minus that of {study.baseline}",
            f"difference of AP, {percent} interval",
            path,
        )
        page.picture(path, "differences of AP with their intervals")
    if 1 < len(others) < MOST_PAIRED:
        page.heading("Differences between the others")
        pairs = itertools.combinations(others, 2)
        rows = [
            [f"{later} minus {earlier}", *_cells(_paired(outcomes, later, earlier))]
            for earlier, later in pairs
        ]
        page.table(["variants", *(name for name, _ in FIGURES.values())], rows)


def _paired(
    outcomes: Sequence[Outcome], variant: str, baseline: str
) -> dict[str, Difference | None]:
    """Return name of a figure to the `Difference` of a variant from another; None on other images."""
    both = [one.result for one in outcomes if one.run.variant in (variant, baseline) and one.result]
    if not same_validation_set(both):
        return dict.fromkeys(FIGURES)
    return {
        name: paired(_values(outcomes, variant, name), _values(outcomes, baseline, name))
        for name in FIGURES
    }


def _cells(found: dict[str, Difference | None]) -> list[str]:
    return [_difference(one, FIGURES[name][1]) for name, one in found.items()]


def _difference(found: Difference | None, digits: int) -> str:
    if found is None:
        return "-"
    if found.half is None:
        return f"{found.mean:+.{digits}f}"
    low, high = found.mean - found.half, found.mean + found.half
    text = f"{found.mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"**{text}**" if found.clear else text


def _add_images(page: Page, study: Study, outcomes: Sequence[Outcome]) -> None:
    rows = []
    for variant in study.variants:
        whole = ap_over_images(outcomes, variant)
        change = change_over_images(outcomes, variant, study.baseline)
        if whole is not None and change is not None:
            rows.append(
                [variant, str(whole), "-" if variant == study.baseline else change.signed()]
            )
    if not any(one.result for one in outcomes):
        return
    page.heading("If the validation images were others")
    if not rows:
        page.text(
            "Not known: fewer than ten images of `data.val` have objects, or the runs were not all validated "
            "on the same images, or by an earlier version."
        )
        return
    page.text(
        f"Mean AP over the seeds, and its difference from {study.baseline}, each with the "
        f"{100 * CONFIDENCE:.0f} % interval of a bootstrap over the images of `data.val`. It holds for the "
        "networks trained here; the intervals above hold for these images and other seeds."
    )
    page.table(["variant", "AP", f"minus {study.baseline}"], rows)


def _add_losses(page: Page, study: Study, outcomes: Sequence[Outcome]) -> None:
    losses = mean_losses(outcomes)
    if not losses:
        return
    page.heading("Losses")
    page.text(
        "Mean over the seeds, smoothed, with the loss's factor in the sum. Only variants whose targets "
        "are the same can be compared: scores that learn the IoU and scores that learn 1 have other minima."
    )
    for name, curves in losses.items():
        title = f"{TITLES.get(name, 'Loss')} ({name})"
        path = study.folder / f"{study.name}_{name}.png"
        plot_losses(curves, list(study.variants), title, path)
        page.picture(path, title)


def _variants(study: Study) -> list[list[str]]:
    rows = [["all", _changes(study.changes)]] if study.changes else []
    return rows + [[name, _changes(changes)] for name, changes in study.variants.items()]


def _changes(changes: dict[str, Any]) -> str:
    return ", ".join(f"`{key}={_yaml(value)}`" for key, value in changes.items()) or "-"


def _yaml(value: Any) -> str:
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    except yaml.YAMLError:
        return brief(value)
    return text.removesuffix("\n...\n").strip()


def _runs(outcomes: Sequence[Outcome]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for one in outcomes:
        cells = [f"{one.run.variant}, seed {one.run.seed}"]
        if one.result is None:
            why = f"failed: {one.failure} (`{one.run.folder / LOG}`)" if one.failure else "not done"
            rows.append([*cells, *["-"] * (len(FIGURES) + 2), why])
            continue
        for name, (_, digits) in FIGURES.items():
            value = one.result.value(name)
            words = "-" if value is None else f"{value:.{digits}f}"
            cells.append(ap_text(one.result) if name == "AP" else words)
        seconds = one.result.seconds
        taken = "resumed" if seconds is None else f"{seconds:.0f} s"
        rows.append([*cells, str(one.result.positives), taken, "done"])
    figures = (name for name, _ in FIGURES.values())
    return ["run", *figures, "positives", "time", "state"], rows
