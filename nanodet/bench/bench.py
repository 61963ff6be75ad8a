"""From a list of models to a report: what ``nanodet bench`` does."""

import dataclasses
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nanodet.bench.best import advice, end_to_end, finalists, settings, with_siblings
from nanodet.bench.here import Here
from nanodet.bench.machine import MACHINE, allowed_cores, choose_cores, describe
from nanodet.bench.outputs import check_outputs, put_out
from nanodet.bench.plan import STANDARD, Effort, count_threads, plan_entries
from nanodet.bench.report import FORMAT, result_of
from nanodet.bench.throttling import SENSORS, read_sensors, reasons
from nanodet.bench.turns import measure
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.image_file import picture_size
from nanodet.text.printable import say
from nanodet.text.progress import Progress

if TYPE_CHECKING:
    from nanodet.bench.target.there import There


def bench(
    models: Sequence[str],
    graphs: Sequence[tuple[StrPath, tuple[int, int]]] = (),
    *,
    threads: Sequence[int] | None = None,
    precisions: Sequence[str] | None = None,
    effort: Effort = STANDARD,
    cores: str = "big",
    image: StrPath | None = None,
    config: StrPath | None = None,
    best: bool = False,
    place: "There | None" = None,
    json_path: StrPath | None = None,
    plot_path: StrPath | None = None,
    command: str = "",
    show: bool = True,
) -> dict[str, Any]:
    """Time models and graphs side by side, and print and write the result.

    Args:
        models, graphs: see `nanodet.bench.plan.plan_entries`.
        threads, precisions: every model is timed with each; None for one thread and fp32, with
            ``best`` for all that could be the fastest.
        effort: a `nanodet.bench.plan.Effort`.
        cores: see `nanodet.bench.machine.choose_cores`.
        image: image for the models; None takes a generated one of 640 x 480.
        config: config file of checkpoints that carry none.
        best: whether to find the fastest setting: threads, precision, big cores or all, engine (of
            each file and of the other files of its export). The results are in order of their time.
        place: a `nanodet.bench.target.there.There`, for a device or the program in C++; None times
            them on the runtime in Python.
        json_path, plot_path: files to write.
        command: the command line, for the report.
        show: whether to print the tables.

    Returns:
        the report, as its JSON form (docs/bench.md).

    Raises:
        NanodetError: bad input, before anything is timed; a device without link, room or right;
            or a model that died while it ran, after the report on the others was printed and
            written.
    """
    check_outputs(json_path, plot_path)
    if not re.fullmatch(r"big|little|all|\d+([-,]\d+)*", cores):
        raise NanodetError(f"--cores {cores}: must be big, little, all, or numbers such as 0,2")
    where: Here | There = place or Here(config=config)
    if best and graphs:
        raise NanodetError("--best: is for models, not for a --graph")
    entries = (
        plan_entries(with_siblings(models), here=where.is_here)
        if best
        else plan_entries(models, graphs, threads or (1,), precisions or ("fp32",), where.is_here)
    )
    picture = "generated, 640 x 480"
    if image is not None:
        picture = f"{image}, {' x '.join(map(str, picture_size(image)))}"
    with where.open(entries, image) as session:
        files = session.read(MACHINE)
        machine, allowed = describe(files), allowed_cores(files)
        # where a process cannot choose its cores, all of them is the one choice that can be kept
        ids = choose_cores(cores, machine["cores"], allowed) if allowed is not None else None
        if ids is None and cores not in ("big", "all"):
            raise NanodetError(
                f"--cores {cores}: this system does not let a process choose its cores"
            )
        if best:
            everything = tuple(sorted(allowed or ()))
            sets = [ids or []] + ([everything] if cores == "big" and ids else [])
            unlike = list(dict.fromkeys(map(tuple, sets)))
            flags = machine["cpu_flags"]
            tried = settings(entries, unlike, flags, where.is_here, threads, precisions)
            entries = finalists(
                tried, session, lambda: say(f"{len(tried)} settings to try", file=sys.stderr)
            )

        def tell_plan() -> None:
            for count in sorted({entry.threads for entry in entries}):
                if ids is not None and count > len(ids):
                    few = f"{count_threads(count)} on {len(ids)} cores"
                    say(f"nanodet: warning: {few}", file=sys.stderr)
            least = len(entries) * (effort.seconds + effort.warmup_s)
            say(f"{len(entries)} to time, at least {least:.0f} s", file=sys.stderr)

        def sensors() -> dict[str, Any]:
            return read_sensors(ids, session.read(SENSORS))

        started, start = datetime.now(UTC), time.monotonic()
        before, during = sensors(), []
        progress = Progress(unit="turn")

        def after_turn() -> None:
            during.append(sensors())
            progress.step()

        try:
            measured = measure(entries, effort, session, ids, after_turn, tell_plan)
        finally:
            progress.close()
        after = sensors()
        took = time.monotonic() - start
    if best:
        measured.sort(key=end_to_end)
    results = [result_of(one, measured[0], cores, effort.runs) for one in measured]
    slowed = [f"{one.entry.label}: {r['slowed']}" for one, r in zip(measured, results, strict=True)
              if r.get("slowed")]  # fmt: skip
    why = [*reasons(before, during, after), *slowed]
    report = {
        "format": FORMAT,
        "tool": measured[0].loaded["tool"],
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "took_s": round(took, 1),
        "machine": {
            **machine,
            "architecture": session.architecture,
            "system": session.system,
            "environment": measured[0].loaded["environment"],
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
    if best:
        first = measured[0].entry
        report["best"] = advice(first, first.cores in (None, (), everything), where.is_here)
    put_out(report, json_path, plot_path, show)
    failed = [one.error for one in measured if one.error]
    if failed:
        raise NanodetError(failed[0])
    return report
