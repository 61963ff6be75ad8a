"""The settings that depend on the machine: batch, processes that read images, images kept in memory."""

from collections.abc import Sequence
from typing import NamedTuple

from nanodet.cores import core_count
from nanodet.data.cache import free_memory
from nanodet.data.records import Picture
from nanodet.init.recipe import (
    BATCH_CPU,
    BATCH_GPU,
    CACHE_SHARE,
    LEAST_OBJECTS,
    LEAST_STEPS,
    TRAINING_BYTES,
)
from nanodet.runtime.fit import Size
from nanodet.text.counted import counted


class Machine(NamedTuple):
    """What a training can use.

    Attributes:
        gpu: bytes of free memory of the first GPU, 0 without a GPU.
        cores: of the CPU that this process may use.
        memory: bytes of free memory.
        gpus: how many GPUs there are.
    """

    gpu: int
    cores: int
    memory: int
    gpus: int = 0


class Settings(NamedTuple):
    """Settings for a machine; each with the comment that says why. No ``gpu_ids``: what there is."""

    batch: tuple[int, str]
    workers: tuple[int, str]
    cache: tuple[bool, str]
    gpu_ids: tuple[list[int] | None, str] = (None, "")


def this_machine() -> Machine:
    """Return the `Machine` that this process runs on."""
    import torch  # takes seconds

    gpus = torch.cuda.device_count()
    gpu = torch.cuda.mem_get_info(0)[0] if gpus else 0
    return Machine(gpu, core_count(), free_memory(), gpus)


def settings_for(machine: Machine, pictures: Sequence[Picture], size: Size) -> Settings:
    """Return the `Settings` to train on ``pictures`` with an input of (width, height) ``size``."""
    batch, why = (BATCH_GPU, "on a GPU") if machine.gpu else (BATCH_CPU, "on the CPU")
    objects = sum(len(p.boxes) for p in pictures) / max(len(pictures), 1)
    if not machine.gpu and batch * objects < LEAST_OBJECTS:
        batch, why = 2 * batch, f"on the CPU, with {objects:.1f} boxes an image"
    room = (machine.gpu or machine.memory) / 2
    if batch * TRAINING_BYTES * size[0] * size[1] > room:
        why += f" with {room * 2 / 1e9:.1f} GB of free memory"
        while batch > 2 and batch * TRAINING_BYTES * size[0] * size[1] > room:
            batch //= 2
    if len(pictures) < LEAST_STEPS * batch:
        why = f"for {LEAST_STEPS} or more batches of {len(pictures)} images"
        while batch > 2 and len(pictures) < LEAST_STEPS * batch:
            batch //= 2
    # on a CPU the network needs the cores; augmentation takes a tenth of its time
    workers = min(4, machine.cores - 1) if machine.gpu else min(2, machine.cores // 4)
    cores = f"{counted(machine.cores, 'core')}{', a GPU' if machine.gpu else ''}"
    needed = sum(3 * p.width * p.height for p in pictures)
    amounts = (
        f"{needed / 1e6:.0f} MB of decoded images, {machine.memory / 1e9:.1f} GB of memory are free"
    )
    one = ([0], f"one of {machine.gpus} GPUs, on which batch and lr are for it alone")
    return Settings(
        (batch, why), (workers, cores), (needed < CACHE_SHARE * machine.memory, amounts),
        one if machine.gpus > 1 else (None, ""),
    )  # fmt: skip
