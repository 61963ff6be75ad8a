"""Milliseconds of the files to choose from, in one interleaved run; those of an earlier run are kept."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanodet.bench.bench import bench
from nanodet.bench.machine import MACHINE, describe, read_files
from nanodet.bench.plan import Effort, count_threads
from nanodet.bench.report import busy_of
from nanodet.choose.files import ModelFile
from nanodet.files import StrPath

if TYPE_CHECKING:
    from nanodet.bench.target.there import There

BENCH = "bench.json"


@dataclass(frozen=True)
class TimingOptions:
    """How files are timed.

    Attributes:
        threads: CPU threads; effort: how long; cores: see `nanodet.bench.machine.choose_cores`.
        place: the device; None: this machine, on the runtime in Python.
        words: the options of ``nanodet bench`` that say the same.
    """

    threads: int
    effort: Effort
    cores: str = "big"
    place: "There | None" = None
    words: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The words of `command` that say how, without the files."""
        effort = ["--runs", self.effort.runs, "--seconds", f"{self.effort.seconds:g}"]
        words = ["--threads", self.threads, "--cores", self.cores, *effort, *self.words]
        return list(map(str, words))

    def command(self, files: Sequence[ModelFile], image: StrPath) -> str:
        """Return the ``nanodet bench`` that does the same."""
        words = ["nanodet", "bench", *(one.param for one in files), "--image", image]
        return shlex.join([*map(str, words), *self.options])


@dataclass(frozen=True)
class Times:
    """Milliseconds end to end for one image: path of a ``.param`` to median and 90th percentile.

    Attributes:
        machine: what they were measured on, in words.
        doubts: lines about what disturbed them.
        kept: whether they are those of an earlier run.
    """

    of: Mapping[str, tuple[float, float]]
    machine: str
    doubts: tuple[str, ...]
    kept: bool


def time_files(
    files: Sequence[ModelFile], timing: TimingOptions, image: StrPath, folder: Path
) -> Times:
    """Time all files in turns, unless ``folder`` holds the same undisturbed measurement of the same files.

    Args:
        files: of all candidates.
        timing: how.
        image: what they detect in.
        folder: keeps the report of the bench.

    Raises:
        NanodetError: as `nanodet.bench.bench.bench`; a file that takes several images at once.
    """
    path, command = folder / BENCH, timing.command(files, image)
    return _kept(path, command, files, timing) or _times_of(bench(
        [str(one.param) for one in files],
        threads=[timing.threads], effort=timing.effort, cores=timing.cores,
        image=image, place=timing.place, json_path=path, command=command,
    ), False)  # fmt: skip


def timed_before(timing: TimingOptions, folder: Path) -> bool:
    """Return whether ``folder`` holds an undisturbed measurement that was made with the same options."""
    try:
        report = json.loads((folder / BENCH).read_text(encoding="utf-8"))
        words = shlex.split(report["command"])
        return words[-len(timing.options) :] == timing.options and not _doubts(report)
    except Exception:
        return False  # whatever is wrong with it: it will be made anew


def _times_of(report: dict[str, Any], kept: bool) -> Times:
    of = {}
    for result in report["results"]:
        whole = result["times_us"]["end_to_end"]
        of[str(result["path"])] = (whole["median"] / 1000, whole["p90"] / 1000)
    machine = report["machine"]
    name = machine["board"] or machine["soc"] or machine["architecture"]
    threads = count_threads(report["results"][0]["threads"])
    return Times(of, f"{name}, {threads}", _doubts(report), kept)


def _doubts(report: dict[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, filter(None, [*report["throttling"]["reasons"], busy_of(report)])))


def _is_of_this_machine(report: dict[str, Any]) -> bool:
    here = describe(read_files(MACHINE))
    return all(report["machine"][key] == here[key] for key in ("board", "soc", "cores"))


def _kept(
    path: Path, command: str, files: Sequence[ModelFile], timing: TimingOptions
) -> Times | None:
    """Return the times in ``path`` if they are of the same files, options and machine, and undisturbed."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        hashes = {one["path"]: one["files"] for one in report["results"] if not one["error"]}
        same = report["command"] == command and hashes == {
            str(one.param): one.hashes() for one in files
        }
        # a device is named by the command
        same = same and ("--target" in timing.words or _is_of_this_machine(report))
        return _times_of(report, True) if same and not _doubts(report) else None
    except Exception:
        return None  # whatever is wrong with it: they are timed anew
