"""Runs something in a child process that is killed at its n-th call that changes names or flushes."""

import itertools
import os
import signal
import sys
import traceback

# whatever makes, replaces or removes a name, and what brings a file to the disk
CALLS = ("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir", "fsync", "ftruncate")


def arm(number):
    """Let the ``number``-th of these calls, from 1, end this process by SIGKILL before it is made."""
    left = itertools.count(number - 1, -1)

    def counted(call):
        def killing(*args, **kwargs):
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return killing

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def killed_at(number, function):
    """Call ``function`` in a fork of this process; return whether it was killed before it ended."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            arm(number)
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
