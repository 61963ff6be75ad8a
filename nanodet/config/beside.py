"""Where an export leaves the config of its checkpoint: in a folder beside the models."""

import re
from pathlib import Path

INTERMEDIATE = "intermediate"  # what else an export keeps lies there too
_FORMS = r"-(fp16|int8|nms|static|batch\d+)$"  # what follows the stem in the name of a model


def config_path(folder, stem):
    """Return the path of the config of the models called ``stem`` in ``folder``."""
    return Path(folder) / INTERMEDIATE / f"{stem}-config.yml"


def config_beside(model):
    """Return the path of the config of an exported model, in whatever form the model is."""
    model = Path(model)
    return config_path(model.parent, re.sub(_FORMS, "", model.stem))
