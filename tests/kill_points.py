"""What a process leaves that is killed at a call that changes names or brings files to the disk."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import sys
import traceback

# whatever makes, replaces or removes a name, and what brings a file to the disk
CALLS = ("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir", "fsync", "ftruncate")


def arm(number, calls=CALLS):
    """Let the ``number``-th of these calls, from 1, end this process by SIGKILL before it is made."""
    left = itertools.count(number - 1, -1)

    def counted(call):
        def killing(*args, **kwargs):
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return killing

    for name in calls:
        setattr(os, name, counted(getattr(os, name)))


def killed_at(number, function, calls=CALLS):
    """Call ``function`` in a fork of this process; return whether it was killed before it ended."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            arm(number, calls)
            status = function() or 0
        except SystemExit as error:
            status = error.code
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


@contextlib.contextmanager
def left_at_every_call(folder, into):
    """Copy what a process that is killed at any of these calls in the block leaves of ``folder``.

    Yields:
        a list that gets the copies, folders below ``into``; states that differ in no more than the
        names of temporary files are there once.
    """
    found, originals, busy = {}, {name: getattr(os, name) for name in CALLS}, []

    def copy():
        if not busy:
            busy.append(True)
            calls.append(None)
            state = _state(folder)
            if state not in found:
                found[state] = into / str(len(calls))
                shutil.copytree(folder, found[state], symlinks=True)
                copies.append(found[state])
            busy.clear()

    def copying(call):
        def first_copy(*args, **kwargs):
            copy()
            return call(*args, **kwargs)

        return first_copy

    copies, calls = [], []
    for name, call in originals.items():
        setattr(os, name, copying(call))
    try:
        yield copies
        copy()
    finally:
        for name, call in originals.items():
            setattr(os, name, call)


def _state(folder):
    """Return names and contents of the files below ``folder``, without the random part of names."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return tuple(
        (re.sub(r"-\w{8}\b", "-", str(path.relative_to(folder))), path.read_bytes())
        for path in files
    )
