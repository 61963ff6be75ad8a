"""A file system of a few megabytes, to be filled up."""

import contextlib
import hashlib
import shutil
import subprocess

import pytest


def may_mount():
    """Whether a process may have mounts of its own: as root, and in few containers and chroots."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


as_root = pytest.mark.skipif(
    not may_mount(), reason="mounts a small file system, which this user or machine may not"
)


@contextlib.contextmanager
def mounted(folder, size="48m"):
    """Mount one of ``size`` at ``folder``, or skip."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)])
    if done.returncode:
        pytest.skip("this system does not let root mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def filled(folder, left):
    """Leave ``left`` bytes of a small disk while the block runs."""
    filler = folder / "filler"
    filler.write_bytes(bytes(max(shutil.disk_usage(folder).free - left, 0)))
    try:
        yield
    finally:
        filler.unlink()


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def attacked(disk, out, needed, function, capfd, steps=5):
    """Call a command with more and more of what it needs; return how often it failed."""
    failures = 0
    assert function() == 0
    capfd.readouterr()
    for left in (0, 4096, *(int(needed * step / steps) for step in range(1, steps + 2))):
        before = contents(out)
        with filled(disk, left):
            status = function()
        err = capfd.readouterr().err
        assert not any(part.startswith(".") for path in contents(disk) for part in path.split("/"))
        *progress, last = err.splitlines() or [""]
        assert not any("rror" in line or "Traceback" in line for line in progress), err
        if status == 0:
            assert "error" not in last
            continue
        failures += 1
        assert status == 1, (left, err)
        assert last.startswith(f"nanodet: error: {out}") and "No space left on device" in last, err
        assert {name: contents(out).get(name) for name in before} == before, left
    return failures
