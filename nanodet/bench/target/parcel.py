"""What is copied to a device, where it lies there, and the way back from there to here."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2

from nanodet.bench.plan import Entry
from nanodet.bench.subject import bare_graph, bench_picture
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import is_file, published
from nanodet.runtime.engines import NCNN, ONNX, files_of, kind_of, spec_file
from nanodet.runtime.engines.ncnn import check_files
from nanodet.runtime.spec import Spec

PROGRAM, PICTURE = "nanodet-bench", "picture.ppm"


class Parcel:
    """The files of a run: models and graphs under their own names, in numbered folders.

    Everything is checked before anything is copied.

    Args:
        entries: of `nanodet.bench.plan.plan_entries`.
        program: path of the program.
        image: path of an image; None takes a generated one.
        folder: a local one for what has to be written first.

    Attributes:
        files: path on the device, relative to its folder, to path here.
        places: model or graph (with its size) to its path on the device.
    """

    def __init__(
        self, entries: Iterable[Entry], program: StrPath, image: StrPath | None, folder: StrPath
    ) -> None:
        self.files, self.places = {PROGRAM: Path(program)}, dict[tuple[str, object], str]()
        self._graphs: dict[tuple[str, object], dict[str, Any]] = {}
        for entry in entries:
            key, path = _key(entry), Path(entry.path)
            if key in self.places:
                continue
            number = str(len(self.places))
            self.places[key] = f"{number}/{path.name}"
            if entry.graph and entry.size is not None:
                bare = bare_graph(path, entry.size, entry.precision)
                self.files[self.places[key]] = written = Path(folder) / f"{number}.param"
                written.write_text(bare.graph.to_text(), encoding="utf-8")
                self._graphs[key] = {
                    "channels": bare.channels, "worked_out": bare.worked_out, "left_out": bare.left_out,
                }  # fmt: skip
            else:
                self.files |= {f"{number}/{file.name}": published(file) for file in _files_of(path)}
        if len(self._graphs) < len(self.places):
            # the program has no decoder: raw pixels
            self.files[PICTURE] = Path(folder) / PICTURE
            pixels = cv2.imencode(".ppm", bench_picture(image))[1]
            self.files[PICTURE].write_bytes(pixels.tobytes())

    def place(self, entry: Entry) -> str:
        """Return the path of an entry's model or graph on the device, relative to its folder."""
        return self.places[_key(entry)]

    def order(self, entry: Entry, there: str) -> dict[str, Any]:
        """Return the first order of an entry's process, for the device's folder ``there``."""
        return {
            "graph": entry.graph, "size": entry.size, "threads": entry.threads,
            "precision": entry.precision, "left_out": [],
            "picture": None if entry.graph else f"{there}/{PICTURE}", **self._graphs.get(_key(entry), {}),
        }  # fmt: skip

    def name_here(self, text: str, there: str) -> str:
        """Return a text with the device's paths replaced by those here."""
        for (path, _), place in self.places.items():
            folder = place.partition("/")[0]
            text = text.replace(f"{there}/{folder}/", path.removesuffix(Path(path).name))
        return text


def _key(entry: Entry) -> tuple[str, object]:
    # a graph is another file at each size, and checked for each precision
    return entry.path, (entry.size, entry.precision) if entry.graph else None


def _files_of(path: Path) -> list[Path]:
    """Return the files of a model, checked as far as can be done here."""
    beside, kind = spec_file(path), kind_of(path)
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
