"""What is examined: the sets of a config, or those that are found in a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nanodet.config import config_from_dict, load_config, read_mapping
from nanodet.config.data_sections import Dataset as Section
from nanodet.config.schema import Config
from nanodet.data.discover import discover
from nanodet.data.formats.yolo_names import YAML
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.init.models import DEFAULT, template
from nanodet.init.recipe import PUBLISHED
from nanodet.runtime.fit import Size


@dataclass(frozen=True)
class Subject:
    """The sets, and the network that is to learn them.

    Attributes:
        name: the config or folder, for the page.
        sections: ``data.train``, ``data.val`` or both, to their sections.
        arch: the config's ``model.arch``.
        class_names: the wanted classes, None for those of the training set; names_of: the key that
            they come from.
        largest: side of the square whose area the input may have, if its size is still to be chosen, as
            `nanodet init` does; otherwise 0.
        notes: how the sets were found.
    """

    name: str
    sections: dict[str, Section]
    arch: Any
    class_names: Sequence[str] | None = None
    names_of: str = "data.train"
    largest: int = 0
    notes: tuple[str, ...] = ()

    @classmethod
    def of_config(cls, config: Config, name: str = "config") -> "Subject":
        """Return that of a `Config` read from the file ``name``."""
        names = config.class_names or config.data.train.class_names
        names_of = "class_names" if config.class_names else "data.train"
        sections = {"data.train": config.data.train, "data.val": config.data.val}
        return cls(name, sections, config.model.arch, names, names_of)

    @classmethod
    def of_folder(
        cls, path: StrPath, size: Size | None = None, choices: Mapping[str, Any] | None = None
    ) -> "Subject":
        """Return that of a folder, as `nanodet init` would train on it.

        Args:
            path: a folder, a data.yaml or an annotation file, see `discover`.
            size: (width, height) of the network's input; None to choose it.
            choices: keys of ``data.train`` and ``data.val`` that say how annotations are read.
        """
        found, default = discover(path), template(DEFAULT)
        side = PUBLISHED[1]
        sets = {"train": found.train, "val": found.val or found.train}
        data = {
            part: {
                "name": one.format,
                "img_path": str(one.images),
                "ann_path": str(one.annotations),
                "list_path": None if one.list_path is None else str(one.list_path),
                "input_size": list(size or (side, side)),
                "fit": "letterbox",
                **(choices or {}),
            }
            for part, one in sets.items()
        }
        schedule = {"optimizer": {"name": "AdamW", "lr": 0.001}, "total_epochs": 1}
        mapping = {
            "save_dir": ".",
            "model": {"arch": default.arch},
            "data": data,
            "schedule": schedule,
        }
        subject = cls.of_config(config_from_dict(mapping, path), str(path))
        if found.val is None:
            del subject.sections["data.val"]
        largest = 0 if size else default.largest
        return replace(subject, largest=largest, notes=found.notes)

    @classmethod
    def of(
        cls,
        path: StrPath,
        overrides: Sequence[str] = (),
        size: Size | None = None,
        choices: Mapping[str, Any] | None = None,
    ) -> "Subject":
        """Return that of a config, changed by ``overrides``, or of a folder; see `of_folder`."""
        if Path(path).suffix.lower() in YAML and "data" in read_mapping(path):
            if size:
                raise NanodetError(
                    "--size: is for a folder; of a config, change data.train.input_size"
                )
            read = [
                f"data.{part}.{k}={v}"
                for part in ("train", "val")
                for k, v in (choices or {}).items()
            ]
            return cls.of_config(load_config(path, [*read, *overrides]), str(path))
        if overrides:
            raise NanodetError(f"{overrides[0]}: changes a config, and {path} is none")
        return cls.of_folder(path, size, choices)
