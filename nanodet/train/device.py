"""Chooses the devices to train on, from the config's ``device`` and what the machine has."""

import os
from typing import Any

import torch
from pytorch_lightning.strategies import StrategyRegistry

from nanodet.config.schema import PRECISIONS, Device
from nanodet.cores import core_count
from nanodet.errors import NanodetError

# one environment variable of each launcher for several machines; MASTER_ADDR is set by hand
_LAUNCHERS = ("MASTER_ADDR", "SLURM_JOB_ID", "LSB_JOBID", "OMPI_COMM_WORLD_SIZE")


def trainer_devices(section: Device, file: str = "config") -> tuple[dict[str, Any], list[str]]:
    """Return Lightning's ``accelerator``, ``devices``, ``num_nodes``, ``strategy``, ``precision``.

    Args:
        section: the config's ``device``. ``gpu_ids``: a list of CUDA devices, -1 for the CPU, or
            ``auto``. Under ``torchrun`` the number of processes comes from its environment.
        file: names the config in messages.

    Returns:
        keyword arguments for the Trainer, and lines for the user. A precision ``auto`` is still to be
        chosen, by `nanodet.train.precision.choose_precision`.
    """
    precision = PRECISIONS[str(section.precision)]
    check_strategy(section, file)
    accelerator, devices, lines = _accelerator(section, file)
    nodes, strategy = section.num_nodes, section.strategy
    if "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // local
        if section.num_nodes not in (1, nodes):
            raise NanodetError(
                f"{file}: device.num_nodes: is {section.num_nodes}, but torchrun starts {nodes}"
            )
        if not isinstance(devices, list) or len(devices) != local:
            if isinstance(devices, list):
                lines.append(
                    f"device.gpu_ids is {devices}, but torchrun starts {local} processes here"
                )
            devices = local
    elif nodes > 1 and not any(name in os.environ for name in _LAUNCHERS):
        raise NanodetError(
            f"{file}: device.num_nodes: is {nodes}, but nothing says where the other machines are: start "
            f"the command on each of them with torchrun --nnodes {nodes}, or leave this key out"
        )
    cores = core_count()
    if section.workers_per_gpu > cores:
        lines.append(
            f"device.workers_per_gpu: {cores} instead of {section.workers_per_gpu}, one per core"
        )
    count = len(devices) if isinstance(devices, list) else devices
    if strategy == "auto" and count * nodes > 1:
        strategy = "ddp"
    if precision == "16-mixed" and accelerator == "cpu":
        raise NanodetError(
            f"{file}: device.precision: 16-mixed needs a GPU; on the CPU use 32 or bf16-mixed"
        )
    arguments = {
        "accelerator": accelerator, "devices": devices, "num_nodes": nodes,
        "strategy": strategy, "precision": precision,
    }  # fmt: skip
    return arguments, lines


def check_strategy(section: Device, file: str) -> None:
    """Raise `NanodetError` for a ``device.strategy`` that Lightning does not know."""
    known = StrategyRegistry.available_strategies()
    if section.strategy != "auto" and section.strategy not in known:
        raise NanodetError(
            f"{file}: device.strategy: {section.strategy!r} is not known to Lightning; "
            f"known: auto, {', '.join(known)}"
        )


def _accelerator(section: Device, file: str) -> tuple[str, int | list[int], list[str]]:
    ids = section.gpu_ids
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    wants_cpu = section.accelerator == "cpu" or ids in (-1, [-1])
    if wants_cpu and section.accelerator in ("gpu", "cuda", "mps"):
        raise NanodetError(
            f"{file}: device.accelerator: {section.accelerator}, but device.gpu_ids -1 asks for the CPU"
        )
    if wants_cpu:
        defeated = ids not in (-1, [-1], "auto")
        return (
            "cpu",
            1,
            [f"device.gpu_ids is {ids}, but device.accelerator asks for the CPU"] * defeated,
        )
    if section.accelerator in ("gpu", "cuda") and not has_cuda:
        raise NanodetError(
            f"{file}: device.accelerator: {section.accelerator}: there is no CUDA GPU"
        )
    if section.accelerator == "mps" and not has_mps:
        raise NanodetError(f"{file}: device.accelerator: mps: there is no MPS device")
    if has_cuda and section.accelerator != "mps":
        if ids == "auto":
            return "cuda", torch.cuda.device_count(), []
        count = torch.cuda.device_count()
        chosen = [ids] if isinstance(ids, int) else [int(i) for i in ids]
        if not chosen or not all(0 <= i < count for i in chosen):
            raise NanodetError(
                f"{file}: device.gpu_ids: {chosen}: this machine has {count} GPUs, counted from 0"
            )
        return "cuda", chosen, []
    named = ids != "auto"
    if has_mps:
        return "mps", 1, [f"device.gpu_ids is {ids}, but MPS has one device: it is used"] * named
    line = f"device.gpu_ids is {ids}, but no GPU was found: training on the CPU"
    return "cpu", 1, [line] * named
