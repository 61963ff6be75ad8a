"""Names of the files of a run folder; imports no torch, so that others find a training's results."""

from pathlib import Path

from nanodet.errors import NanodetError
from nanodet.files.incoming import is_file

LAST = "model_last.ckpt"
BEST = "model_best/model_best.ckpt"
CONFIG, METRICS = "config.yml", "metrics.csv"
SAMPLES = "train_samples.jpg"
TENSORBOARD = "tensorboard"  # a folder


def checkpoint_in(folder: Path) -> Path:
    """Return the best checkpoint of a run folder, or its last without one.

    Raises:
        NanodetError: it has none.
    """
    for name in (BEST, LAST):
        if is_file(folder / name):
            return folder / name
    raise NanodetError(
        f"{folder}: is a folder without {BEST} and {LAST}; give the folder of a training, or one model file"
    )
