"""Reading, checking and writing config files. The parts of a detector bring their own sections and need
torch; what a file says of its data, `load_data`, does not."""

from nanodet.config.load import (
    config_from_dict,
    config_to_dict,
    load_config,
    load_data,
    read_mapping,
    save_config,
)
from nanodet.config.schema import Config
from nanodet.config.stored import config_of_checkpoint

__all__ = [
    "Config",
    "config_from_dict",
    "config_of_checkpoint",
    "config_to_dict",
    "load_config",
    "load_data",
    "read_mapping",
    "save_config",
]
