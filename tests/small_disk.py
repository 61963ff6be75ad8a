"""A file system of a few megabytes, to be filled up."""

import contextlib
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
