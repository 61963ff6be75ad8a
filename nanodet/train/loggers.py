"""The experiment loggers that a config asks for, all of them Lightning's."""

import datetime
import os
import sys
from pathlib import Path

from pytorch_lightning.loggers import Logger, MLFlowLogger, WandbLogger

from nanodet.config import dotted_keys
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.text.printable import say
from nanodet.train.event_log import EventLog
from nanodet.train.outputs import TENSORBOARD

PROJECT = "nanodet"  # of runs on a server, unless the logger's own variable names one


class Lasting(Logger):
    """A logger whose server may go away before the end: a finished training does not fail then."""

    def finalize(self, status: str = "success") -> None:
        try:
            super().finalize(status)
        except Exception as error:  # of many kinds, each package its own
            say(
                f"nanodet: warning: logger: {name_of(self)}: {reason(error)}: its end is not written there",
                file=sys.stderr,
            )


class Wandb(Lasting, WandbLogger):
    """Lightning's, see `Lasting`."""


class Mlflow(Lasting, MLFlowLogger):
    """Lightning's, see `Lasting`."""


def build_loggers(config: Config, folder: Path) -> list[Logger]:
    """Return the loggers of a run beside metrics.csv.

    Args:
        config: a `Config`.
        folder: the run folder, where they write unless their own variables say otherwise.
    """
    date = f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    build = {
        "csv": lambda: None,  # metrics.csv is always written
        "tensorboard": lambda: EventLog(folder, TENSORBOARD, date),
        "wandb": lambda: Wandb(
            name=folder.name,
            save_dir=folder,
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            settings={"silent": True},
        ),
        "mlflow": lambda: Mlflow(
            os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
            run_name=folder.name,
            # a database, as MLflow is about to give up its folders of text files
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI")
            or f"sqlite:///{folder.absolute() / 'mlflow.db'}",
        ),
    }
    built = (build[name]() for name in config.loggers)
    return [logger for logger in built if logger is not None]


def start_loggers(loggers: list[Logger], config: Config, file: str) -> None:
    """Open the runs on servers and write the config to them, before the first step.

    Raises:
        NanodetError: a server cannot be reached, or wants to know who asks.
    """
    for logger in loggers:
        if isinstance(logger, EventLog):
            continue
        try:
            logger.log_hyperparams(dotted_keys(config))
        except Exception as error:  # of many kinds, each package its own
            raise NanodetError(f"{file}: logger: {name_of(logger)}: {reason(error)}") from None


def name_of(logger: Logger) -> str:
    """Return the name of a logger in a config."""
    return type(logger).__name__.removesuffix("Logger").lower()


def reason(error: Exception) -> str:
    """Return the first line of an error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
