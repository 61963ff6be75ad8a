"""The data sets that models are trained and quantized with: read once, and hashed to notice a change."""

import copy
import dataclasses
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nanodet.config import Config, config_from_dict
from nanodet.config.data_sections import Data
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.records import Annotations
from nanodet.files.files import make_folder, sha256, write_text
from nanodet.files.incoming import is_file
from nanodet.runtime.engines import files_of, spec_file
from nanodet.study.plan import Run
from nanodet.study.results import RESULT, SETTINGS, outcome_of
from nanodet.text import Say

DATA = "data.txt"  # in a run folder: the hash of what it learns from


class ReadSet(NamedTuple):
    """What is kept of a data set: the names of its classes, and a hash of its labels and images."""

    class_names: tuple[str, ...]
    key: str


class DataSets:
    """Reads the data sets of configs, each once."""

    def __init__(self) -> None:
        self._known: dict[str, ReadSet] = {}
        self._configs: dict[str, Config] = {}

    def read(self, data: Data, part: str, class_names: Sequence[str] | None) -> ReadSet:
        """Return the set ``train`` or ``val`` of a config, with these classes or, for None, its own.

        Raises:
            NanodetError: it cannot be read.
        """
        section = getattr(data, part)
        names = class_names or section.class_names
        reading = Reading.of_section(section, f"data.{part}.")
        which = repr((section.img_path, section.ann_path, reading, names))
        if which not in self._known:
            found = read_annotations(
                section.name, section.img_path, section.ann_path, section.list_path, names,
                reading=dataclasses.replace(reading, names_of="the classes to learn"),
            )  # fmt: skip
            self._known[which] = ReadSet(found.class_names, truth_key(found, labels=True))
        return self._known[which]

    def classes_of(self, run: Run) -> Sequence[str]:
        """Return the classes that a run learns: those of its config or, if that has none, of its data."""
        config = self._config(run)
        return config.class_names or self.read(config.data, "train", None).class_names

    def key_of(self, run: Run) -> str:
        """Return a hash of what a run learns from: its data, and the weights it starts with or imitates."""
        config = self._config(run)
        named = [config.schedule.load_model, getattr(config.model.arch.backbone, "pretrain", None)]
        if config.distill is not None:
            named += [config.distill.teacher, config.distill.config]
        models = [path for path in named if isinstance(path, str)]
        files = [one for path in models for one in (*files_of(path), spec_file(path))]
        hashes = [sha256(path) for path in files if is_file(path)]
        return " ".join([self.read(config.data, "train", config.class_names).key, *hashes])

    def calibration_key(self, data: Data, class_names: Sequence[str]) -> str:
        """Return a hash of the sets that choose the int8 layers of a model."""
        return " ".join(self.read(data, part, class_names).key for part in ("train", "val"))

    def _config(self, run: Run) -> Config:
        if run.variant not in self._configs:
            settings = copy.deepcopy(run.settings)
            self._configs[run.variant] = config_from_dict(settings, f"variant {run.variant}")
        return self._configs[run.variant]


def forget_if_changed(run: Run, key: str, report: Say) -> None:
    """Make a run forget what it has trained on other data, and record the key of those of today.

    Args:
        run: trained, cut or new.
        key: of `DataSets.key_of`.
        report: called with a line where an earlier training is affected.
    """
    path = run.folder / DATA
    before = path.read_text(encoding="utf-8").strip() if path.is_file() else None
    if before == key:
        return
    if before is not None:
        report(f"{run.folder}: what it learns from has changed: it is trained again")
        for name in (RESULT, SETTINGS):
            (run.folder / name).unlink(missing_ok=True)
    elif outcome_of(run).result is not None:
        report(
            f"{run.folder}: is kept; whether its data has changed since it was trained is not known"
        )
    make_folder(run.folder)
    write_text(path, key + "\n")


def truth_key(truth: Annotations, labels: bool = False) -> str:
    """Return a hash of annotated images: their files' names and sizes, in which orientation, and the classes.

    Args:
        truth: they.
        labels: whether to hash boxes and labels instead of the times of the files, which a copy of the data
            set has anew.
    """
    digest = hashlib.sha256(repr(truth.class_names).encode())
    for picture in truth.pictures:
        file = picture.path.stat()
        time = None if labels else file.st_mtime_ns
        shape = picture.width, picture.height, picture.turned
        digest.update(repr((picture.path.name, file.st_size, time, *shape)).encode())
        if labels:
            for array in (picture.boxes, picture.labels, picture.ignored, picture.ignored_labels):
                digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
