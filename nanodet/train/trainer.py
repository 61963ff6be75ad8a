"""`train`: a config in, a run folder out."""

import contextlib
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.utilities.exceptions import SIGTERMException
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from nanodet.config.effects import remarks
from nanodet.config.schema import Config
from nanodet.data.records import Annotations
from nanodet.data.workers import death_of_worker
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import Metrics, has_objects
from nanodet.evaluate.run import evaluate_model, evaluation_detector, format_table
from nanodet.files.files import make_folder
from nanodet.stopping import Stopped
from nanodet.text import Say
from nanodet.text.printable import say
from nanodet.train.checkpoints import AtomicCheckpointIO, Checkpoints, save_metric
from nanodet.train.cpu import denormals_flushed, keep_memory
from nanodet.train.device import trainer_devices
from nanodet.train.divergence import Divergence
from nanodet.train.event_log import disk_errors_of_threads
from nanodet.train.loaders import Loaders
from nanodet.train.loggers import build_loggers, start_loggers
from nanodet.train.metrics_csv import MetricsCsv
from nanodet.train.module import TrainingModule
from nanodet.train.outputs import BEST, LAST
from nanodet.train.preflight import check_packages, check_run
from nanodet.train.progress import EpochBar, EpochLines
from nanodet.train.report import write_report
from nanodet.train.resume import Restored, cannot_resume, check_same_run
from nanodet.train.run_folder import RunFolder, find_resume, own_folder
from nanodet.train.samples import TrainingSamples
from nanodet.train.sets import read_both_sets
from nanodet.train.setup import lightning_trainer, training_module


@denormals_flushed()  # around all of it: the first tensor starts torch's threads
def train(
    config: Config,
    file: str = "config",
    say: Say = say,
    callbacks: Iterable[Callback] = (),
    resume: str = "schedule.resume=true",
) -> Metrics | None:
    """Train as the config says and fill the run folder ``config.save_dir``.

    Args:
        config: a `Config`; its class names are filled in from the data if it has none.
        file: names the config in messages.
        say: gets lines for the user; only the first process of several calls it.
        callbacks: further Lightning callbacks.
        resume: the option that resumes this training, for the message when it is stopped.

    Returns:
        the `Metrics` of the best checkpoint, or ``None`` when nothing was validated.

    Raises:
        NanodetError: bad config, data or checkpoint.
    """
    first = getattr(rank_zero_only, "rank", 0) == 0
    with own_folder(config.save_dir, say) if first else contextlib.nullcontext():
        return _train(config, file, say if first else (lambda line: None), callbacks, resume)


def _train(
    config: Config,
    file: str,
    say: Say,
    callbacks: Iterable[Callback],
    how_to_resume: str,
) -> Metrics | None:
    keep_memory()
    check_packages(config, file)
    metric = save_metric(config.evaluator)
    devices, lines = trainer_devices(config.device, file)
    for line in (*remarks(config), *lines):
        say(line)
    resume = find_resume(config, file, say)
    earlier = None if resume is None else check_same_run(resume, config, file)
    if earlier is not None:
        unused = ", without schedule.load_model" if config.schedule.load_model else ""
        say(f"resuming {resume} after {earlier.epochs} epochs{unused}")
    seed = config.seed or 0
    training_set, validation_set = read_both_sets(config, file, say)
    measured = has_objects(validation_set, metric)
    if not measured:
        say(
            f"warning: data.val: has no objects that count for evaluator.save_key "
            f"{config.evaluator.save_key}: nothing is measured, and no checkpoint is called best"
        )
    sets = training_set, validation_set
    module = training_module(
        config, sets, devices, earlier is not None, file, say, earlier and earlier.precision
    )
    folder = Path(config.save_dir)
    restored, loggers = Restored(resume), build_loggers(config, folder)
    trainer = lightning_trainer(
        config,
        file,
        **devices,
        default_root_dir=folder,
        max_epochs=config.schedule.total_epochs,
        check_val_every_n_epoch=sys.maxsize,  # Checkpoints validates
        logger=loggers,
        plugins=[AtomicCheckpointIO()],
        callbacks=[
            restored,
            RunFolder(folder, config, resume is not None, say),
            *_callbacks(config, folder, metric, training_set, measured=measured, say=say),
            *callbacks,
        ],
        enable_progress_bar=sys.stdout.isatty(),
    )
    shared_memory = check_run(
        config,
        module,
        sets,
        processes=trainer.world_size,
        resume=resume,
        file=file,
        say=say,
    )
    make_folder(folder)
    if trainer.is_global_zero:
        start_loggers(loggers, config, file)
    counts = len(training_set.pictures), len(validation_set.pictures)
    say(f"training in {folder}: {counts[0]} images, {counts[1]} to validate")
    loaders = Loaders(config, *sets, seed, shared_memory)
    _fit(trainer, module, loaders, resume=resume, restored=restored, how_to_resume=how_to_resume)
    if not trainer.is_global_zero:
        return None
    if not measured:
        say(f"last checkpoint: {folder / LAST} (not measured: data.val has no objects that count)")
        return None
    return _finish(folder, config, validation_set, say)


