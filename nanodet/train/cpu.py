"""Settings of the C library and of the processor that training on a CPU profits from."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_MOST = 32 << 20  # glibc's maximum


def keep_memory() -> None:
    """Let glibc keep freed memory instead of giving it back to the kernel at every step.

    A training step frees and allocates the same hundreds of megabytes; getting them back from the
    kernel costs a page fault and a zeroed page for every 4 KiB. Does nothing on other systems.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library, such as musl
    mallopt(_M_MMAP_THRESHOLD, _MMAP_MOST)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def denormals_flushed() -> Iterator[None]:
    """Treat denormal numbers as zero inside the block.

    Long training with weight decay leaves denormal weights, which a CPU multiplies many times
    slower. Threads that torch starts inside the block inherit the setting; older ones do not.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
