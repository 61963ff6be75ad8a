"""The process of one entry: loads it, and runs it when it is its turn.

Started as ``python -m nanodet.bench.worker`` by `nanodet.bench.turns`. Takes and gives one JSON
object a line: first the entry, then turns; ends when its input does.
"""

import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from nanodet import __version__
from nanodet.cores import usable_cores
from nanodet.errors import MissingSpecError, NanodetError
from nanodet.runtime.engines import ENGINES, engine_of


def main() -> int:
    """Serve one entry; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it ends this process
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not get among the replies

    def reply(**values: Any) -> None:
        print(json.dumps(values), file=replies, flush=True)

    order = json.loads(sys.stdin.readline())
    # before anything starts threads: they inherit it
    if order["cores"] is not None:
        os.sched_setaffinity(0, order["cores"])
    try:
        subject, loading = _load(order)
        facts = subject.facts()
    except MissingSpecError as error:
        reply(error=error.missing, without_spec=error.model)
        return 1
    except NanodetError as error:
        reply(error=str(error))
        return 1
    reply(tool=f"nanodet {__version__}", stages=subject.stages, cores=usable_cores(),
          environment=_environment(), **loading, **facts)  # fmt: skip
    gc.disable()  # its pauses are no part of a model's time
    for line in sys.stdin:
        order, waited, start = json.loads(line), _waited_ns(), time.perf_counter_ns()
        try:
            times = take_turn(subject.run, **order)
        except NanodetError as error:
            reply(error=str(error))
            return 1
        took = time.perf_counter_ns() - start
        after = _waited_ns()
        share = None if waited is None or after is None else (after - waited) / took
        gc.collect()
        reply(times=times, waited=share, peak_bytes=_peak_bytes())
    return 0


def take_turn(
    run: Callable[[], Sequence[int]], seconds: float, settle_s: float, settle_runs: int
) -> list[Sequence[int]]:
    """Run for a while.

    Args:
        run: returns the times of its stages.
        seconds: at least so long, and at least once.
        settle_s, settle_runs: before that, so long and so often without counting.

    Returns:
        list of what ``run`` returned.
    """
    start, runs = time.perf_counter(), 0
    while runs < settle_runs or time.perf_counter() - start < settle_s:
        run()
        runs += 1
    times: list[Sequence[int]] = []
    start = time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        times.append(run())
    return times


def _load(order: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the subject, and what loading it took."""
    from nanodet.bench.subject import GraphSubject, ModelSubject, bench_picture

    path, size, threads = order["path"], order["size"], order["threads"]
    _import_engine(path, order["engine"])
    subject: GraphSubject | ModelSubject
    if order["graph"]:
        before, start = _peak_bytes(), time.perf_counter()
        subject = GraphSubject(path, size, threads, order["precision"])
    else:
        picture = bench_picture(order["picture"])
        before, start = _peak_bytes(), time.perf_counter()
        subject = ModelSubject(
            path, picture, size, threads, order["precision"], order["config"], order["engine"]
        )
    return subject, {"load_s": time.perf_counter() - start, "before_bytes": before}


def _import_engine(path: str, name: str | None) -> None:
    """Import what the model needs, so that this is no part of the model's time and memory."""
    with contextlib.suppress(ImportError, NanodetError):  # loading the model says what is missing
        engine = ENGINES[name] if name else engine_of(path)
        importlib.import_module(engine.package)
        importlib.import_module(engine.module)


def _environment() -> dict[str, str]:
    """Return the variables that change how threads wait for each other."""
    return {k: v for k, v in os.environ.items() if k.startswith(("OMP_", "GOMP_", "KMP_"))}


def _waited_ns() -> int | None:
    """Return how long this thread has waited for a core that another had; None if unknown."""
    try:
        with open(
            f"/proc/self/task/{threading.get_native_id()}/schedstat", encoding="ascii"
        ) as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _peak_bytes() -> int | None:
    """Return the most memory this process has had, in bytes; None where the system hides it."""
    try:
        # not getrusage: on Linux that begins with the peak of the process that started this one
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


if __name__ == "__main__":
    sys.exit(main())
