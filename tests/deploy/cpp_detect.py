"""Running nanodet-detect as a process of its own."""

import resource
import signal
import subprocess


def run(program, *words, status=0, **how):
    """Run a program; return (stdout, stderr)."""
    command = [str(program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **how)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def fails(program, *words, **how):
    """Run a program that fails; return its one line."""
    _, said = run(program, *words, status=1, **how)
    lines = said.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nanodet-detect: error: "), said
    return lines[0].removeprefix("nanodet-detect: error: ")


def limit_files():
    """A stand-in for a full disk, as ``preexec_fn``: no file may have more than 2000 bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as a shell starts programs; Python ignores it
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
