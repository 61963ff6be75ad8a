"""What of a process does not survive a fork: threads, and locks that they held.

An engine whose threads the parent started waits for them for ever in a child: when it runs, and
some even when they are destroyed, or at the program's end. So children of a process that has made a
`Detector` or opened a video end without what libraries have registered for that. multiprocessing's
"fork", DataLoader's workers and `os.fork` make such children; "spawn" and "forkserver" do not.
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
_used = False  # whether there has been an owner, here or in a parent


def fork_count() -> int:
    """Return a number that differs between a process and those that it forks."""
    return _count


def is_inherited(library: str) -> bool:
    """Tell whether a parent that forked this process had loaded a library, and may have used it."""
    return library in _inherited


def keep_in_children(owner: object) -> None:
    """See that an object with native parts is never destroyed in a process forked from this one."""
    global _used
    _used = True
    _owners.add(owner)


def refuse_fork(what: str) -> NoReturn:
    """Raise `NanodetError` for something that cannot be used in a process forked since it was made."""
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
    if _used and _inherited:  # else what others have registered for the end is called
        _skip_destructors()


def _skip_destructors() -> None:
    """Have this process end once Python has: after it come C++'s, of which some join lost threads.

    multiprocessing's processes end in this way; those of `os.fork` may end by `sys.exit`.
    """
    libc = ctypes.CDLL(None)
    try:
        last, first = libc._exit, libc.fcloseall
        # the later registered is called earlier; each gets the status
        libc.on_exit(last, None)
        libc.on_exit(first, None)
    except AttributeError:  # only glibc has them
        pass


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)
