"""What is copied to a device, where it lies there, and the way back from there to here."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2

from nanodet.bench.plan import Effort, Entry, plan_entries
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import is_file, published
from nanodet.images.image_file import read_picture
from nanodet.runtime.engines import NCNN, ONNX, files_of, kind_of, spec_file
from nanodet.runtime.engines.ncnn import check_files
from nanodet.runtime.spec import Spec

PROGRAM, PICTURE, REPORT, RUN = "nanodet-bench", "picture.ppm", "report.json", "run"
REPORT_BYTES = 1 << 20  # more than a report needs


class Parcel:
    """The files of a run: models under their own names, in a numbered folder each.

    Everything is checked before anything is copied.

    Args:
        models, graphs, threads, precisions: see `nanodet.bench.plan.plan_entries`.
        program: path of the program.
        image: path of an image; None where the program generates one.
        folder: a local one for what has to be written first.

    Attributes:
        entries: what is timed, in order.
        files: path on the device, relative to its folder, to path here.
    """

    def __init__(
        self,
        models: Iterable[str],
        graphs: Iterable[tuple[StrPath, tuple[int, int]]],
        threads: Sequence[int],
        precisions: Sequence[str],
        program: Path,
        image: StrPath | None,
        folder: StrPath,
    ) -> None:
        self.entries = plan_entries(models, graphs, threads, precisions, here=False)
        self._image = image
        self.files = {PROGRAM: Path(program)}
        self._numbers: dict[str, int] = {}
        for entry in self.entries:
            number = self._numbers.setdefault(entry.path, len(self._numbers))
            for file in _files_of(entry):
                self.files[f"{number}/{file.name}"] = published(file)
        if image is not None:
            picture = Path(folder) / PICTURE
            # the program has no decoder: raw pixels
            picture.write_bytes(cv2.imencode(".ppm", read_picture(image))[1].tobytes())
            self.files[PICTURE] = picture

    def words(
        self,
        there: str,
        effort: Effort,
        threads: Sequence[int],
        precisions: Sequence[str],
        cores: str,
    ) -> list[str]:
        """Return the program's command line, run in the device's folder ``there``.

        Args:
            effort: a `nanodet.bench.plan.Effort`.
            threads, precisions, cores: as the user gave them.
        """
        words = [f"./{PROGRAM}"]
        for path, graph, size in dict.fromkeys((e.path, e.graph, e.size) for e in self.entries):
            path = f"{there}/{self._numbers[path]}/{Path(path).name}"
            text = "" if size is None else f"{size[0]}x{size[1]}"
            if graph:
                words += ["--graph", path, "--size", text]
            else:
                words.append(f"{path}@{text}" if text else path)
        words += ["--threads", ",".join(map(str, threads)), "--precision", ",".join(precisions)]
        words += ["--cores", cores, "--runs", str(effort.runs), "--seconds", str(effort.seconds)]
        if self._image is not None:
            words += ["--image", f"{there}/{PICTURE}"]
        return [*words, "--json", f"{there}/{REPORT}"]

    def name_here(self, value: Any, there: str) -> Any:
        """Return a JSON value with the device's paths in all its texts replaced by those here."""
        if isinstance(value, dict):
            return {key: self.name_here(item, there) for key, item in value.items()}
        if isinstance(value, list):
            return [self.name_here(item, there) for item in value]
        if not isinstance(value, str) or there not in value:
            return value
        for path, number in self._numbers.items():
            value = value.replace(f"{there}/{number}/", path.removesuffix(Path(path).name))
        return value.replace(f"{there}/{PICTURE}", str(self._image)).replace(f"{there}/", "")


def _files_of(entry: Entry) -> list[Path]:
    """Return the files of a `nanodet.bench.plan.Entry`, checked as far as can be done here."""
    path = Path(entry.path)
    beside, kind = spec_file(path), kind_of(path)
    if entry.graph:
        return [path]
    if kind is ONNX:
        return [path, beside] if is_file(beside) else [path]
    if kind is not NCNN:
        raise NanodetError(
            f"{path}: only .param and .onnx run on a device: nanodet export makes them"
        )
    _, weights = files_of(path)
    if not is_file(weights):
        raise NanodetError(f"{path}: its weights {weights} are not there")
    if not is_file(beside):
        raise NanodetError(f"{path}: its spec {beside} does not exist: copy it too")
    check_files(path, weights, Spec.load(beside), beside)
    return [path, weights, beside]
