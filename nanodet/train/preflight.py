"""Checks before the first step for what would otherwise fail during a training or at its end."""

import importlib
import math
import shutil
from collections.abc import Callable
from pathlib import Path

from nanodet.config.data_sections import Dataset
from nanodet.config.schema import Config
from nanodet.cores import core_count
from nanodet.data.records import Annotations
from nanodet.data.workers import SHARED_MEMORY, shared_memory_suffices
from nanodet.doctor.points import assigner_name
from nanodet.doctor.quick import check_learnable
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.files import StrPath
from nanodet.files.files import check_folder_writable
from nanodet.runtime.fit import ALIGNMENT, Size, nearest_aligned, place, round_up
from nanodet.text import Say
from nanodet.train.divergence import not_finite
from nanodet.train.metrics_csv import ROW_BYTES
from nanodet.train.module import TrainingModule
from nanodet.train.outputs import BEST, LAST, TENSORBOARD
from nanodet.train.run_folder import OUTPUTS

REPORT_BYTES = 20 << 20  # more than plots, tables and the sheet of images take
LARGE_VALUE = 25  # normalised values are usually below 3
# tensors that an optimiser keeps for every parameter
_STATES = {"SGD": 1, "Adam": 2, "AdamW": 2}


def check_packages(config: Config, file: str) -> None:
    """Raise `NanodetError` if a package is missing that a training needs only later."""
    check_pycocotools()
    wanted = {"matplotlib.figure": "training"}
    wanted |= {name: f"{file}: logger: {name}" for name in config.loggers if name != "csv"}
    for module, who in wanted.items():
        package = module.partition(".")[0]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise NanodetError(
                f"{who} needs {package} ({error}); install it with: pip install {package}"
            ) from None


def check_run(
    config: Config,
    module: TrainingModule,
    sets: tuple[Annotations, Annotations],
    processes: int,
    resume: StrPath | None,
    file: str,
    say: Say,
) -> bool:
    """Check everything that a run needs, and warn of what it will run into.

    Args:
        config: a `Config`.
        module: the `TrainingModule`, with the weights that it starts from.
        sets: the `Annotations` to train on and those to validate on.
        processes: number of processes that train together.
        resume: the checkpoint to resume from, or None.
        file: names the config in messages.
        say: gets lines for the user.

    Returns:
        whether the loader's processes can use shared memory.

    Raises:
        NanodetError: the run would fail; names the key and the remedy.
    """
    training_set, validation_set = sets
    if len(validation_set.pictures) < processes:
        raise NanodetError(
            f"{file}: data.val: has {len(validation_set.pictures)} images for {processes} "
            f"processes: name fewer device.gpu_ids, or validate on more images"
        )
    check_batch_norm(config, training_set, processes, file)
    bad = not_finite(module.model.state_dict()) if resume is None else []
    if bad:
        raise NanodetError(
            f"{file}: schedule.load_model: {config.schedule.load_model}: {bad[0]} holds values that "
            f"are not finite numbers ({len(bad)} such tensors): take an earlier or another checkpoint"
        )
    check_folder(Path(config.save_dir))
    check_space(config, module, len(training_set.pictures), processes, resume)
    warn_of_normalisation(config, say)
    warn_of_export(config, say)
    warn_of_warmup(config, len(training_set.pictures), processes, say)
    check_learnable(sets, config.data, module.objective, assigner_name(config.model.arch.head), say)
    return check_shared_memory(config, processes, say)


def check_folder(folder: Path) -> None:
    """Raise `NanodetError` unless everything that a run writes could be written into ``folder``."""
    for part in (folder, (folder / BEST).parent, folder / TENSORBOARD):
        check_folder_writable(part)
    for name in (*OUTPUTS, BEST):
        path = folder / name
        if path.is_dir() and path != (folder / BEST).parent:
            raise NanodetError(
                f"{path}: is a folder; a file of this name is to be written: rename it, or choose "
                f"another save_dir"
            )


