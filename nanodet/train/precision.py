"""Chooses the precision of a training: ``device.precision: auto``."""

import copy
import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanodet.config.schema import Config
from nanodet.text import Say

FULL, HALF, BRAIN = "32-true", "16-mixed", "bf16-mixed"  # Lightning's names
FASTER = 1.05  # a precision of fewer bits must be faster by more than times vary
# of the comparison: its turns, the images of its batches, and the seconds after which no turn begins
TURNS, MOST_IMAGES, LONGEST = 3, 16, 20.0
_CPU = Path("/proc/cpuinfo")


def cpu_has_bf16() -> bool:
    """Return whether the CPU has bfloat16 instructions (AVX-512, AMX or ARM); False if unknown."""
    if _CPU.is_file():
        text = _CPU.read_text(encoding="utf-8", errors="replace")
        return bool(re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", text))
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 and later
    return any(name.endswith("bf16") and has for name, has in known.items())


def gpu_precision() -> str:
    """Return the mixed precision that a CUDA GPU has units for, or `FULL`."""
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return BRAIN
    return HALF if torch.cuda.get_device_capability() >= (7, 0) else FULL


def choose_precision(
    config: Config, network: Any, devices: Mapping[str, Any], say: Say, before: str | None = None
) -> str:
    """Return Lightning's name of the precision that a config asks for.

    ``auto`` is what a GPU has units for. On a CPU that has bfloat16 instructions it is measured whether
    they make this network faster; it is 32 on others, and where several processes must agree. A resumed
    run keeps what it began with, so that it ends as it would have without the interruption.

    Args:
        config: its ``device.precision``, batch and input size.
        network: the detector, which is not changed.
        devices: see `nanodet.train.device.trainer_devices`.
        say: gets one line about the choice, or about one that is slow.
        before: of the run that is resumed, None for a new one or if it is not known.
    """
    wanted, accelerator = devices["precision"], devices["accelerator"]
    if wanted != "auto":
        if wanted == BRAIN and accelerator == "cpu" and not cpu_has_bf16():
            say(
                f"warning: device.precision: {config.device.precision}: slower than 32 here, because the "
                f"CPU ({platform.machine()}) has no bfloat16 instructions: auto chooses the faster one"
            )
        return wanted
    if before in (FULL, BRAIN) or (before == HALF and accelerator == "cuda"):
        chosen, why = before, "as the run began"
    elif accelerator == "cuda":
        chosen, why = gpu_precision(), torch.cuda.get_device_name()
    elif accelerator != "cpu":
        chosen, why = FULL, accelerator
    elif not cpu_has_bf16():
        chosen, why = FULL, "the CPU has no bfloat16 instructions"
    elif devices["num_nodes"] * devices["devices"] > 1:  # a number, on the CPU
        chosen, why = FULL, "several processes on CPUs"
    else:
        ratio = bf16_speed(network, config)
        chosen, why = (
            (BRAIN if ratio > FASTER else FULL),
            f"bf16-mixed has {ratio:.2f} of its speed",
        )
        if chosen == BRAIN:
            why = f"{ratio:.2f} times as fast as 32"
    say(f"device.precision: auto: {chosen.removesuffix('-true')} ({why})")
    return chosen


def bf16_speed(network: Any, config: Config) -> float:
    """Return how many times as fast as in 32 bits a network trains in bf16-mixed on this CPU.

    Forward and backward of a few batches of the training's size, in turn; neither the network nor the
    state of the random numbers changes.
    """
    width, height = config.data.train.input_size
    count = min(config.device.batchsize_per_gpu, MOST_IMAGES)
    with torch.random.fork_rng(devices=[]):
        trial = copy.deepcopy(network).train().to(memory_format=torch.channels_last)
        images = torch.rand(count, 3, height, width).to(memory_format=torch.channels_last)
        seconds: dict[bool, list[float]] = {False: [], True: []}
        begun = time.perf_counter()
        for turn in range(1 + TURNS):  # the first prepares the kernels
            for half, times in seconds.items():
                taken = _step(trial, images, half)
                if turn:
                    times.append(taken)
            if turn and time.perf_counter() - begun > LONGEST:
                break
    return min(seconds[False]) / min(seconds[True])


def _step(network: Any, images: Tensor, half: bool) -> float:
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = network.training_outputs(images, 0)
    torch.stack([rows.float().mean() for rows in outputs.values()]).sum().backward()
    network.zero_grad()
    return time.perf_counter() - start
