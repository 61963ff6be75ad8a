"""Runs the processes of all entries, one at a time and in turns.

What slows a machine for a while slows all entries alike, so that their ratios hold; and while one
runs the others wait for their next order and take no time.
"""

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nanodet.bench.plan import SETTLE_RUNS, Effort, Entry
from nanodet.errors import MissingSpecError, NanodetError
from nanodet.files import StrPath

PATIENCE_S = 5.0


@dataclass
class Measured:
    """What was seen of one entry.

    Attributes:
        entry: the `nanodet.bench.plan.Entry`.
        loaded: the process's reply to the entry: ``stages``, ``load_s``, ``input``, ``engine`` ...
        turns: per turn, the runs' times in nanoseconds, one per stage.
        waited: per turn, the part of it in which other processes had the CPU core, 0..1.
        warmup_runs: runs before the first of them.
        peak_bytes: the most memory of the process.
        error: why it ended early, else None.
    """

    entry: Entry
    loaded: dict[str, Any]
    turns: list[list[list[int]]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    warmup_runs: int = 0
    peak_bytes: int | None = None
    error: str | None = None

    @property
    def runs(self) -> list[list[int]]:
        """All runs over all turns."""
        return [run for turn in self.turns for run in turn]

    def seconds(self) -> float:
        """Return the measured time."""
        return sum(map(sum, self.runs)) / 1e9

    def has(self, effort: Effort) -> bool:
        """Tell whether enough was measured."""
        return len(self.runs) >= effort.runs and self.seconds() >= effort.seconds


class Worker:
    """The process of one entry; a context manager that ends it.

    Raises:
        NanodetError: the entry cannot be loaded, or the process ended early.
    """

    def __init__(
        self,
        entry: Entry,
        cores: Sequence[int] | None = None,
        picture: StrPath | None = None,
        config: StrPath | None = None,
    ) -> None:
        self._label = entry.label
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nanodet.bench.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None  # pipes
        self._orders, self._replies = self._process.stdin, self._process.stdout
        self._order = {
            "path": entry.path, "graph": entry.graph, "size": entry.size,
            "threads": entry.threads, "precision": entry.precision,
            "cores": cores, "picture": picture, "config": config,
        }  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()  # its order to end
        try:
            # after an error or Ctrl-C nobody waits for the turn that is under way
            self._process.wait(0 if exception[0] else PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._replies.close()
        self._log.close()

    def load(self) -> dict[str, Any]:
        """Load the model; return the reply."""
        return self._ask(self._order, "loading")

    def turn(self, seconds: float, settle_s: float = 0.0, settle_runs: int = 0) -> dict[str, Any]:
        """Run for a while, see `nanodet.bench.worker.take_turn`; return the reply."""
        order = {"seconds": seconds, "settle_s": settle_s, "settle_runs": settle_runs}
        return self._ask(order, "running")

    def _ask(self, order: dict[str, Any], doing: str) -> dict[str, Any]:
        try:
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()
            line = self._replies.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise NanodetError(f"{self._label}: {self._ending(doing)}")
        reply = json.loads(line)
        if "without_spec" in reply:
            raise MissingSpecError(reply["error"], reply["without_spec"])
        if "error" in reply:
            raise NanodetError(reply["error"])
        return reply

    def _ending(self, doing: str) -> str:
        status = self._process.wait()
        how = f"with status {status}"
        if status < 0:
            with contextlib.suppress(ValueError):
                how = f"by {signal.Signals(-status).name}"
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        return f"its process ended {how} while {doing} it" + (
            f" ({said[-1][:200]})" if said else ""
        )


def measure(
    entries: Iterable[Entry],
    effort: Effort,
    cores: Sequence[int] | None = None,
    picture: StrPath | None = None,
    config: StrPath | None = None,
    after_turn: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """Time all entries in turns.

    Args:
        entries: `nanodet.bench.plan.Entry` list.
        effort: the `nanodet.bench.plan.Effort` of each.
        cores: numbers of the CPU cores to run on; None leaves that to the system.
        picture: path of an image; None takes a generated one.
        config: config file of checkpoints that carry none.
        after_turn: is called after every turn.

    Returns:
        a `Measured` per entry, in their order. One whose process ended while it ran has an error,
        and the others are measured nevertheless.

    Raises:
        NanodetError: an entry cannot be loaded.
    """
    with contextlib.ExitStack() as running:
        workers, measured = {}, []
        for entry in entries:
            worker = running.enter_context(Worker(entry, cores, picture, config))
            workers[entry] = worker
            measured.append(Measured(entry, worker.load()))
        for one in measured:
            with _keeping_error(one):
                _warm_up(one, workers[one.entry], effort)
        rounds = 0
        while going := [one for one in measured if not one.error and not one.has(effort)]:
            first = rounds % len(going)  # nobody always comes after the same other
            for one in going[first:] + going[:first]:
                with _keeping_error(one):
                    _add_turn(one, workers[one.entry], effort)
                after_turn()
            rounds += 1
        return measured


@contextlib.contextmanager
def _keeping_error(one: Measured) -> Iterator[None]:
    try:
        yield
    except NanodetError as error:
        one.error = str(error)


def _warm_up(one: Measured, worker: Worker, effort: Effort) -> None:
    reply = worker.turn(effort.warmup_s)
    one.warmup_runs = len(reply["times"])
    while one.warmup_runs < effort.warmup_runs:
        one.warmup_runs += len(worker.turn(0.0)["times"])


def _add_turn(one: Measured, worker: Worker, effort: Effort) -> None:
    reply = worker.turn(effort.turn_s, effort.settle_s, SETTLE_RUNS)
    one.turns.append(reply["times"])
    one.peak_bytes = reply["peak_bytes"]
    if reply["waited"] is not None:
        one.waited.append(reply["waited"])
