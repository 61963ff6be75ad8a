"""Reads, checks and writes config files. The sections of a detector's parts need torch; `load_data`, which
only reads what a file says about its data, does not."""

from nanodet.config.load import (
    config_from_dict,
    config_to_dict,
    dotted_keys,
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
    "dotted_keys",
    "load_config",
    "load_data",
    "read_mapping",
    "save_config",
]
