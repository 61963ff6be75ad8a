"""The processes that load images: how they pass batches on, and the message if one dies."""

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

GROUP_S = 0.5  # between the ends of the first and the last process of a group that is terminated

_DEATH = re.compile(
    r"DataLoader worker \(pid\(?s?\)? ?([\d, ]+)\)(?:.*killed by signal: ([\w ]+))?"
)
_CAUSES = {
    "Killed": "the machine or its container ran out of memory, most likely: lower "
    "device.workers_per_gpu (0 loads in the training process) or device.batchsize_per_gpu",
    "Bus error": f"{SHARED_MEMORY} is full, most likely: enlarge it (docker run --shm-size=2g), or "
    "set device.workers_per_gpu: 0",
    "Segmentation fault": "a decoder crashed on an image, most likely: look for a damaged one, or "
    "update OpenCV",
}


def shared_memory_suffices(
    batch_bytes: int, workers: int, processes: int = 1
) -> tuple[bool, float, float]:
    """Compare the size of the batches in flight with the free shared memory of the system.

    Args:
        batch_bytes: of the largest batch.
        workers: loading processes per training process.
        processes: training processes on this machine.

    Returns:
        (whether they fit, bytes needed, bytes free); True if the system has no such limit.
    """
    # batches in use and in transfer are added to those that are ready
    needed = processes * (PREFETCH * workers + 2) * batch_bytes
    if workers == 0 or not SHARED_MEMORY.is_dir():
        return True, 0, math.inf
    free = shutil.disk_usage(SHARED_MEMORY).free
    return needed <= free, needed, free


def start_worker(_: int, shared_memory: bool) -> None:
    """Prepare a loading process; ``worker_init_fn`` of torch's loader.

    Args:
        shared_memory: whether large tensors are passed through it, or through the pipe, too.
    """
    cv2.setNumThreads(0)  # the workers already share the processors
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
    """Lets torch report the death of a loading process only while this one waits for its batches.

    Torch raises in a signal handler, wherever the program is at that time: in code of the interpreter
    that prints the exception and continues, or during cleanup.
    """

    _waiting, _tell = False, None

    @classmethod
    @contextlib.contextmanager
    def starting(cls) -> Iterator[None]:
        """Keep torch from reporting while it starts loading processes in the block."""
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
            RuntimeError: one of them has died; see `death_of_worker`.
        """
        cls._waiting = True
        try:
            cls._noticed()  # the previous handler
            return next(batches)
        except RuntimeError as error:
            cls._waiting = False
            if "killed by signal: Terminated" in str(error):
                time.sleep(GROUP_S)  # a signal to this process, too, interrupts it here
            raise
        finally:
            cls._waiting = False

    @classmethod
    def _noticed(cls, *_: object) -> None:
        if cls._waiting and cls._tell is not None:
            cls._tell(signal.SIGCHLD, None)


def death_of_worker(error: BaseException) -> str | None:
    """Return a line on the process whose death torch reports as ``error``, None for other errors."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    deaths = [match for one in chain if (match := _DEATH.search(str(one)))]
    if not isinstance(error, RuntimeError) or not deaths:
        return None
    # the one that names the signal, if any does
    pid, by = next((death.groups() for death in deaths if death[2]), deaths[0].groups())
    how = "ended unexpectedly" if by is None else f"was killed by the system ({by.strip()})"
    why = _CAUSES.get((by or "").strip(), "device.workers_per_gpu: 0 does without such processes")
    return f"a process that loads images (pid {pid.strip()}) {how}: {why}"
