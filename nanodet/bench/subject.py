"""What one process times: a model with all that lies around it, or a bare graph."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.images.image_file import read_picture
from nanodet.ncnn_files.graph import SHAPE_HINT, Graph, Layer
from nanodet.ncnn_files.parameters import KINDS, NotKnown, check_parameters
from nanodet.ncnn_files.rules import RULES
from nanodet.ncnn_files.rules.step import Step
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.runtime.detector import Detector
from nanodet.runtime.engines import describe
from nanodet.runtime.engines.ncnn import (
    check_precision,
    describe_net,
    import_ncnn,
    own_mat,
    set_options,
)
from nanodet.runtime.spec import check_input_size

PICTURE_SIZE = 640, 480
_MOST_CHANNELS = 4096  # of a graph's input


def bench_picture(path: StrPath | None = None) -> NDArray[np.uint8]:
    """Return the image at ``path``, or smooth noise, uint8 (480, 640, 3), always the same."""
    if path is not None:
        return read_picture(path)
    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, PICTURE_SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


class ModelSubject:
    """A model as `nanodet.runtime.detector.Detector` runs it.

    Args:
        path, config, size, threads, precision, engine: as `Detector` takes them.
        picture: uint8 (H, W, 3) BGR.

    Raises:
        NanodetError: as `Detector` does; the model takes several images at once.
    """

    stages = ("preprocess", "network", "decode")

    def __init__(
        self,
        path: StrPath,
        picture: NDArray[np.uint8],
        size: tuple[int, int] | None = None,
        threads: int = 1,
        precision: str = "fp32",
        config: StrPath | None = None,
        engine: str | None = None,
    ) -> None:
        cv2.setNumThreads(threads)  # the stages around the network, too
        self._engine = engine
        self._detector = Detector(
            path, config, size=size, threads=threads, precision=precision, engine=engine
        )
        batch = self._detector.spec.batch
        if batch > 1:
            raise NanodetError(
                f"{path}: takes {batch} images at once, and what is timed is one: export without "
                "--batch"
            )
        if self._detector.fit == "own":
            # a checkpoint's own fit gives every image another size; exported models letterbox
            check_input_size(self._detector.size, str(path))
            self._detector.fit = "letterbox"
        self._picture = picture

    def run(self) -> tuple[int, ...]:
        """Detect once; return the nanoseconds of each of `stages`."""
        detector, picture = self._detector, self._picture
        start = time.perf_counter_ns()
        tensor, placement = detector.preprocess(picture)
        ready = time.perf_counter_ns()
        output = detector.run(tensor)
        done = time.perf_counter_ns()
        detector.decode(output, placement, picture.shape)
        return ready - start, done - ready, time.perf_counter_ns() - done

    def facts(self) -> dict[str, Any]:
        """Return what is worth knowing of it, as JSON."""
        detector = self._detector
        placement = detector.preprocess(self._picture)[1]
        engine, options = describe(detector.backend, self._engine)
        return {
            "input": list(placement.canvas),
            "engine": engine,
            "options": options,
            "detections": len(detector(self._picture)),
            "left_out": [],
        }


class GraphSubject:
    """An ncnn graph whose weights are all zero, filled and read as ncnn's benchncnn does it.

    Args:
        path: the ``.param``, see `bare_graph`.
        size: (width, height) of its one input.
        threads, precision: as `nanodet.runtime.engines.ncnn.set_options` takes them.
    """

    stages = ("network",)

    def __init__(
        self, path: StrPath, size: tuple[int, int], threads: int = 1, precision: str = "fp32"
    ) -> None:
        ncnn = import_ncnn(path)
        path = str(path)
        self._path, self._size = path, (size[0], size[1])
        bare = bare_graph(path, self._size, precision)
        graph, channels = bare.graph, bare.channels
        for layer in graph.layers:
            if ncnn.layer_to_index(layer.kind) < 0:
                raise NanodetError(f"{path}: layer {layer.name}: ncnn has no layer {layer.kind}")
        self._left_out = bare.left_out
        self._net = ncnn.Net()
        set_options(self._net, threads, precision)
        if self._net.load_param_mem(graph.to_text()) != 0:
            raise NanodetError(f"{path}: ncnn cannot load this graph")
        if self._net.load_model(ncnn.DataReaderFromEmpty()) != 0:
            raise NanodetError(f"{path}: ncnn cannot load this graph with empty weights")
        (self._input,), self._outputs = self._net.input_names(), self._net.output_names()
        picture = np.full((channels, self._size[1], self._size[0]), 0.01, np.float32)
        self._picture = own_mat(picture)
        if not bare.worked_out:
            self._check_found_shapes(graph)

    def _check_found_shapes(self, graph: Graph) -> None:
        """Check the layers that join maps against the shapes that ncnn finds, before they run.

        A layer that is not known here may give maps of any shape, and ncnn reads beyond memory where
        maps of unlike sizes are added.
        """
        extractor = self._net.create_extractor()
        extractor.set_light_mode(False)
        extractor.input(self._input, self._picture)
        for layer in graph.layers:
            if len(layer.inputs) < 2 or layer.kind not in RULES:
                continue
            where = f"{self._path}: at {self._size[0]}x{self._size[1]}: layer {layer.name}"
            found = [extractor.extract(name) for name in layer.inputs]
            if any(status != 0 for status, _ in found):
                raise NanodetError(f"{where}: ncnn cannot compute its inputs")
            with contextlib.suppress(NotKnown):
                check_parameters(layer, where)
                RULES[layer.kind](Step(layer, [np.array(mat).shape for _, mat in found], where))

    def _extract(self) -> list[int]:
        extractor = self._net.create_extractor()
        extractor.input(self._input, self._picture)
        return [extractor.extract(name)[0] for name in self._outputs]

    def run(self) -> tuple[int, ...]:
        """Run once; return the nanoseconds of each of `stages`."""
        start = time.perf_counter_ns()
        self._extract()
        return (time.perf_counter_ns() - start,)

    def facts(self) -> dict[str, Any]:
        """Return what is worth knowing of it, as JSON; raise `NanodetError` if it cannot run."""
        for name, status in zip(self._outputs, self._extract(), strict=True):
            if status != 0:
                raise NanodetError(
                    f"{self._path}: ncnn failed to run it at {self._size[0]}x{self._size[1]} "
                    f"(output {name}, status {status})"
                )
        engine, options = describe_net(self._net)
        return {
            "input": list(self._size),
            "engine": engine,
            "options": options,
            "detections": None,
            "left_out": self._left_out,
        }


@dataclass(frozen=True)
class BareGraph:
    """A graph as ncnn gets it, to be timed without weights.

    Attributes:
        graph: fits the size.
        channels: of its input.
        left_out: names of the layers that it has no more.
        worked_out: whether all shapes are known to fit; else ncnn has to say which maps meet.
    """

    graph: Graph
    channels: int
    left_out: list[str]
    worked_out: bool


def bare_graph(path: StrPath, size: tuple[int, int], precision: str) -> BareGraph:
    """Return the graph of a ``.param`` for inputs of (width, height).

    Layers that make boxes (``DetectionOutput`` and its kin) are left out and their inputs are
    the outputs: with weights of zero all boxes score alike, and thousands of them would go
    through NMS.

    Raises:
        NanodetError: it cannot be timed at this size, or in this precision.
    """
    graph, worked_out = Graph.load(path), False
    channels = fit_graph(graph, size, path)
    with contextlib.suppress(NotKnown):
        if all(layer.kind in KINDS for layer in graph.layers):
            blob_shapes(graph, (channels, size[1], size[0]), path)
            graph, worked_out = graph.without_hints(), True
    check_precision(graph, precision, path)
    left_out = [layer.name for layer in graph.layers if _makes_boxes(layer)]
    graph.layers = [layer for layer in graph.layers if not _makes_boxes(layer)]
    return BareGraph(graph, channels, left_out, worked_out)


def fit_graph(graph: Graph, size: tuple[int, int], file: StrPath) -> int:
    """Make a graph take inputs of (width, height); return the channels of its input.

    A graph may say for which input it was written, and the shape of every blob at that input;
    ncnn chooses by them while it loads. At another size they would be wrong, so they go.

    Raises:
        NanodetError: it has no input, or several.
    """
    inputs = [layer for layer in graph.layers if layer.kind == "Input"]
    if len(inputs) != 1 or len(inputs[0].outputs) != 1:
        raise NanodetError(
            f"{file}: has {len(graph.inputs())} inputs; a graph with one can be timed"
        )
    (entrance,) = inputs
    channels = entrance.whole(2) or 3
    if not 0 < channels <= _MOST_CHANNELS:
        raise NanodetError(f"{file}: layer {entrance.name}: cannot have {channels} channels")
    if (entrance.whole(0), entrance.whole(1)) != tuple(size):
        entrance.values.clear()
        for layer in graph.layers:
            layer.values.pop(SHAPE_HINT, None)
    return channels


def _makes_boxes(layer: Layer) -> bool:
    return layer.kind.endswith("DetectionOutput")