def check_space(
    config: Config, module: TrainingModule, pictures: int, processes: int, resume: StrPath | None
) -> None:
    """Raise `NanodetError` unless the disk has room for what the run writes."""
    size = _checkpoint_bytes(config, module)
    folder = Path(config.save_dir)
    # the last and the best, and a new one until it replaces one of them
    files = 3 - sum((folder / name).is_file() for name in (LAST, BEST) if resume is not None)
    rows = _batches(config, pictures, processes) * config.schedule.total_epochs
    copies = 3  # metrics.csv, its next version, TensorBoard's events
    needed = files * size + rows / config.log.interval * copies * ROW_BYTES + REPORT_BYTES
    existing = next(f for f in (folder, *folder.absolute().parents) if f.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise NanodetError(
            f"{folder}: the run needs {needed / 1e6:.0f} MB (checkpoints of {size / 1e6:.0f} MB, "
            f"three at a time), but its disk has {free / 1e6:.0f} MB left: make room, or choose "
            f"another save_dir"
        )


def _checkpoint_bytes(config: Config, module: TrainingModule) -> int:
    weights = sum(tensor.nbytes for tensor in module.state_dict().values())
    learned = sum(p.nbytes for p in module.model.parameters() if p.requires_grad)
    optimizer = config.schedule.optimizer
    states = _STATES[optimizer.name] + bool(optimizer.amsgrad)
    return weights + states * learned


def check_batch_norm(config: Config, training_set: Annotations, processes: int, file: str) -> None:
    """Raise `NanodetError` if a batch norm may get a single value per channel."""
    pictures = -(-len(training_set.pictures) // processes)
    if min(config.device.batchsize_per_gpu, pictures) > 1 or config.schedule.freeze_norm:
        return  # a single image at an epoch's end is left out, see EpochSampler
    largest_stride = max(config.model.arch.head.strides)
    section = config.data.train
    size = _scaled(section, min)
    records = training_set.pictures if section.effective_fit == "own" else training_set.pictures[:1]
    for record in records:
        content = place(section.effective_fit, (record.width, record.height), size).content
        if max(round_up(content)) > largest_stride:
            continue
        scaled = f" times multi_scale {min(section.multi_scale):g}" if section.multi_scale else ""
        why = (
            f"device.batchsize_per_gpu: {config.device.batchsize_per_gpu}"
            if config.device.batchsize_per_gpu == 1
            else f"data.train: {len(training_set.pictures)} images for {processes} processes"
        )
        raise NanodetError(
            f"{file}: {why}: a batch of one image of {content[0]} x {content[1]} pixels "
            f"(data.train.input_size {list(section.input_size)}{scaled}) leaves one value per "
            f"channel in the deepest feature map, from which batch norm learns nothing: use batches "
            f"of 2 or more, sides over {largest_stride}, or schedule.freeze_norm: true"
        )


def _scaled(section: Dataset, choose: Callable[[list[float]], float]) -> Size:
    """Return the smallest (``min``) or largest (``max``) input size that training draws."""
    width, height = section.input_size
    if not section.multi_scale:
        return width, height
    factor = choose(section.multi_scale)
    return nearest_aligned(side * factor for side in section.input_size)


def warn_of_normalisation(config: Config, say: Say) -> None:
    """Warn if normalised images are far from mean 0 and deviation 1."""
    mean, std = config.data.train.pipeline.normalize
    largest = max(max(abs(0 - m), abs(255 - m)) / s for m, s in zip(mean, std, strict=True))
    if largest > LARGE_VALUE:
        say(
            f"warning: data.train.pipeline.normalize: turns images into values of up to {largest:.3g}: "
            f"mean and std are in grey levels of 0 to 255, not in 0 to 1"
        )


def warn_of_export(config: Config, say: Say) -> None:
    """Warn if the trained model can be exported only at another input size than its own."""
    size = config.data.val.input_size
    if all(side % ALIGNMENT == 0 for side in size):
        return
    near = list(nearest_aligned(size))
    say(
        f"warning: data.val.input_size: {list(size)}: a model cannot be exported at this size, only "
        f"at multiples of {ALIGNMENT}: set both input_size to {near}, or export with --size "
        f"{near[0]}x{near[1]}"
    )


def warn_of_warmup(config: Config, pictures: int, processes: int, say: Say) -> None:
    """Warn if a run is too short for its warm-up: it would end without having learned."""
    schedule = config.schedule
    batches = _batches(config, pictures, processes)
    steps = -(-batches // schedule.accumulate) * schedule.total_epochs
    if schedule.warmup.steps > steps / 2:
        say(
            f"warning: schedule.warmup.steps: the warm-up takes {schedule.warmup.steps} of the {steps} steps "
            f"of this run: set it to {max(steps // 6, 1)}, or train longer"
        )


def _batches(config: Config, pictures: int, processes: int) -> int:
    return math.ceil(pictures / (config.device.batchsize_per_gpu * processes))


def worker_count(config: Config) -> int:
    """Return how many processes load images for each process that trains."""
    # more processes than cores are no faster, and each needs memory
    return min(config.device.workers_per_gpu, core_count())


def check_shared_memory(config: Config, processes: int, say: Say) -> bool:
    """Return whether the loader's processes can use shared memory, and say so if they cannot."""
    width, height = round_up(_scaled(config.data.train, max))
    images = 3 * width * height * config.device.batchsize_per_gpu
    enough, needed, free = shared_memory_suffices(images, worker_count(config), processes)
    if not enough:
        say(
            f"{SHARED_MEMORY} has {free / 1e6:.0f} MB free, but batches in flight take up to "
            f"{needed / 1e6:.0f} MB: they are sent through pipes, a little slower (docker run "
            f"--shm-size={math.ceil(needed / 1e9)}g)"
        )
    return enough
