"""A folder of results: drawn images or a drawn video, and detections.jsonl."""

import contextlib
import re
from pathlib import Path
from typing import TextIO

import cv2
import numpy as np

from nanodet.detect.frame import Frame, Source
from nanodet.detect.sources import URL, PictureSource
from nanodet.detect.video_writer import VideoWriter
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import check_folder_writable, real_path, replacing
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections

JSON_LINES = "detections.jsonl"


class Results:
    """Writes the results of `nanodet detect --out`; a context manager.

    However the block ends, the files contain what was written so far and are complete: until then,
    video and JSON lines have temporary names.

    Args:
        folder: where to write; it is created with the first result if necessary.
        source: the `Source` of the frames.
        uncertainty: whether the JSON lines have the ``edge_std`` of each detection.
        distributions: whether each image gets a `distributions_file`, too.

    Raises:
        NanodetError: the folder cannot be written, or a result would replace a source.
    """

    def __init__(
        self,
        folder: StrPath,
        source: Source,
        uncertainty: bool = False,
        distributions: bool = False,
    ) -> None:
        self.folder, self._source, self._uncertainty = Path(folder), source, uncertainty
        self._targets: list[Path] | None = None
        self._video: VideoWriter | None = None
        if isinstance(source, PictureSource):
            self._targets = picture_targets(self.folder, source)
            taken = {*map(real_path, source.files), *map(real_path, self._targets)}
            for target in self._targets if distributions else ():
                if real_path(distributions_file(target)) in taken:
                    raise NanodetError(
                        f"{distributions_file(target)}: would replace another image; choose another --out"
                    )
        elif distributions:
            raise NanodetError(f"{source.name}: --distributions is for images alone")
        else:
            target = self.folder / f"{_stem(source)}.mp4"
            if real_path(target) == real_path(source.name):
                raise NanodetError(f"{target}: would replace the source; choose another --out")
            self._video = VideoWriter(target, source.fps)
        check_folder_writable(self.folder)
        self._files = contextlib.ExitStack()
        self._lines: TextIO | None = None

    def __enter__(self) -> "Results":
        return self

    def write(self, frame: Frame, detections: Detections, drawn: np.ndarray) -> None:
        """Write one frame.

        Args:
            frame: the `Frame`; its detections in pixels of ``frame.picture``.
            drawn: uint8 (H, W, 3) BGR, the image with its boxes.
        """
        if self._targets is not None:
            write_picture(self._targets[frame.index], drawn)
        elif self._video is not None:
            self._video.write(drawn, frame.time_s)
        if self._lines is None:
            path = self._files.enter_context(replacing(self.folder / JSON_LINES))
            # bytes in a name that are not text become JSON escapes, which preserve them
            file = open(path, "w", encoding="utf-8", errors="backslashreplace")
            self._lines = self._files.enter_context(file)
        height, width = frame.picture.shape[:2]
        number = None if self._targets is not None else frame.index
        line = detections.to_json(
            frame.name, width, height, number, frame.time_s, self._uncertainty
        )
        try:
            self._lines.write(line + "\n")
        except OSError as error:
            raise NanodetError(
                f"{self.folder / JSON_LINES}: cannot be written ({error.strerror})"
            ) from None

    def distributions_of(self, frame: Frame) -> Path:
        """Return the file for the distributions of an image."""
        assert self._targets is not None, "images alone have one"
        return distributions_file(self._targets[frame.index])

    def __exit__(self, *_: object) -> None:
        try:
            if self._video is not None:
                self._video.close()
        finally:
            self._files.close()  # without the exception, so that what was written is kept


def distributions_file(target: Path) -> Path:
    """Return the file for the distributions of an image: ``a.jpg-distributions.png`` beside ``a.jpg``."""
    return target.with_name(target.name + "-distributions.png")


def picture_targets(folder: Path, source: PictureSource) -> list[Path]:
    """Return the file to write for each of the source's files, all different.

    Names and subfolders below ``source.folder`` are kept; ``.png`` is added to a name that
    OpenCV cannot write.

    Raises:
        NanodetError: ``folder`` is a folder of source images, or a result would replace one.
    """
    originals = {real_path(file) for file in source.files}
    if real_path(folder) in {file.parent for file in originals}:
        raise NanodetError(f"{folder}: holds the source images; choose another --out")
    targets: list[Path] = []
    taken: set[str] = set()
    for file in source.files:
        target = folder / file.relative_to(source.folder)
        if not _writable(target):
            target = target.with_name(target.name + ".png")
        number = 2
        plain = target
        while str(target).casefold() in taken:  # some file systems ignore case
            target = plain.with_name(f"{plain.stem}-{number}{plain.suffix}")
            number += 1
        taken.add(str(target).casefold())
        if real_path(target) in originals:
            raise NanodetError(f"{target}: would replace a source image; choose another --out")
        targets.append(target)
    return targets


def _writable(path):
    """Return whether OpenCV can write a colour image to ``path``."""
    suffix = path.suffix.lower()
    # .pgm and .pbm store grey values and bits, .gif few colours
    if suffix in ("", ".pgm", ".pbm", ".gif") or not suffix.isascii():
        return False
    return cv2.haveImageWriter(f"a{suffix}")


def _stem(source):
    if source.kind == "stream":
        return "stream"
    name = source.name
    if URL.match(name):
        name = name.split("?")[0].rstrip("/")
    last = re.split(r"[/\\]", name)[-1]
    return last.replace(" ", "-") if source.kind == "camera" else Path(last).stem or "video"
