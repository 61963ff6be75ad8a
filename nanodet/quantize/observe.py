"""Records the input of each layer while the floating-point model runs on the calibration images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from nanodet.compare.distortion import Run
from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Layer
from nanodet.quantize.thresholds import BINS, Histogram
from nanodet.runtime.engines.ncnn import own_mat
from nanodet.runtime.outputs import rows_of
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import MAPS


@dataclass
class Observed:
    """The input of one layer over all calibration images.

    Attributes:
        shape: (channels, height, width).
        histogram: of the magnitudes.
        channel_means: float32 (channels,).
    """

    shape: tuple[int, ...]
    histogram: Histogram
    channel_means: np.ndarray


def observe(
    net: Any,
    spec: Spec,
    layers: Sequence[Layer],
    tensors: Sequence[np.ndarray],
    step: Callable[[], object] = lambda: None,
) -> dict[str, Observed]:
    """Run the model twice over the images: for the ranges, then for the histograms.

    Args:
        net: a loaded ``ncnn.Net`` in floating point.
        spec: names the input.
        layers: the `nanodet.ncnn_files.graph.Layer` to observe, with one input each.
        tensors: float32 (1, 3, H, W) each, at one size.
        step: called after each image of each pass.

    Returns:
        the `Observed` of each layer by name.

    Raises:
        NanodetError: a layer's input is not finite, or always zero.
    """
    blobs = {layer.name: layer.inputs[0] for layer in layers}
    wanted = list(dict.fromkeys(blobs.values()))
    largest = dict.fromkeys(wanted, 0.0)
    sums: dict[str, np.ndarray] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for tensor in tensors:
        for blob, values in extract(net, spec.input_name, tensor, wanted):
            largest[blob] = max(largest[blob], float(values.max()), -float(values.min()))
            means = values.mean(axis=(1, 2))
            sums[blob] = sums[blob] + means if blob in sums else means
            shapes[blob] = values.shape
        step()
    for name, blob in blobs.items():
        if not 0 < largest[blob] < np.inf:
            raise NanodetError(
                f"layer {name}: its input over the calibration images is "
                f"{'always 0' if largest[blob] == 0 else 'not finite'}; it cannot be calibrated"
            )
    counts = {blob: np.zeros(BINS, np.int64) for blob in wanted}
    absolute, square = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    for tensor in tensors:
        for blob, values in extract(net, spec.input_name, tensor, wanted):
            size = np.abs(values).reshape(1, -1)
            # about ten times faster than np.histogram; the upper bound is exclusive
            bounds = [0, largest[blob] * (1 + 1e-6)]
            counts[blob] += cv2.calcHist([size], [0], None, [BINS], bounds).ravel().astype(np.int64)
            absolute[blob] += float(size.mean())
            square[blob] += float(np.vdot(size, size)) / size.size
        step()
    n = len(tensors)
    found = {
        blob: Observed(
            shapes[blob],
            Histogram(counts[blob], largest[blob], absolute[blob] / n, square[blob] / n),
            sums[blob] / n,
        )
        for blob in wanted
    }
    return {name: found[blob] for name, blob in blobs.items()}


def running(net: Any, spec: Spec) -> Run:
    """Return a function from the tensor of an image to a net's output, in the layout ``rows``."""

    def run(tensor: np.ndarray) -> np.ndarray:
        found = [one for _, one in extract(net, spec.input_name, tensor, spec.output_names)]
        return rows_of(found, len(spec.class_names), "ncnn") if spec.layout == MAPS else found[0]

    return run


def extract(
    net: Any, input_name: str, tensor: np.ndarray, blobs: Iterable[str]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, float32 (C, H, W)) of blobs of one run.

    Args:
        net: a loaded ``ncnn.Net``.
        input_name: the blob that takes the image.
        tensor: float32 (1, 3, H, W).
        blobs: names, in any order.
    """
    extractor = net.create_extractor()
    extractor.set_light_mode(False)  # light mode frees blobs that are extracted later
    extractor.input(input_name, own_mat(tensor[0]))
    for blob in blobs:
        status, values = extractor.extract(blob)
        if status != 0:
            raise NanodetError(f"ncnn failed to compute the blob {blob} (status {status})")
        yield blob, np.array(values, np.float32)
