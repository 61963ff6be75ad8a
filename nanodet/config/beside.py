"""Finds the config that an export saved: in a folder next to the models."""

import re
from pathlib import Path

from nanodet.files import StrPath

INTERMEDIATE = "intermediate"  # an export writes other intermediate files there, too
_FORMS = r"-(fp16|int8|nms|static|batch\d+)$"  # suffixes of a model's stem


def config_path(folder: StrPath, stem: str) -> Path:
    """Return the path of the config of the models called ``stem`` in ``folder``."""
    return Path(folder) / INTERMEDIATE / f"{stem}-config.yml"


def config_beside(model: StrPath) -> Path:
    """Return the path of the config of an exported model in any form."""
    model = Path(model)
    return config_path(model.parent, re.sub(_FORMS, "", model.stem))
