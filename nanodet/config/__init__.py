"""Reading, checking and writing config files; needs no torch."""

from nanodet.config.load import config_from_dict, config_to_dict, load_config, save_config
from nanodet.config.schema import Config
from nanodet.config.stored import config_of_checkpoint

__all__ = [
    "Config",
    "config_from_dict",
    "config_of_checkpoint",
    "config_to_dict",
    "load_config",
    "save_config",
]
