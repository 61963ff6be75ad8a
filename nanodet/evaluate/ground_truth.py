"""Finds the annotated images that a model is measured on, and reads them with its classes."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nanodet.config import load_data
from nanodet.config.beside import config_beside
from nanodet.config.data_sections import Data
from nanodet.data.formats import full_name
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading
from nanodet.data.recognise import recognise
from nanodet.data.records import Annotations
from nanodet.data.summary import check_objects, describe, summarise, warnings_of
from nanodet.data.tell import tell_reading
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import check_pycocotools
from nanodet.files import StrPath
from nanodet.files.incoming import is_file
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import CHECKPOINT, kind_of
from nanodet.text.printable import say

GIVE = "give --images and --annotations"


@dataclass(frozen=True)
class AnnotatedImages:
    """Annotated images, not yet read.

    Attributes:
        images: folder of the images.
        annotations: a file, or a folder of one for each image, see `nanodet.data.recognise`; None for images
            alone.
        reading: how they are to be read.
        name: what they are called, such as ``data.val of best.ckpt``; None if the user gave the paths
            and need not be shown them.
    """

    images: StrPath
    annotations: StrPath | None
    reading: Reading
    name: str | None = None

    def __str__(self) -> str:
        listed = f", listed in {self.reading.list_path}" if self.reading.list_path else ""
        return f"{self.name}: {self.images}, {self.annotations}{listed}"

    @property
    def kind(self) -> str:
        """The name in `nanodet.data.formats.FORMATS` of the annotations' format."""
        assert self.annotations is not None, "images alone"
        kind = self.reading.format or recognise(self.annotations)
        return full_name(kind) or kind

    def read(
        self, class_names: Sequence[str], model: StrPath, annotated: bool = True
    ) -> Annotations:
        """Read the annotations with the classes of a model, and report on stderr what is wrong with them.

        Args:
            class_names: the model's.
            model: its file, for messages.
            annotated: see `nanodet.data.read.read_annotations`; nothing is reported without.

        Raises:
            NanodetError: the annotations are wrong, or not of the model's classes.
        """
        check_pycocotools()
        reading = dataclasses.replace(self.reading, names_of=str(model), training=False)
        assert self.annotations is not None, "images alone"
        found = read_annotations(
            self.kind,
            self.images,
            self.annotations,
            list_path=reading.list_path,
            class_names=list(class_names),
            annotated=annotated,
            reading=reading,
        )
        report = partial(say, file=sys.stderr)
        tell_reading(found, report)
        if not annotated:
            return found
        summary = summarise(found)
        name = os.fspath(self.annotations)
        check_objects(summary, name, "measure")
        if not summary.flawless:
            report(f"{name}: {describe(summary)}")
        for line in warnings_of(summary, name):
            report(line)
        return found


def given(
    images: StrPath | None, annotations: StrPath | None, reading: Reading | None = None
) -> AnnotatedImages | None:
    """Return the `AnnotatedImages` that a command was given; None without.

    Raises:
        NanodetError: annotations without images, or options that need annotations.
    """
    reading = reading or Reading()
    if images is None:
        if annotations is not None:
            raise NanodetError("--annotations: needs --images, the folder of the annotated images")
        return None
    if annotations is None:
        for key in reading.choices():
            if key not in ("list_path", "missing_images"):
                raise NanodetError(f"{reading.spelled(key)}: needs --annotations")
    return AnnotatedImages(images, annotations, reading)


def of_config(data: Data, file: str, part: str, reading: Reading | None = None) -> AnnotatedImages:
    """Return the `AnnotatedImages` that a config names.

    Args:
        data: its `nanodet.config.data_sections.Data`.
        file: names it in messages.
        part: ``train`` or ``val``.
        reading: what the user chose, which goes before what the config says.

    Raises:
        NanodetError: a path that does not exist on this machine.
    """
    section, place = getattr(data, part), f"data.{part}"
    for key in ("img_path", "ann_path", "list_path"):
        path = getattr(section, key)
        if path is not None and not Path(path).exists():
            raise NanodetError(
                f"{file}: {place}.{key}: {path} does not exist, seen from {Path.cwd()}; {GIVE}"
            )
    chosen = (reading or Reading()).over(Reading.of_section(section, f"{place}."))
    return AnnotatedImages(section.img_path, section.ann_path, chosen, f"{place} of {file}")


def data_of(detector: Detector, config: StrPath | None = None) -> tuple[Data, str]:
    """Return the ``data`` of the config of a `Detector`'s model, and its file; see `data_for`."""
    if detector.config is not None:
        return detector.config.data, str(config or detector.backend.path)
    return data_for(detector.backend.path, config)


def data_for(model: StrPath, config: StrPath | None = None) -> tuple[Data, str]:
    """Return the ``data`` of the config that belongs to an exported model, and the name of its file.

    Args:
        model: an ``.onnx`` or ``.param`` file. An export saves the config of its checkpoint
            beside it, see `nanodet.config.beside`.
        config: a config file, or a checkpoint that contains one; None looks beside the model.

    Raises:
        NanodetError: there is none.
    """
    if config is not None and kind_of(config) is CHECKPOINT:
        from nanodet.model.checkpoint import read_checkpoint  # needs torch

        carried = read_checkpoint(config).config
        if carried is None:
            raise NanodetError(f"{config}: contains no config (an original checkpoint); {GIVE}")
        return carried.data, str(config)
    if config is None:
        config = config_beside(os.fspath(model))
        if not is_file(config):
            raise NanodetError(
                f"{model}: no config says what data belongs to it; {GIVE}, or --config with the "
                "config or checkpoint it was trained with"
            )
    return load_data(os.fspath(config)), str(config)
