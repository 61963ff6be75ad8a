"""Writes files with ``torch.save``, with one error that gives the reason if it fails."""

import os
from pathlib import Path
from typing import Any

import torch


def save_plain(value: Any, path: str | Path) -> None:
    """Write ``value`` to ``path`` and wait until the disk has it.

    Raises:
        OSError: it cannot be written; torch's own exceptions give no reason.
    """
    with open(path, "wb") as file:
        try:
            torch.save(value, file)
        except RuntimeError as error:  # while it closes its archive
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        file.flush()
        os.fsync(file.fileno())
