"""Checks a user's options of a detector before native code gets them.

Engines do not check a number of threads, a size or a threshold, and many values end the process.
"""

import numbers
import operator
import threading
from collections.abc import Sequence
from typing import Any

from nanodet.errors import NanodetError
from nanodet.text.brief import brief

MOST_THREADS = 1024
LARGEST_SIDE = 16384  # of a network's input in pixels
LARGEST_STRIDE = 1024  # of a level, network pixels per point
MOST_BATCH = 65536  # images per run
MOST_INPUT = 1 << 30  # bytes, of all images of a run


def check_whole(name: str, value: Any, low: int, high: int) -> int:
    """Return ``value`` as int.

    Raises:
        NanodetError: it is not a whole number from ``low`` to ``high``; the message begins with ``name``.
    """
    try:
        whole = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        whole = None
    if whole is None or not low <= whole <= high:
        raise NanodetError(
            f"{name}: must be a whole number from {low} to {high}, not {brief(value)}"
        )
    return whole


def check_number(name: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` as float; see `check_whole`."""
    known = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not known or not low <= value <= high:  # also false for NaN
        raise NanodetError(f"{name}: must be a number from {low} to {high}, not {brief(value)}")
    return float(value)


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Raise `NanodetError` unless ``value`` is one of the ``known`` strings."""
    if not isinstance(value, str) or value not in known:
        raise NanodetError(f"{name}: must be one of {', '.join(known)}, not {brief(value)}")


def check_threads(threads: Any) -> int | None:
    """Return a number of CPU threads, None if the engine may choose.

    Raises:
        NanodetError: it is out of range, or more than the system allows.
    """
    if threads is None:
        return None
    threads = check_whole("threads", threads, 1, MOST_THREADS)
    if threads > 1:
        _try_threads(threads)
    return threads


def _try_threads(count: int) -> None:
    """Raise `NanodetError` unless ``count`` threads can run at once.

    An engine that cannot start its threads waits forever (ONNX Runtime) or ends the process (OpenMP).
    """
    done, started = threading.Event(), []
    try:
        for _ in range(count):
            thread = threading.Thread(target=done.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        raise NanodetError(
            f"threads: {count} are more than this system lets a process start "
            f"({len(started)} could be started); use fewer, or raise the limit (ulimit -u, ulimit -v)"
        ) from None
    finally:
        done.set()
        for thread in started:
            thread.join()


def check_size(size: Any) -> tuple[int, int]:
    """Return (width, height) of a network's input in pixels as a tuple of two ints."""
    try:
        width, height = size
    except (TypeError, ValueError):
        raise NanodetError(f"size: must be (width, height), not {brief(size)}") from None
    return check_whole("size", width, 1, LARGEST_SIDE), check_whole("size", height, 1, LARGEST_SIDE)


def check_batch(count: int, size: tuple[int, int], name: str) -> None:
    """Raise `NanodetError` unless a network of input (width, height) may take ``count`` images at once."""
    most = min(MOST_BATCH, MOST_INPUT // (3 * 4 * size[0] * size[1]))
    if count > most:
        raise NanodetError(
            f"{name}: must be at most {most} for images of {size[0]}x{size[1]}, not {count}"
        )
