"""The folder of a run: what lies in it before the training starts."""

import datetime
import re
import shutil
from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.runtime.files import make_folder
from nanodet.train.checkpoints import BEST, LAST

_TEMPORARY = re.compile(r"^\.(model_last|model_best|metrics|config)-\w+\.\w+$")


def find_resume(config, file="config"):
    """Return the checkpoint that ``schedule.resume`` asks to go on from, or ``None``.

    A path must exist. True (or ``resume:`` with nothing behind it, as in the original) goes on
    from the run folder's last checkpoint, and starts afresh where there is none yet.
    """
    resume = config.schedule.resume
    if not resume:
        return None
    if resume is True:
        last = Path(config.save_dir) / LAST
        return last if last.is_file() else None
    if not Path(resume).is_file():
        raise NanodetError(f"{file}: schedule.resume: {resume}: there is no such checkpoint")
    return Path(resume)


def prepare(folder, resuming):
    """Make the run folder; move an earlier run out of the way unless it is resumed.

    Returns:
        lines to tell the user.
    """
    folder = Path(folder)
    make_folder(folder)
    for path in [*folder.iterdir(), *(folder / "model_best").glob("*")]:
        if _TEMPORARY.match(path.name):
            path.unlink()  # left by a run that was killed while writing
    if resuming or not ((folder / LAST).exists() or (folder / BEST).exists()):
        return []
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    earlier = folder / f"earlier-{stamp}"
    make_folder(earlier)
    for path in folder.iterdir():
        if not path.name.startswith("earlier-"):
            shutil.move(path, earlier / path.name)
    return [f"{folder} held an earlier run: moved to {earlier}"]
