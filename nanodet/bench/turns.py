"""Runs the processes of all entries, one at a time and in turns.

What slows a machine for a while slows all entries alike, so that their ratios hold; and while one
runs the others wait for their next order and take no time.
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from nanodet.bench.line_process import LineProcess, LinkLost, Overrun
from nanodet.bench.plan import SETTLE_RUNS, Effort, Entry
from nanodet.errors import MissingSpecError, NanodetError

PATIENCE_S = 5.0
# types of the replies to an entry and to a turn
_COUNT, _TIME = (int, type(None)), (int, float, type(None))
LOADED = {
    "stages": list, "cores": (list, type(None)), "load_s": (int, float), "before_bytes": _COUNT,
    "input": list, "engine": str, "options": dict, "detections": _COUNT, "left_out": list,
    "tool": str, "environment": dict,
}  # fmt: skip
TURN = {"times": list, "waited": _TIME, "peak_bytes": _COUNT}


class Session(Protocol):
    """What runs entries: this machine or a device.

    Attributes:
        patience: seconds for each reply; None for ever.
    """

    patience: float | None

    def start(self, entry: Entry) -> LineProcess:
        """Start the process of an entry; it speaks as `nanodet.bench.worker` does."""

    def order(self, entry: Entry) -> dict[str, Any]:
        """Return its first order, without the cores."""

    def error(self, text: str) -> NanodetError:
        """Return the error of a text of the process; raise `LinkLost` where that is the reason."""


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

    def __init__(self, entry: Entry, session: Session, cores: Sequence[int] | None = None) -> None:
        self._label, self._session = entry.label, session
        self._process = session.start(entry)
        self._order = {**session.order(entry), "cores": cores}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        # after an error or Ctrl-C nobody waits for the turn that is under way
        self._process.end(0.0 if exception[0] else PATIENCE_S)

    def load(self) -> dict[str, Any]:
        """Load the model; return the reply."""
        reply = self._ask(self._order, "loading")
        self._stages = len(reply["stages"]) if _has(reply, LOADED) else 0
        if not self._stages:
            raise self._strange()
        return reply

    def turn(self, seconds: float, settle_s: float = 0.0, settle_runs: int = 0) -> dict[str, Any]:
        """Run for a while, see `nanodet.bench.worker.take_turn`; return the reply."""
        order = {"seconds": seconds, "settle_s": settle_s, "settle_runs": settle_runs}
        reply = self._ask(order, "running")
        try:
            times = np.array(reply["times"], np.float64)
        except (KeyError, TypeError, ValueError):
            raise self._strange() from None
        if (
            times.shape != (len(times), self._stages)
            or not (times > 0).all()
            or not _has(reply, TURN)
        ):
            raise self._strange()
        return reply

    def _ask(self, order: Mapping[str, Any], doing: str) -> dict[str, Any]:
        patience = self._session.patience
        self._process.send(json.dumps(order))
        try:
            line = self._process.line(None if patience is None else time.monotonic() + patience)
            if line is None:
                raise self._session.error(f"{self._label}: {self._ending(doing)}")
            reply = json.loads(line, parse_constant=lambda word: None)
        except Overrun as error:
            raise self._session.error(f"{self._label}: its process {error}") from None
        except (ValueError, RecursionError):
            raise self._strange() from None
        if not isinstance(reply, dict):
            raise self._strange()
        if "without_spec" in reply:
            raise MissingSpecError(reply["error"], reply["without_spec"])
        if "error" in reply:
            raise self._session.error(str(reply["error"]))
        return reply

    def _strange(self) -> NanodetError:
        return self._session.error(
            f"{self._label}: its process gave a reply that is not of this version of the program"
        )

    def _ending(self, doing: str) -> str:
        status = self._process.wait(time.monotonic() + PATIENCE_S)
        how = f"with status {status}"
        with contextlib.suppress(ValueError):  # a shell adds 128
            how = f"by {signal.Signals(-status if status < 0 else status - 128).name}"
        said = self._process.last_error()[-200:]
        return f"its process ended {how} while {doing} it" + (f" ({said})" if said else "")


def _has(reply: Mapping[str, Any], kinds: Mapping[str, Any]) -> bool:
    return all(key in reply and isinstance(reply[key], kind) for key, kind in kinds.items())


def measure(
    entries: Iterable[Entry],
    effort: Effort,
    session: Session,
    cores: Sequence[int] | None = None,
    after_turn: Callable[[], object] = lambda: None,
    loaded: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """Time all entries in turns.

    Args:
        entries: `nanodet.bench.plan.Entry` list.
        effort: the `nanodet.bench.plan.Effort` of each.
        session: runs them.
        cores: numbers of the CPU cores to run on; None leaves that to the system.
        after_turn: is called after every turn.
        loaded: is called when all are loaded.

    Returns:
        a `Measured` per entry, in their order. One whose process ended while it ran has an error,
        and the others are measured nevertheless.

    Raises:
        NanodetError: an entry cannot be loaded; the device is lost.
    """
    with contextlib.ExitStack() as running:
        workers, measured = {}, []
        for entry in entries:
            worker = running.enter_context(Worker(entry, session, entry.cores or cores))
            workers[entry] = worker
            measured.append(Measured(entry, worker.load()))
        loaded()
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
    except LinkLost:
        raise
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
