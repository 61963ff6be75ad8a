"""The processes that load images: how their batches travel, and what is said when one dies."""

import contextlib
import functools
import math
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import cv2
import torch
from torch.multiprocessing.reductions import reduce_tensor

SHARED_MEMORY = Path("/dev/shm")
PREFETCH = 2  # batches that each process has ready, torch's default
# through the pipe: a tensor in shared memory costs a file descriptor on both sides, and of boxes
# and labels there are two an image; a process may have no more than 1024
SMALL = 1 << 16

GROUP_S = 0.5  # between the first and the last process of a group that is told to end

_DEATH = re.compile(
    r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\)(?:.*killed by signal: ([\w ]+))?"
)
_CAUSES = {
    "Killed": "the machine or its container ran out of memory, most likely: lower "
    "device.workers_per_gpu (0 loads in the training's own process) or device.batchsize_per_gpu",
    "Bus error": f"{SHARED_MEMORY} is full, most likely: enlarge it (docker run --shm-size=2g), or "
    "set device.workers_per_gpu: 0",
    "Segmentation fault": "a decoder crashed on an image, most likely: look for a damaged one, or "
    "update OpenCV",
}


def shared_memory_suffices(
    batch_bytes: int, workers: int, processes: int = 1
) -> tuple[bool, float, float]:
    """Compare the batches under way with what the system's shared memory has left.

    Args:
        batch_bytes: of the largest batch.
        workers: processes that load, for each of those that train.
        processes: that train on this machine.

    Returns:
        (whether they fit, bytes needed, bytes free); True where the system has no such limit.
    """
    # those in use and those on their way come on top of those that are ready
    needed = processes * (PREFETCH * workers + 2) * batch_bytes
    if workers == 0 or not SHARED_MEMORY.is_dir():
        return True, 0, math.inf
    free = shutil.disk_usage(SHARED_MEMORY).free
    return needed <= free, needed, free


def start_worker(_: int, shared_memory: bool) -> None:
    """Prepare a process that loads; ``worker_init_fn`` of torch's loader.

    Args:
        shared_memory: whether large tensors travel through it, or through the pipe as well.
    """
    cv2.setNumThreads(0)  # the workers share the processors already
    limit = SMALL if shared_memory else math.inf
    ForkingPickler.register(torch.Tensor, functools.partial(_reduce, limit))


def _reduce(
    limit: float, tensor: torch.Tensor
) -> tuple[Callable[..., torch.Tensor], tuple[Any, ...]]:
    if tensor.nbytes > limit:
        try:
            return reduce_tensor(tensor.share_memory_())
        except RuntimeError:
            pass  # another program has filled the shared memory
    return torch.from_numpy, (tensor.numpy(),)


class Deaths:
    """Lets torch tell of the end of a process that loads only while this one waits for its batches.

    Torch raises in a signal handler, wherever the program just is: in a line of the interpreter's
    own that prints the exception and goes on, or while something cleans up.
    """

    _waiting, _tell = False, None

    @classmethod
    @contextlib.contextmanager
    def starting(cls) -> Iterator[None]:
        """Keep torch from telling while it starts such processes in the block."""
        main = threading.current_thread() is threading.main_thread()
        if not main or not hasattr(signal, "pthread_sigmask"):
            yield  # torch and Python set handlers in the main thread only, and none on Windows
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        try:
            yield
        finally:
            handler = signal.getsignal(signal.SIGCHLD)
            if handler != cls._noticed and callable(handler):
                cls._tell = handler
                signal.signal(signal.SIGCHLD, cls._noticed)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @classmethod
    def wait(cls, batches: Iterator[Any]) -> Any:
        """Return ``next(batches)`` of torch's iterator over processes.

        Raises:
            RuntimeError: one of them has ended; see `death_of_worker`.
        """
        cls._waiting = True
        try:
            cls._noticed()  # what came before
            return next(batches)
        except RuntimeError as error:
            cls._waiting = False
            if "killed by signal: Terminated" in str(error):
                time.sleep(GROUP_S)  # whoever ends this process too will interrupt it here
            raise
        finally:
            cls._waiting = False

    @classmethod
    def _noticed(cls, *_: object) -> None:
        if cls._waiting and cls._tell is not None:
            cls._tell(signal.SIGCHLD, None)


def death_of_worker(error: BaseException) -> str | None:
    """Return a line on the process whose end torch reports as ``error``, None for other errors."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    deaths = [match for one in chain if (match := _DEATH.search(str(one)))]
    if not isinstance(error, RuntimeError) or not deaths:
        return None
    # the one that names the signal, if any does
    pid, by = next((death.groups() for death in deaths if death[2]), deaths[0].groups())
    how = "ended by itself" if by is None else f"was ended by the system ({by.strip()})"
    why = _CAUSES.get((by or "").strip(), "device.workers_per_gpu: 0 does without such processes")
    return f"a process that loads images (pid {pid.strip()}) {how}: {why}"
