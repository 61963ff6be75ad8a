"""Runs the trainings of a study, some at once, each in a process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from nanodet.files.files import make_folder, write_text
from nanodet.files.inputs import METRICS, read_bytes
from nanodet.study.over_images import ap_text
from nanodet.study.plan import Run
from nanodet.study.results import FAILED, LOG, outcome_of, prepare
from nanodet.study.worker import PATIENCE_S
from nanodet.text import Say

POLL_S = 0.2
LONGEST = 300  # letters of the line of a failure


@dataclass
class _Process:
    """The process of a run, its log, and when it began."""

    run: Run
    process: subprocess.Popen[bytes]
    log: BinaryIO
    start_s: float = field(default_factory=time.monotonic)


def run_all(runs: Sequence[Run], jobs: int, threads: int, say: Say) -> None:
    """Train and measure runs; one that fails does not stop the others.

    Args:
        runs: those that have no result yet.
        jobs: processes at once.
        threads: CPU threads of each.
        say: gets a line at the start and the end of each run.

    Raises:
        KeyboardInterrupt: it was stopped; all processes have ended.
    """
    waiting = list(enumerate(runs, 1))
    with ExitStack() as stack:
        going: list[_Process] = []
        stack.callback(_stop, going)
        while waiting or going:
            while waiting and len(going) < jobs:
                number, run = waiting.pop(0)
                going.append(_start(run, threads, f"[{number}/{len(runs)}]", say))
            time.sleep(POLL_S)
            for one in [one for one in going if one.process.poll() is not None]:
                going.remove(one)
                _finish(one, say)


def _start(run: Run, threads: int, number: str, say: Say) -> _Process:
    make_folder(run.folder)
    resume = prepare(run)
    log = open(run.folder / LOG, "ab" if resume else "wb")
    command = [sys.executable, "-m", "nanodet.study.worker", str(run.folder)]
    process = subprocess.Popen(
        [*command, "resume" if resume else "new"],
        stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )  # fmt: skip
    say(f"{number} {run.variant}, seed {run.seed}: {'resumed' if resume else 'started'}")
    return _Process(run, process, log)


def _finish(one: _Process, say: Say) -> None:
    """Report how a process ended; write down why it failed."""
    assert one.process.stdin is not None  # a pipe
    one.process.stdin.close()
    one.log.close()
    name = f"{one.run.variant}, seed {one.run.seed}"
    result = outcome_of(one.run).result
    if one.process.returncode == 0 and result is not None:
        r = result.pearson
        figures = f"AP {ap_text(result)}, r {'-' if r is None else f'{r:.3f}'}"
        say(f"{name}: {figures} after {time.monotonic() - one.start_s:.0f} s")
        return
    why = _last_line(one)
    if one.process.returncode < 0:  # such as the kernel's answer to too little memory
        why = f"its process was ended by {signal.Signals(-one.process.returncode).name}"
    write_text(one.run.folder / FAILED, why + "\n")
    say(f"{name}: failed: {why}")


def _last_line(one: _Process) -> str:
    lines = read_bytes(one.run.folder / LOG, METRICS)[-100_000:].decode("utf-8", "replace")
    said = [line for line in lines.splitlines() if line.strip()]
    return said[-1][:LONGEST].strip() if said else ""


def _stop(going: Iterable[_Process]) -> None:
    """End the processes that are still running: they save nothing half-written."""
    for one in going:
        one.process.terminate()
    until = time.monotonic() + PATIENCE_S
    for one in going:
        try:
            one.process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()
        one.log.close()
