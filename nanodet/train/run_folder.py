"""The folder of a run, and its preparation before the training starts."""

import contextlib
import datetime
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from nanodet.config import save_config
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import make_folder, real_path
from nanodet.files.inputs import absence
from nanodet.files.locks import locked
from nanodet.files.temporary import remove_abandoned
from nanodet.text import Say
from nanodet.train.outputs import BEST, CONFIG, LAST, METRICS, SAMPLES
from nanodet.train.report import REPORT

_MOVING = ".earlier"  # where an earlier run is collected until all of it has been moved
# what a run writes: these files of an earlier run are moved aside, any other file is left alone
OUTPUTS = (CONFIG, METRICS, LAST, "model_best", SAMPLES, *REPORT)


def find_resume(config: Config, file: str, say: Say) -> Path | None:
    """Return the checkpoint that ``schedule.resume`` asks to resume from, or ``None``.

    True (or an empty ``resume:``, as in the original) resumes from the run folder's last checkpoint,
    and starts a new run if there is none yet. A path must lie in the run folder, because a run
    continues with its own metrics and its own best checkpoint.
    """
    resume, folder = config.schedule.resume, Path(config.save_dir)
    if not resume:
        return None
    if resume is True:
        if os.path.lexists(folder / LAST):
            return folder / LAST
        say(f"schedule.resume: {folder / LAST} does not exist: starting a new run")
        return None
    path = Path(resume)
    if not path.is_file():
        raise NanodetError(
            f"{file}: schedule.resume: {absence(path, 'there is no such checkpoint')}"
        )
    if real_path(path) not in (real_path(folder / LAST), real_path(folder / BEST)):
        raise NanodetError(
            f"{file}: schedule.resume: {path} does not belong to the run in save_dir {folder}; "
            f"set save_dir to its folder, or start a new run with schedule.load_model"
        )
    return path


class RunFolder(Callback):
    """Prepares the run folder once all processes have read what they need from it.

    Args:
        folder: the run folder.
        config: the config as run.
        resuming: whether a run is resumed in it.
        say: gets lines for the user.
    """

    def __init__(self, folder: StrPath, config: Config, resuming: bool, say: Say) -> None:
        self.folder, self.config, self.resuming, self.say = Path(folder), config, resuming, say

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        # after Lightning's first barrier: every process has its weights and annotations
        if not trainer.is_global_zero:
            return
        for folder in (self.folder, self.folder / "model_best"):
            if folder.is_dir():
                remove_abandoned(folder)
        if not self.resuming:
            moved = move_earlier_run(self.folder)
            if moved:
                self.say(
                    f"{self.folder} held an earlier run: moved to {moved} "
                    f"(schedule.resume=true would have resumed it)"
                )

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # not earlier: restoring a checkpoint may still fail
        if trainer.is_global_zero:
            save_config(self.config, self.folder / CONFIG)


def move_earlier_run(folder: Path) -> Path | None:
    """Move an earlier run's files into a new ``earlier-<date>`` and return that folder, or ``None``.

    If the process is killed meanwhile, a second call moves the rest into the same folder.
    """
    moving = folder / _MOVING
    if not any(os.path.lexists(path) for path in (moving, folder / LAST, folder / BEST)):
        return None
    make_folder(moving)
    date = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    names = itertools.chain([date], (f"{date}-{number}" for number in itertools.count(2)))
    paths = (folder / f"earlier-{name}" for name in names)
    earlier = next(path for path in paths if not os.path.lexists(path))
    try:
        for name in OUTPUTS:
            if os.path.lexists(folder / name):
                os.rename(folder / name, moving / name)
        os.rename(moving, earlier)
    except OSError as error:
        raise NanodetError(f"{folder}: cannot move the earlier run aside ({error})") from None
    return earlier


def finish_moving(folder: StrPath) -> None:
    """Move the rest of an earlier run that a killed process had begun to move."""
    if os.path.lexists(Path(folder) / _MOVING):
        move_earlier_run(Path(folder))


@contextlib.contextmanager
def own_folder(folder: StrPath, say: Say) -> Iterator[None]:
    """Keep other runs out of the run folder while the block runs.

    It is created if necessary, and removed again if nothing was written into it.

    Raises:
        NanodetError: another run uses it, or it cannot be written.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.absolute().parents) if not os.path.lexists(path)]
    make_folder(folder)
    try:
        with locked(folder) as is_locked:
            if not is_locked:
                say(
                    f"{folder}: this file system has no locks: nothing prevents another run from using it"
                )
            finish_moving(folder)
            yield
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()
