"""The fastest way to run models on a machine: ``nanodet bench --best``."""

import importlib.util
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanodet.bench.line_process import LinkLost
from nanodet.bench.plan import Effort, Entry, split_size
from nanodet.bench.statistics import stage_times
from nanodet.bench.turns import Measured, Session, measure
from nanodet.errors import NanodetError
from nanodet.files.incoming import is_file
from nanodet.runtime.detector import find_model
from nanodet.runtime.engines import KINDS, PRECISIONS, engines_of, kind_of
from nanodet.text.printable import say
from nanodet.text.progress import Progress

TRIAL = Effort(5, 0.5, "quick")  # of each setting; those that are not far behind are measured again
FAR, MOST = 1.5, 8  # times the fastest; settings that are measured again


def with_siblings(models: Iterable[str]) -> list[str]:
    """Return texts ``MODEL`` or ``MODEL@WxH`` with the other exported files of the same stem."""
    found: dict[str, None] = {}
    for text in models:
        name, size = split_size(text)
        path, behind = Path(find_model(name)), text[len(name) :] if size else ""
        suffixes = [suffix for kind in KINDS if kind.exported for suffix in kind.suffixes]
        siblings = [path.with_suffix(suffix) for suffix in suffixes]
        found |= dict.fromkeys(
            [f"{path}{behind}", *(f"{p}{behind}" for p in siblings if is_file(p))]
        )
    return list(found)


def settings(
    entries: Sequence[Entry],
    cores: Sequence[Sequence[int]],
    flags: Collection[str],
    here: bool,
    threads: Sequence[int] | None = None,
    precisions: Sequence[str] | None = None,
) -> list[Entry]:
    """Return an `Entry` for every setting that could be the fastest.

    Args:
        entries: one for each model.
        cores: sets of cores to run on, without doubles; empty ones leave that to the system.
        flags: the CPU's instruction sets.
        here: whether the runtime in Python runs them, which has several engines.
        threads, precisions: to try; None for all: powers of two up to the number of cores, and
            what the CPU calculates in.
    """
    found = []
    for entry in entries:
        engines = engines_of(kind_of(entry.path))
        several = here and len(engines) > 1
        for name, engine in engines.items() if here else list(engines.items())[:1]:
            if several and importlib.util.find_spec(engine.package) is None:
                continue
            for ids in cores:
                most = len(ids) or 1
                counts = {1, most, *(1 << n for n in range(most.bit_length()) if 1 << n <= most)}
                label = f"{entry.name} {name}" if several else entry.name
                if len(cores) > 1:
                    label += f" on {len(ids)} cores"
                found += [
                    replace(
                        entry, name=label, engine=name if several else None, cores=tuple(ids),
                        threads=count, precision=precision,
                    )
                    for precision in engine.precisions
                    if precision in (precisions or PRECISIONS)
                    and (precision != "fp16" or "asimdhp" in flags)
                    for count in threads or sorted(counts)
                ]  # fmt: skip
    return found


def finalists(
    entries: Sequence[Entry], session: Session, begun: Callable[[], object] = lambda: None
) -> list[Entry]:
    """Return those of the settings that are among the fastest, fastest first.

    Each runs for `TRIAL`, one after the other; what cannot be run is said and left out. ``begun`` is
    called when the first has run.

    Raises:
        NanodetError: no setting can be run; the device is lost.
    """
    times, failed, errors = dict[Entry, float](), set[object](), dict[str, NanodetError]()
    progress = Progress(unit="setting", total=len(entries))
    try:
        for entry in entries:
            progress.step()
            what = entry.path, entry.engine, entry.precision
            if what in failed:
                continue
            try:
                (one,) = measure([entry], TRIAL, session, entry.cores)
                if one.error is not None:
                    raise NanodetError(one.error)
                if not times:
                    begun()
                times[entry] = end_to_end(one)
            except LinkLost:
                raise
            except NanodetError as error:
                failed.add(what)
                errors.setdefault(str(error), error)
    finally:
        progress.close()
    reasons = list(errors)
    for reason in reasons if times else reasons[1:]:  # else the first is the error
        say(f"left out: {reason}", file=sys.stderr)
    if not times:
        raise next(iter(errors.values()), NanodetError("--best: there is nothing to try"))
    near = FAR * min(times.values())
    return [entry for entry in sorted(times, key=times.__getitem__) if times[entry] <= near][:MOST]


def end_to_end(one: Measured) -> float:
    """Return the median microseconds from the image to its boxes; infinity where it never ran."""
    if not one.turns:
        return float("inf")
    times = stage_times(one.runs, one.loaded["stages"])
    return times.get("end_to_end", times["network"])["median"]


def advice(entry: Entry, everywhere: bool, here: bool) -> dict[str, str]:
    """Return ``command`` and ``python``, lines to copy for a setting.

    Args:
        entry: the setting.
        everywhere: whether it runs on all cores there are, so that none have to be chosen.
        here: whether the runtime in Python runs it, not the program in C++.
    """
    size = None if entry.size is None else f"{entry.size[0]}x{entry.size[1]}"
    precision = None if entry.precision == PRECISIONS[0] else entry.precision
    options = {"engine": entry.engine, "precision": precision, "threads": entry.threads}
    words = [
        "nanodet" if here else "nanodet-detect",
        *(["detect"] if here else []),
        entry.path,
        "SOURCE",
    ]
    for name, value in {**options, "size": size}.items():
        words += [] if value is None else [f"--{name}", str(value)]
    values: dict[str, Any] = {**options, "size": entry.size}
    given = [f"{name}={value!r}" for name, value in values.items() if value is not None]
    python = f"Detector({', '.join([repr(entry.path), *given])})"
    if not everywhere and entry.cores:
        words = ["taskset", "-c", ",".join(map(str, entry.cores)), *words]
        python = f"os.sched_setaffinity(0, {set(entry.cores)}); {python}"
    return {"command": shlex.join(words), "python": python}
