"""`profile`: where the time of a training step goes, and what would make it shorter."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from nanodet.config.schema import Config
from nanodet.cores import core_count
from nanodet.train.cpu import denormals_flushed, keep_memory
from nanodet.train.device import trainer_devices
from nanodet.train.loaders import Loaders
from nanodet.train.module import TrainingModule
from nanodet.train.precision import BRAIN, FASTER, FULL, bf16_speed, cpu_has_bf16
from nanodet.train.preflight import check_shared_memory, worker_count
from nanodet.train.sets import read_both_sets
from nanodet.train.setup import lightning_trainer, training_module

LOADER, OTHER, TEACHER = "loader", "other", "teacher"
STAGES = (LOADER, "forward", "assignment", "losses", "backward", "optimiser", "EMA", OTHER)
# a training with ``distill`` also has this one, which is measured like the others
WITH_TEACHER = (*STAGES[:2], TEACHER, *STAGES[2:])
WARM_UP = 3  # steps before the first that counts
LARGE = 0.1  # a share of a step that is worth a remark


@dataclass(frozen=True)
class Profile:
    """The stages of the steps of a training.

    Attributes:
        seconds: of each of `STAGES` or `WITH_TEACHER`, in their order, per step; ``other`` is what
            Lightning does between them.
        images: per step.
        device, precision: Lightning's names; size: (width, height) of the network's input.
        threads: of torch.
        cpu_seconds: of this process, per step.
        advice: lines.
    """

    seconds: dict[str, float]
    images: float
    device: str
    precision: str
    size: tuple[int, int]
    threads: int
    cpu_seconds: float
    advice: tuple[str, ...] = ()

    @property
    def step(self) -> float:
        """Seconds per step."""
        return sum(self.seconds.values())

    def share(self, *stages: str) -> float:
        """Return the share of stages in a step, 0..1."""
        return sum(self.seconds[stage] for stage in stages) / self.step

    @property
    def lines(self) -> list[str]:
        """The report."""
        rows = [
            f"{stage:<12}{1e3 * self.seconds[stage]:10.1f} ms{100 * self.share(stage):8.1f} %"
            for stage in self.seconds
        ]
        learned = 100 * self.share("assignment", "losses")
        return [
            *rows,
            f"{'step':<12}{1e3 * self.step:10.1f} ms   (CPU time {1e3 * self.cpu_seconds:.1f} ms); "
            f"assignment + losses {learned:.1f} %",
            f"{self.images / self.step:.1f} images per second ({self.images:g} a step, "
            f"{self.size[0]} x {self.size[1]}, {self.device}, {self.threads} threads, {self.precision})",
            *(f"advice: {line}" for line in self.advice),
        ]


class Stopwatch(Callback):
    """Measures the stages of each step after the first `WARM_UP`.

    A stage that calls others does not count their time. On a GPU each stage ends when the device is done:
    what a training overlaps is measured one after the other.
    """

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.images: list[int] = []
        self.cpu: list[float] = []
        self._running = [LOADER]
        self._now: dict[str, float] = {}
        self._since = self._cpu_since = 0.0
        self._images = 0
        self._device = torch.device("cpu")

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the block as that of a stage."""
        self._enter(name)
        try:
            yield
        finally:
            self._enter(None)

    def _enter(self, name: str | None) -> None:
        """Begin a stage, or end the running one if there is no name."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now, running = time.perf_counter(), self._running[-1]
        self._now[running] = self._now.get(running, 0.0) + now - self._since
        self._since = now
        if name is None:
            self._running.pop()
        else:
            self._running.append(name)

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        module.stage, self._device = self.stage, module.device
        self._begin()

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, *_: Any) -> None:
        self._enter(None)  # of the loader
        self._enter(OTHER)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self._enter(None)
        self._images += len(batch)
        if trainer.global_step == len(self.steps):  # its gradients wait for those of the next batch
            self._enter(LOADER)
            return
        self.steps.append(self._now)
        self.images.append(self._images)
        self.cpu.append(time.process_time() - self._cpu_since)
        self._begin()

    def _begin(self) -> None:
        self._now, self._running, self._images = {}, [OTHER, LOADER], 0
        self._since, self._cpu_since = time.perf_counter(), time.process_time()


@denormals_flushed()  # as a training
def profile(config: Config, file: str, steps: int, say: Any) -> Profile:
    """Train a few steps as ``nanodet train`` does, on one device, and measure them; nothing is written.

    Args:
        config: a `Config`.
        file: names the config in messages.
        steps: optimiser steps that are measured, after `WARM_UP` others.
        say: gets lines for the user.

    Raises:
        NanodetError: bad config or data.
    """
    keep_memory()
    devices, lines = trainer_devices(config.device, file)
    for line in lines:
        say(line)
    chosen = devices["devices"]
    devices |= {
        "devices": chosen[:1] if isinstance(chosen, list) else 1, "num_nodes": 1, "strategy": "auto",
    }  # fmt: skip
    sets = read_both_sets(config, file, say)
    # as if resumed: steps take as long with any weights, and nothing is fetched or imported for them
    module = training_module(config, sets, devices, True, file, say)
    watch = Stopwatch()
    trainer = lightning_trainer(
        config,
        file,
        **devices,
        max_epochs=-1,
        max_steps=WARM_UP + steps,
        limit_val_batches=0,
        logger=False,
        callbacks=[watch],
        enable_progress_bar=False,
    )
    shared_memory = check_shared_memory(config, 1, say)
    trainer.fit(module, datamodule=Loaders(config, *sets, config.seed or 0, shared_memory))
    return _summary(config, module, watch, devices, len(sets[0].pictures))


def _summary(
    config: Config,
    module: TrainingModule,
    watch: Stopwatch,
    devices: dict[str, Any],
    images: int,
) -> Profile:
    steps = watch.steps[WARM_UP:]
    stages = STAGES if config.distill is None else WITH_TEACHER
    seconds = {s: sum(step.get(s, 0.0) for step in steps) / len(steps) for s in stages}
    width, height = config.data.train.input_size
    found = Profile(
        seconds,
        sum(watch.images[WARM_UP:]) / len(steps),
        devices["accelerator"],
        devices["precision"],
        (width, height),
        torch.get_num_threads(),
        sum(watch.cpu[WARM_UP:]) / len(steps),
    )
    speed = None
    chosen = config.device.precision == "auto"  # which has measured it
    if found.device == "cpu" and not chosen and (found.precision == BRAIN or cpu_has_bf16()):
        speed = bf16_speed(module.model, config)
    return Profile(**{**vars(found), "advice": tuple(advise(found, config, speed, images))})


def advise(found: Profile, config: Config, bf16: float | None, images: int) -> Iterator[str]:
    """Yield what would make the steps of a profile shorter.

    Args:
        found: the profile.
        config: of the training.
        bf16: how many times as fast as in 32 bits the CPU trains in bf16-mixed; None if not measured.
        images: in the training set, which bound a batch.
    """
    share, workers, cores = found.share(LOADER), worker_count(config), core_count()
    train = config.data.train
    if share > LARGE:
        remedies = []
        if workers < cores:
            remedies.append(f"more device.workers_per_gpu ({workers} now, {cores} cores)")
        if not train.cache:
            remedies.append("data.train.cache: true, if the images fit into memory")
        remedies.append("smaller image files")
        yield f"the loader takes {100 * share:.0f} % of a step: {', '.join(remedies)}"
    if bf16 is not None and found.precision == BRAIN and bf16 < 1:
        yield (
            f"device.precision: bf16-mixed has {bf16:.2f} of the speed of 32 on this CPU: use 32 or auto"
        )
    if bf16 is not None and found.precision == FULL and bf16 > FASTER:
        yield f"device.precision: bf16-mixed is {bf16:.2f} times as fast as 32 on this CPU: use it, or auto"
    if found.device == "cuda" and found.precision == FULL:
        yield "device.precision: auto uses the half precision that the GPU has units for"
    share = found.share("assignment", "losses")
    if share > LARGE:
        yield (
            f"assignment and losses take {100 * share:.0f} % of a step: they grow with the boxes of an "
            f"image and with model.arch.head.num_classes ({config.model.arch.head.num_classes})"
        )
    share = found.share("optimiser", "EMA")
    if share > LARGE and images > config.device.batchsize_per_gpu:
        yield (
            f"optimiser and EMA take {100 * share:.0f} % of a step, whatever the batch: a larger "
            f"device.batchsize_per_gpu ({config.device.batchsize_per_gpu} now)"
        )
