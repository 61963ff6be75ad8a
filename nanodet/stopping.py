"""Ctrl-C, SIGTERM and SIGHUP end a command, which cleans up before it exits."""

import atexit
import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn, Self

# Ctrl-C; a batch system or service manager; a closed terminal or ssh session, not everywhere
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
PATIENCE_S = 2.0  # signals that come sooner after the first are the same request
ANSWER_S = 1.0  # for which native code may keep Python from running its handlers

_REMINDER, _END = b"\0", b"\xff"  # not the numbers of signals

_current: "Stopping | None" = None  # the innermost


class Stopped(KeyboardInterrupt):
    """One of `SIGNALS` was received.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        super().__init__(f"stopped{by}")
        self.number = number


class Stopping:
    """A context in which `SIGNALS` are requests to stop: recorded, and raised where the code allows it.

    Those that come within `PATIENCE_S` after the first are the same request, and must not interrupt
    the cleanup. A later one ends the process, even if native code does not return. In threads other
    than the main one, where Python allows no handlers, this does nothing.

    Args:
        ask: called at the first signal, for a block that ends when it is asked to; a later one is
            raised in the block.

    Attributes:
        number: of the first signal received, None before. It stays set if the exception was
            swallowed or replaced by another in C++ or an import.
    """

    def __init__(self, ask: Callable[[], object] | None = None) -> None:
        self.number: int | None = None
        self._ask, self._first_s, self._process = ask, math.inf, os.getpid()
        self._raises = self._held = self._lost = False
        self._before: dict[int, Any] = {}
        self._watchdog: _Watchdog | None = None
        self._outer: Stopping | None = None
        self._unraisable = sys.unraisablehook

    def __enter__(self) -> Self:
        global _current
        if threading.current_thread() is threading.main_thread():
            if _watchdog is None and hasattr(signal, "pthread_kill"):  # not on Windows
                self._watchdog = _Watchdog()
            check_stopped()
            self._outer, _current = _current, self
            self._unraisable, sys.unraisablehook = sys.unraisablehook, self._remind
            self._before = {number: signal.signal(number, self._handle) for number in not_ignored()}
        return self

    def __exit__(self, *_: object) -> None:
        global _current
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if _current is self:
            _current, sys.unraisablehook = self._outer, self._unraisable
        if self._outer is not None and self._outer.number is None:
            self._outer.number, self._outer._first_s = self.number, self._first_s
        if self._watchdog is not None:
            self._watchdog.end()

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Raise `Stopped` in the block when a signal comes, or has come."""
        self._raises = True
        try:
            self.check()
            yield
        finally:
            self._raises = False

    def check(self) -> None:
        """Raise `Stopped` if a signal has come."""
        if self._raises and self.number is not None:
            raise Stopped(self.number)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:
            _end_fork(number)
        now = time.monotonic()
        if _watchdog is not None:
            _watchdog.answered_s = now
        if self._lost:
            self._lost = False
            self.check()
        elif self.number is None:
            self.number, self._first_s = number, now
            if self._ask is not None:
                self._ask()
            self.check()
        elif now - self._first_s > PATIENCE_S:
            if self._ask is not None or self._held:
                self._held = False
                raise Stopped(number)
            _end(number)

    def _remind(self, lost: "sys.UnraisableHookArgs") -> None:
        """Replace `sys.unraisablehook`: exceptions in destructors and callbacks are lost."""
        if not isinstance(lost.exc_value, Stopped) or _watchdog is None:
            self._unraisable(lost)
        else:
            self._lost = True
            _watchdog.remind(self.number or lost.exc_value.number)


def not_ignored() -> list[int]:
    """Return those of `SIGNALS` that this process was not started to ignore, as nohup does SIGHUP."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def check_stopped() -> None:
    """Raise `Stopped` if a signal has come that should have ended the running code."""
    if _current is not None and threading.current_thread() is threading.main_thread():
        _current.check()


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Raise `Stopped` only after the block: for C++ that calls back into Python.

    There an exception may be swallowed, replaced, or abort the process. A signal that comes later than
    `PATIENCE_S` after the first is raised nevertheless.
    """
    stopping = _current
    if stopping is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping.check()
    before = stopping._raises, stopping._held
    stopping._raises, stopping._held = False, True
    try:
        yield
    finally:
        stopping._raises, stopping._held = before
        stopping.check()


def end_on_signals() -> None:
    """Let `SIGNALS` end this process at once before and after its command, see `Stopping`."""
    for number in not_ignored():
        signal.signal(number, lambda number, _: _end(number))
    # the last thing before Python restores the handlers; the command's result is final by then
    atexit.register(_ignore)


def _ignore() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end(number: int) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(2, f"nanodet: {Stopped(number)}\n".encode())
    os._exit(128 + number)


def _end_fork(number: int) -> None:
    """End a process that was forked from a command and has not set handlers."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


class _Watchdog(threading.Thread):
    """Ends this process at a signal if native code keeps Python from handling it.

    Python's handlers run in the main thread, when it executes Python again. The signals' numbers
    arrive here without it, as long as that native code lets other threads run.

    Attributes:
        answered_s: when a handler last ran.
    """

    def __init__(self) -> None:
        global _watchdog
        super().__init__(name="signals", daemon=True)
        self.answered_s = -math.inf
        self._main, self._over = threading.get_ident(), threading.Event()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self.start()
        _watchdog = self

    def run(self) -> None:
        first_s = None
        while (number := os.read(self._reader, 1)) != _END:
            if number == _REMINDER:
                time.sleep(0.01)  # until what lost the exception is done
                signal.pthread_kill(self._main, self._again)
            if number[0] not in SIGNALS:  # another handler's, of a child that ended
                continue
            now = time.monotonic()
            first_s = first_s or now
            if now - first_s > PATIENCE_S and not self._over.wait(ANSWER_S):
                if self.answered_s < now - ANSWER_S:
                    _end(number[0])

    def remind(self, number: int) -> None:
        """Have the handler of a signal called again, very soon."""
        self._again = number
        os.write(self._writer, _REMINDER)

    def end(self) -> None:
        global _watchdog
        _watchdog = None
        self._over.set()
        signal.set_wakeup_fd(self._before)
        os.write(self._writer, _END)
        self.join()
        for end in (self._reader, self._writer):
            os.close(end)


_watchdog: _Watchdog | None = None


def _after_fork() -> None:
    global _watchdog
    if _watchdog is not None:  # its thread is the parent's, and the pipe leads there
        _watchdog = None
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