def _fit(
    trainer: pl.Trainer,
    module: TrainingModule,
    loaders: Loaders,
    resume: Path | None,
    restored: Restored,
    how_to_resume: str,
) -> None:
    try:
        with disk_errors_of_threads():
            trainer.fit(module, datamodule=loaders, ckpt_path=resume, weights_only=True)
    except (KeyboardInterrupt, SystemExit, SIGTERMException) as error:
        # Lightning exits after Ctrl-C, and a batch after SIGTERM if the program has no handler for it
        stop = error.__context__ if isinstance(error, SystemExit) else error
        if isinstance(stop, SIGTERMException):
            stop = Stopped(signal.SIGTERM)
        if not isinstance(stop, KeyboardInterrupt):
            raise
        how = str(stop) or "stopped"  # Python's own has no text
        stop.args = (
            f"{how} in epoch {trainer.current_epoch + 1}{_resume_hint(trainer, how_to_resume)}",
        )
        raise stop from None
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        line = death_of_worker(error)
        if line is None and resume is not None and not restored.done:
            raise cannot_resume(resume, error) from None
        if line is None:
            raise
        raise NanodetError(f"{line}{_resume_hint(trainer, how_to_resume)}") from None


def _resume_hint(trainer: pl.Trainer, how_to_resume: str) -> str:
    return (
        f"; {how_to_resume} resumes it" if (Path(trainer.default_root_dir) / LAST).is_file() else ""
    )


def _callbacks(
    config: Config,
    folder: Path,
    metric: str,
    training_set: Annotations,
    measured: bool,
    say: Say,
) -> list[Callback]:
    callbacks = [
        Divergence(folder, config.log.interval, training_set.pictures),
        MetricsCsv(folder, config.log.interval, say),
        TrainingSamples(folder, training_set.class_names),
        Checkpoints(folder, metric, config.schedule.total_epochs, config.schedule.val_intervals),
        EpochBar() if sys.stdout.isatty() else EpochLines(say),
    ]
    if config.schedule.early_stopping and measured:
        patience = config.schedule.early_stopping.patience
        callbacks.append(
            EarlyStopping(
                f"val/{metric}", mode="max", patience=patience, check_on_train_epoch_end=False
            )
        )
    return callbacks


def _finish(folder: Path, config: Config, validation_set: Annotations, say: Say) -> Metrics | None:
    best = folder / BEST
    if not best.is_file():
        say(
            f"{folder}: no validation ran (schedule.val_intervals is {config.schedule.val_intervals})"
        )
        return None
    detector = evaluation_detector(best, config.evaluator)
    metrics, detections = evaluate_model(detector, validation_set)
    write_report(folder, validation_set, detections, metrics)
    for line in format_table(metrics, validation_set.class_names).split("\n"):
        say(line)
    say(f"best checkpoint: {best}")
    if not metrics.AP:
        say(
            "warning: AP is 0: nothing was found; too few steps, or a learning rate too low or too high?"
        )
    return metrics
