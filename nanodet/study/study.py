"""`study`: a study file in, trained variants and a report out."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nanodet.cores import core_count
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.files import StrPath
from nanodet.files.files import make_folder
from nanodet.files.locks import locked
from nanodet.study.plan import Study, read_study
from nanodet.study.report import write_report
from nanodet.study.results import Outcome, outcome_of
from nanodet.study.turns import run_all
from nanodet.text import Say
from nanodet.text.counted import counted
from nanodet.text.printable import say
from nanodet.train.device import trainer_devices


@dataclass(frozen=True)
class Studied:
    """What a study wrote.

    Attributes:
        markdown, html: the two forms of the report.
        outcomes: of all runs, in their order.
    """

    markdown: Path
    html: Path
    outcomes: tuple[Outcome, ...]

    @property
    def complete(self) -> bool:
        """Whether every run has a result."""
        return all(one.result for one in self.outcomes)


def study(
    path: StrPath,
    overrides: Iterable[str] = (),
    jobs: int = 1,
    report_only: bool = False,
    say: Say = say,
) -> Studied:
    """Train the variants of a study file with each of its seeds, and compare them.

    Runs that have a result with the same settings are not trained again, and one that was cut is resumed.

    Args:
        path: the study file.
        overrides: see `nanodet.study.plan.read_study`.
        jobs: trainings at once; the CPU cores are divided among them.
        report_only: report what has been trained.
        say: gets lines for the user.

    Raises:
        NanodetError: a wrong file, or another study uses the folder.
    """
    overrides = list(overrides)
    plan = read_study(path, overrides)
    check_pycocotools()
    if report_only and not plan.folder.is_dir():
        raise NanodetError(f"{plan.folder}: there is no such folder: nothing has been trained")
    make_folder(plan.folder)
    # a report only reads what is complete: it may be written while the study runs
    with contextlib.nullcontext(True) if report_only else locked(plan.folder) as is_locked:
        if not is_locked:
            say(f"{plan.folder}: this file system has no locks: start only one study in it")
        if not report_only:
            train_runs(plan, jobs, say)
        outcomes = tuple(map(outcome_of, plan.runs))
        command = ["nanodet", "study", plan.file, *overrides, "--jobs", str(jobs)]
        return Studied(*write_report(plan, outcomes, command), outcomes)


def train_runs(plan: Study, jobs: int, say: Say) -> None:
    """Train the runs of a study that have no result yet; the caller holds the lock of its folder."""
    waiting = [run for run in plan.runs if outcome_of(run).result is None]
    done = len(plan.runs) - len(waiting)
    say(
        f"{plan.file}: {counted(len(plan.variants), 'variant')}, {counted(len(plan.seeds), 'seed')}, "
        f"{plan.epochs} epochs: {counted(len(plan.runs), 'run')} in {plan.folder}"
        + (f", {done} of them done" if done else "")
    )
    if not waiting:
        return
    devices, _ = trainer_devices(plan.example.device, plan.config)
    count = devices["devices"]
    if (len(count) if isinstance(count, list) else count) * devices["num_nodes"] > 1:
        raise NanodetError(
            f"{plan.config}: device.gpu_ids: a run of a study has one device: choose it, such as [0]"
        )
    jobs = min(jobs, len(waiting))
    threads = max(core_count() // jobs, 1)
    try:
        run_all(waiting, jobs, threads, say)
    except KeyboardInterrupt as stop:
        stop.args = (f"{str(stop) or 'stopped'}; the same command goes on",)
        raise
