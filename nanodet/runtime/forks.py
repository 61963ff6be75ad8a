"""Handles what does not survive a fork: threads, and the locks that they held.

In a child process, an engine waits forever for threads that the parent started: when it runs, and
some engines even when they are destroyed, or at exit. So children of a process that has created a
`Detector` or opened a video exit without calling the exit handlers of libraries. multiprocessing's
"fork", DataLoader's workers and `os.fork` create such children; "spawn" and "forkserver" do not.
"""

import ctypes
import os
import sys
import weakref
from typing import NoReturn

from nanodet.errors import NanodetError

_LIBRARIES = ("ncnn", "onnxruntime", "openvino", "torch")
_count = 0
_inherited: frozenset[str] = frozenset()
_owners: weakref.WeakSet[object] = weakref.WeakSet()
_used = False  # whether there was an owner, here or in a parent


def fork_count() -> int:
    """Return a number that differs between a process and its forks."""
    return _count


def is_inherited(library: str) -> bool:
    """Return whether a parent of this forked process had loaded a library, and may have used it."""
    return library in _inherited


def keep_in_children(owner: object) -> None:
    """Ensure that an object with native parts is never destroyed in a process forked from this one."""
    global _used
    _used = True
    _owners.add(owner)


def refuse_fork(what: str) -> NoReturn:
    """Raise `NanodetError` for an object that cannot be used in a process forked after its creation."""
    raise NanodetError(
        f"{what} in a forked process: start processes with "
        'multiprocessing.get_context("spawn") (DataLoader: multiprocessing_context="spawn")'
    )


def _after_fork() -> None:
    global _count, _inherited
    _count += 1
    _inherited |= {name for name in _LIBRARIES if name in sys.modules}
    for owner in _owners:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
    _owners.clear()
    if _used and _inherited:  # otherwise exit handlers of others are called
        _skip_destructors()


def _skip_destructors() -> None:
    """Make this process exit right after Python's exit handlers: those of C++ may join lost threads.

    multiprocessing's processes exit in this way; those of `os.fork` may call `sys.exit`.
    """
    libc = ctypes.CDLL(None)
    try:
        last, first = libc._exit, libc.fcloseall
        # handlers are called in reverse order; each gets the status
        libc.on_exit(last, None)
        libc.on_exit(first, None)
    except AttributeError:  # only glibc has this function
        pass


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
