"""SIGTERM and SIGHUP end a command as Ctrl-C does: what they interrupt cleans up behind itself."""

import contextlib
import os
import signal
import threading
import time

# a batch system or service manager; a closed terminal or ssh session, which is not everywhere
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE_S = 2.0


class Stopped(KeyboardInterrupt):
    """One of `SIGNALS` came: whoever cleans up after Ctrl-C does so after these.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number):
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def heeded():
    """Return those of `SIGNALS` that nobody has told this process to ignore: nohup does, SIGHUP."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def stopping_on_signals():
    """Raise `Stopped` in the block when one of `SIGNALS` comes.

    Further ones are the same wish, and must not interrupt the cleaning up; one that comes later
    than `PATIENCE_S` ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows handlers in the main thread only
        return
    came, process = [], os.getpid()

    def stop(number, _):
        if os.getpid() != process or (came and time.monotonic() - came[0] > PATIENCE_S):
            signal.signal(number, signal.SIG_DFL)  # a fork that has not set its own yet, or a hang
            os.kill(os.getpid(), number)
        elif not came:
            came.append(time.monotonic())
            raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
