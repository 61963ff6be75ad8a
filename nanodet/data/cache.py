"""Decoded images kept in memory, once for all worker processes."""

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from nanodet.cores import core_count
from nanodet.data.records import Picture

log = logging.getLogger(__name__)
SHARE = (
    0.5  # fraction of the free memory; the rest is for the model, its batches and other programs
)


class PictureCache:
    """All images of a data set, decoded, in one block of memory.

    The block is a torch tensor: forked workers inherit it, and started ones get it through
    torch's shared memory, so that it is never copied per worker.
    """

    def __init__(self, pictures: Sequence[Picture], load: Callable[[Picture], np.ndarray]) -> None:
        """Decode ``pictures`` (records with width and height) with ``load(record)``."""
        self._shapes = [(p.height, p.width, 3) for p in pictures]
        self._starts = np.concatenate([[0], np.cumsum([3 * p.width * p.height for p in pictures])])
        self._block = torch.empty(int(self._starts[-1]), dtype=torch.uint8)

        def fill(index):
            self[index][:] = load(pictures[index])

        with ThreadPoolExecutor(core_count()) as pool:  # decoding releases the GIL
            for _ in pool.map(fill, range(len(pictures))):
                pass

    def __getitem__(self, index: int) -> np.ndarray:
        """Return image ``index`` as uint8 (H, W, 3), a view that must not be written to."""
        part = self._block[self._starts[index] : self._starts[index + 1]]
        return part.numpy().reshape(self._shapes[index])


def cache_pictures(
    pictures: Sequence[Picture], load: Callable[[Picture], np.ndarray]
) -> PictureCache | None:
    """Return a filled `PictureCache`, or None (with a line in the log) if there is too little memory."""
    needed = sum(3 * p.width * p.height for p in pictures)
    free = free_memory()
    if needed > SHARE * free:
        log.warning(
            "cache: %d images need %.1f GB, more than half of the %.1f GB of free memory: "
            "training without the cache", len(pictures), needed / 1e9, free / 1e9,
        )  # fmt: skip
        return None
    return PictureCache(pictures, load)


def free_memory() -> int:
    """Return how many bytes this process may still allocate, considering a container's limit."""
    free = _available()
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # no such limit here
    return max(free, 0)


def _available() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 4 << 30  # unknown on Windows; most machines have this much
