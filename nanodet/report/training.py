"""What a model was trained on, and how: its config, its data sets, versions and curves."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from nanodet.config import config_to_dict, load_data
from nanodet.config.beside import config_beside
from nanodet.config.load import read_mapping
from nanodet.data.read import read_annotations
from nanodet.data.records import Annotations
from nanodet.data.summary import Summary, summarise
from nanodet.errors import NanodetError
from nanodet.evaluate.ground_truth import GIVE, of_config
from nanodet.evaluate.plots import Curve, read_curves
from nanodet.files import StrPath
from nanodet.files.incoming import is_file
from nanodet.report.subject import Subject
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.train.outputs import CONFIG, METRICS


@dataclass(frozen=True)
class DataSet:
    """A data set of the config.

    Attributes:
        name: ``train`` or ``val``.
        place: where its images and annotations are, in words.
        summary: what is in it; None if it is not on this machine.
        problem: why not, else empty.
    """

    name: str
    place: str
    summary: Summary | None
    problem: str = ""


@dataclass
class Training:
    """How a model was made, as far as its files tell.

    Attributes:
        source: the file that the config is from, empty without one.
        config: it, as a mapping.
        sets: its data sets.
        epochs: finished ones, None if it is not known.
        averaged: whether the weights are averaged (EMA), None if it is not known.
        versions: of the programs that trained or exported it.
        curves: column of ``metrics.csv`` to its values.
    """

    source: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    sets: list[DataSet] = field(default_factory=list)
    epochs: int | None = None
    averaged: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The config as YAML."""
        return yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)

    def get(self, path: str, default: Any = None) -> Any:
        """Return the value of a key such as ``schedule.optimizer.lr``."""
        value: Any = self.config
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value


def read_training(
    subject: Subject, detector: Detector, config: StrPath | None, measured: Annotations | None
) -> Training:
    """Collect what is known of a model's training.

    Args:
        subject: the files.
        detector: the model.
        config: given by the user, else None.
        measured: ``data.val`` where it has been read already, else None.
    """
    found = Training()
    _read_config(found, subject, detector, config)
    if found.source:
        names = list(detector.class_names)
        found.sets.append(_data_set(found, "train", names, None))
        found.sets.append(_data_set(found, "val", names, measured))
    spec = detector.spec
    found.versions = {k: str(v) for k, v in spec.source.items() if k in ("nanodet", "torch")}
    epochs, averaged = spec.source.get("epoch"), spec.source.get("averaged")
    found.epochs = epochs if isinstance(epochs, int) else None
    found.averaged = averaged if isinstance(averaged, bool) else None
    if kind_of(subject.model) is CHECKPOINT:
        _add_checkpoint(found, detector)
    if subject.run is not None and is_file(subject.run / METRICS):
        found.curves = read_curves(subject.run / METRICS)
    return found


def _read_config(
    found: Training, subject: Subject, detector: Detector, config: StrPath | None
) -> None:
    """Take the user's config, the checkpoint's own, that of the run, or that which the export saved."""
    candidates = [
        config,
        *([subject.run / CONFIG] if subject.run else []),
        config_beside(subject.model),
    ]
    if detector.config is not None:  # with all defaults
        found.source = str(config or subject.model)
        found.config = config_to_dict(detector.config)
        return
    for one in candidates:
        if one is None or kind_of(one) is CHECKPOINT or not is_file(one):
            continue
        with contextlib.suppress(NanodetError):
            found.source, found.config = str(one), read_mapping(one)
            return


def _data_set(
    found: Training, name: str, class_names: Sequence[str], known: Annotations | None
) -> DataSet:
    section = found.get(f"data.{name}", {})
    if not isinstance(section, dict):
        return DataSet(name, "", None, "the config does not say")
    keys = ("img_path", "ann_path", "list_path")
    place = ", ".join(str(section[key]) for key in keys if section.get(key))
    if known is not None:
        return DataSet(name, place, summarise(known))
    try:
        data = _data(found)
        source = of_config(data, found.source, name)
        assert source.annotations is not None
        read = read_annotations(
            source.kind, source.images, source.annotations, list_path=source.reading.list_path,
            class_names=list(class_names), reading=source.reading,
        )  # fmt: skip
        return DataSet(name, place, summarise(read))
    except NanodetError as error:
        return DataSet(name, place, None, str(error).removesuffix(f"; {GIVE}"))


def _data(found: Training) -> Any:
    if kind_of(found.source) is not CHECKPOINT:
        return load_data(found.source)
    from nanodet.config import config_from_dict

    return config_from_dict(found.config, found.source).data


def _add_checkpoint(found: Training, detector: Detector) -> None:
    from nanodet.model.checkpoint import KEY  # needs torch
    from nanodet.model.torch_backend import TorchBackend

    assert isinstance(detector.backend, TorchBackend)
    checkpoint = detector.backend.checkpoint
    found.epochs, found.averaged = checkpoint.epoch, checkpoint.averaged
    own = checkpoint.raw.get(KEY)
    if isinstance(own, dict) and "version" in own:
        found.versions["nanodet"] = str(own["version"])
    if "pytorch-lightning_version" in checkpoint.raw:
        found.versions["pytorch-lightning"] = str(checkpoint.raw["pytorch-lightning_version"])
