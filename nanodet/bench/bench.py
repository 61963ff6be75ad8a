"""From a list of models to a report: what ``nanodet bench`` does."""

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from nanodet import __version__
from nanodet.bench.machine import choose_cores, describe
from nanodet.bench.outputs import check_outputs, put_out
from nanodet.bench.plan import STANDARD, Effort, count_threads, plan_entries
from nanodet.bench.report import FORMAT, result_of
from nanodet.bench.throttling import read_sensors, reasons
from nanodet.bench.turns import measure
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.image_file import picture_size
from nanodet.text.printable import say
from nanodet.text.progress import Progress

_OPENMP = ("OMP_", "GOMP_", "KMP_")  # variables that change how threads wait for each other


def bench(
    models: Sequence[str],
    graphs: Sequence[tuple[StrPath, tuple[int, int]]] = (),
    *,
    threads: Sequence[int] = (1,),
    precisions: Sequence[str] = ("fp32",),
    effort: Effort = STANDARD,
    cores: str = "big",
    image: StrPath | None = None,
    config: StrPath | None = None,
    json_path: StrPath | None = None,
    plot_path: StrPath | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Time models and graphs side by side, and print and write the result.

    Args:
        models, graphs, threads, precisions: see `nanodet.bench.plan.plan_entries`.
        effort: a `nanodet.bench.plan.Effort`.
        cores: see `nanodet.bench.machine.choose_cores`.
        image: image for the models; None takes a generated one of 640 x 480.
        config: config file of checkpoints that carry none.
        json_path, plot_path: files to write.
        command: the command line, for the report.

    Returns:
        the report, as its JSON form (docs/bench.md).

    Raises:
        NanodetError: bad input, before anything is timed; or a model that died while it ran,
            after the report on the others was printed and written.
    """
    check_outputs(json_path, plot_path)
    entries = plan_entries(models, graphs, threads, precisions)
    picture = "generated, 640 x 480"
    if image is not None:
        picture = f"{image}, {' x '.join(map(str, picture_size(image)))}"
    machine = describe()
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    # where a process cannot choose its cores, all of them is the one choice that can be kept
    ids = choose_cores(cores, machine["cores"], allowed) if allowed is not None else None
    if ids is None and cores not in ("big", "all"):
        raise NanodetError(f"--cores {cores}: this system does not let a process choose its cores")
    for count in sorted(set(threads)):
        if ids is not None and count > len(ids):
            say(f"nanodet: warning: {count_threads(count)} on {len(ids)} cores", file=sys.stderr)
    least = len(entries) * (effort.seconds + effort.warmup_s)
    say(f"{len(entries)} to time, at least {least:.0f} s", file=sys.stderr)
    started, before = datetime.now(UTC), read_sensors(ids)
    during: list[dict[str, Any]] = []
    progress = Progress(unit="turn")

    def after_turn() -> None:
        during.append(read_sensors(ids))
        progress.step()

    start = time.monotonic()
    try:
        measured = measure(entries, effort, ids, image, config, after_turn)
    finally:
        progress.close()
    after = read_sensors(ids)
    results = [result_of(one, measured[0], cores, effort.runs) for one in measured]
    slowed = [f"{one.entry.label}: {r['slowed']}" for one, r in zip(measured, results, strict=True)
              if r.get("slowed")]  # fmt: skip
    why = [*reasons(before, during, after), *slowed]
    report = {
        "format": FORMAT,
        "tool": f"nanodet {__version__}",
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "took_s": round(time.monotonic() - start, 1),
        "machine": {
            **machine,
            "architecture": platform.machine(),
            "system": f"{platform.system()} {platform.release()}",
            "environment": {k: v for k, v in os.environ.items() if k.startswith(_OPENMP)},
        },
        "cores": {"wanted": cores, "ids": ids},
        "effort": {
            **dataclasses.asdict(effort),
            "warmup_runs": effort.warmup_runs, "warmup_s": effort.warmup_s,
        },
        "picture": picture,
        "before": before,
        "after": after,
        "throttling": {"flagged": bool(why), "reasons": why},
        "results": results,
    }  # fmt: skip
    put_out(report, json_path, plot_path)
    failed = [one.error for one in measured if one.error]
    if failed:
        raise NanodetError(failed[0])
    return report
