"""Resuming a run: its checkpoint and the config must agree."""

import os
from typing import NamedTuple

from pytorch_lightning.callbacks import Callback

from nanodet.config import dotted_keys
from nanodet.config.follow import take_classes
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.export.trainable import checkpoint_of
from nanodet.files import StrPath
from nanodet.files.files import sha256
from nanodet.model.checkpoint import KEY, read_checkpoint
from nanodet.text.brief import brief
from nanodet.text.names import levelled, shortened
from nanodet.train.divergence import not_finite, optimizer_tensors

# what a checkpoint's weights, averages and optimiser state depend on
_FIXED = ("seed", "class_names", "model", "schedule.optimizer", "distill")
_FREE = (
    "distill.teacher", "distill.config",  # which may have been moved
    *(f"model.arch.backbone.{key}" for key in ("pretrain", "pretrained", "checkpoint_path")),
)  # fmt: skip


class Earlier(NamedTuple):
    """What a run has done so far.

    Attributes:
        epochs: number of finished ones.
        precision: in which it trained, Lightning's name; None if it is not known.
    """

    epochs: int
    precision: str | None


def check_same_run(path: StrPath, config: Config, file: str) -> Earlier:
    """Check a checkpoint against the config, and fill in seed and classes if that has none.

    Args:
        path: the checkpoint to resume from.
        config: the `Config` to resume with.
        file: names it in messages.

    Returns:
        what the run has done.

    Raises:
        NanodetError: it holds weights only, or a setting differs that cannot change within a run.
    """
    checkpoint = read_checkpoint(path)
    theirs = checkpoint.config
    if theirs is None or not all(checkpoint.raw.get(key) for key in ("loops", "optimizer_states")):
        raise NanodetError(
            f"{file}: schedule.resume: {path} holds weights only; give it as schedule.load_model"
        )
    bad = not_finite(checkpoint.raw["state_dict"])
    try:
        for state in checkpoint.raw["optimizer_states"]:
            bad += not_finite(optimizer_tensors(state["state"]))
    except (TypeError, LookupError, AttributeError) as error:  # of another form
        raise cannot_resume(path, error) from None
    if bad:
        raise NanodetError(
            f"{file}: schedule.resume: {path}: {bad[0]} holds values that are not finite numbers "
            f"({len(bad)} such tensors): resume the run's other checkpoint, or start a new run"
        )
    if config.seed is None:
        config.seed = theirs.seed
    take_classes(config, theirs.class_names)
    if config.model.arch.head.num_classes is None:
        config.model.arch.head.num_classes = theirs.model.arch.head.num_classes
    _check_classes(path, config, theirs, file)
    mine, given = dotted_keys(config), dotted_keys(theirs)
    for key in sorted(mine.keys() | given.keys()):
        fixed = any(key == name or key.startswith(f"{name}.") for name in _FIXED)
        if fixed and key not in _FREE and mine.get(key) != given.get(key):
            raise NanodetError(
                f"{file}: {key}: is {brief(mine.get(key))}, but the run to resume has "
                f"{brief(given.get(key))} ({path}): use that to resume, or start a new run with "
                f"schedule.load_model to change it"
            )
    _check_teacher(path, config, checkpoint.raw[KEY].get("teacher"), file)
    finished = checkpoint.epoch or 0
    if finished > config.schedule.total_epochs:
        raise NanodetError(
            f"{file}: schedule.total_epochs: is {config.schedule.total_epochs}, but {path} has "
            f"{finished} epochs done"
        )
    precision = checkpoint.raw[KEY].get("precision")
    return Earlier(finished, precision if isinstance(precision, str) else None)


class Restored(Callback):
    """Notes whether a batch was trained on: an earlier failure is the resumed checkpoint's fault.

    Attributes:
        done: whether one was; true from the start if no run is resumed.
    """

    def __init__(self, resume: StrPath | None) -> None:
        self.done = resume is None

    def on_train_batch_end(self, *_: object) -> None:
        self.done = True


def cannot_resume(path: StrPath, error: Exception) -> NanodetError:
    """Return the `NanodetError` for an error that occurred while a run's state was restored."""
    lines = str(error).strip().splitlines() or [""]
    return NanodetError(
        f"{path}: the run cannot be resumed from it ({type(error).__name__}: {lines[0][:200]}): resume the "
        "run's other checkpoint, or start a new run with schedule.load_model"
    )


def _check_classes(path: StrPath, config: Config, theirs: Config, file: str) -> None:
    """Accept another spelling of the run's classes; raise `NanodetError` for another order."""
    mine, run = ([levelled(name) for name in one.class_names or ()] for one in (config, theirs))
    if mine == run:
        theirs.class_names = config.class_names
    elif sorted(mine) == sorted(run):
        raise NanodetError(
            f"{file}: class_names: is {shortened(config.class_names or ())}, but the run to resume has these "
            f"in another order, {shortened(theirs.class_names or ())} ({path}): use that, or start a new "
            "run with schedule.load_model, which takes them by name"
        )


def _check_teacher(path: StrPath, config: Config, known: object, file: str) -> None:
    """Raise `NanodetError` if the teacher is another than the run's; its file may have been moved."""
    if config.distill is None or not isinstance(known, str):
        return
    name = config.distill.teacher
    found = checkpoint_of(name)
    if os.path.isfile(found) and sha256(found) != known:
        raise NanodetError(
            f"{file}: distill.teacher: {name} is another teacher than that of the run to resume ({path}), "
            f"whose SHA-256 begins with {known[:12]}: use that, or start a new run"
        )
