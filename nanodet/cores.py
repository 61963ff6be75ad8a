"""The CPU cores that this process may use; a container or ``taskset`` may allow fewer than there are."""

import os


def usable_cores() -> list[int] | None:
    """Return the numbers of the cores, ascending; None on a system that does not tell them."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def core_count() -> int:
    """Return how many cores this process may use, at least 1."""
    return len(usable_cores() or ()) or os.cpu_count() or 1
