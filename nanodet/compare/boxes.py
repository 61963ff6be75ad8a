"""Boxes of one raw output, computed in two ways: in the graph and by decoding, or decoded with two specs.

NMS keeps the box that scores highest. Where boxes score alike, as a barely trained model's do, the last
digit of float32 decides which one that is, and two runtimes may choose differently without a fault.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.decode import decode
from nanodet.runtime.engines.backend import Backend, BoxesBackend
from nanodet.runtime.fit import Size
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import BOXES
from nanodet.runtime.thresholds import Thresholds

LOW_SCORE = 0.05  # also compared at this score, which gives more boxes
BOX_TOLERANCE = 0.05  # network pixels
SCORE_TOLERANCE = 1e-4  # 0..1
DIFFERING_MAX = 0.05  # of the boxes of both sides: a few ties do not explain more
SCORE_NOISE = 3e-7  # relative: two to three steps of float32, which the order of additions explains
NOISE_DRAWS = 3  # the worst of them counts: a single one may meet no tie
NOISE_MARGIN = 2  # times the worst: two runtimes differ by one more draw, which may exceed it


def compare_boxes(backend: BoxesBackend, reference: Backend, tensors: Iterable[np.ndarray]) -> int:
    """Compare boxes computed in the graph with those of `decode` on the same tensors.

    A few boxes may differ: as many as noise in the last digits of the scores changes in decoding
    itself.

    Args:
        backend: the `OnnxBackend` of a file that ends in boxes.
        reference: the Backend of the file it was made from.
        tensors: float32 (1, 3, H, W) each.

    Returns:
        the number of boxes compared, at the spec's score and at `LOW_SCORE`.

    Raises:
        NanodetError: the boxes differ.
    """
    count = 0
    for tensor in tensors:
        output = reference.run(tensor)
        for score in (reference.spec.score, LOW_SCORE):
            decoded = partial(_decoded, spec=reference.spec, size=tensor.shape[:1:-1], score=score)
            wanted, found = decoded(output), backend.run(tensor, score)
            problem = _difference(found, wanted)
            if problem:
                noisy = _with_noise(output, len(reference.spec.class_names))
                if not _is_noise(found, wanted, map(decoded, noisy)):
                    raise NanodetError(f"boxes in the graph: {problem} (score {score})")
            count += len(found)
    return count


def box_difference(output: np.ndarray, spec: Spec, expected: Spec, input_size: Size) -> float:
    """Decode one output with two specs.

    Args:
        output: of the raw form of ``expected``.
        spec: may be that of a model that outputs boxes: its graph decodes as ``expected`` says where
            the spec itself does not.
        expected: of a model that outputs points.
        input_size: (width, height) of the network's input.

    Returns:
        the largest difference of a box's side in network pixels; nan where they give other
        boxes, or the output cannot be decoded with ``spec`` at all.
    """
    if spec.form == BOXES:
        names = ("form", "bin_spacing", "quality")
        spec = dataclasses.replace(spec, **{name: getattr(expected, name) for name in names})
    try:
        spec.check_output(output, input_size, "output")
    except NanodetError:
        return float("nan")
    limits = Thresholds.of(expected, score=LOW_SCORE)
    boxes = [decode(output, one, input_size, limits).xyxy for one in (spec, expected)]
    if len(boxes[0]) != len(boxes[1]):
        return float("nan")
    return float(np.abs(boxes[0] - boxes[1]).max(initial=0))


def _decoded(output: np.ndarray, spec: Spec, size: Size, score: float) -> np.ndarray:
    """Return the boxes of a raw output: (N, 6), ``xyxy``, score and class."""
    found = decode(output, spec, size, Thresholds.of(spec, score=score))
    return np.column_stack([found.xyxy, found.confidence, found.class_id])


def _difference(found: np.ndarray, wanted: np.ndarray) -> str:
    """Return in words how boxes (N, 6) differ; empty if they do not."""
    if len(found) != len(wanted):
        return f"{len(found)} where decoding gives {len(wanted)}"
    errors = np.abs(_sorted(found) - _sorted(wanted)).max(axis=0, initial=0)
    box, score, label = errors[:4].max(), errors[4], errors[5]
    if box > BOX_TOLERANCE or score > SCORE_TOLERANCE or label:
        words = f"differ by {box:.2g} px and {score:.2g} in score from decoding"
        return words + (", and in class" if label else "")
    return ""


def _sorted(rows: np.ndarray) -> np.ndarray:
    """Return boxes (N, 6) by score, then class and position: equal scores may come in any order."""
    return rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 5], -rows[:, 4]))]


def _is_noise(found: np.ndarray, wanted: np.ndarray, draws: Iterable[np.ndarray]) -> bool:
    """Tell whether boxes (N, 6) differ no more than noise in the scores explains.

    Args:
        found, wanted: of the graph and of decoding.
        draws: what decoding gives for scores with noise, several times.
    """
    differing = _count_differing(found, wanted)
    if differing > DIFFERING_MAX * (len(found) + len(wanted)):
        return False
    return differing <= NOISE_MARGIN * max(_count_differing(boxes, wanted) for boxes in draws)


def _count_differing(found: np.ndarray, wanted: np.ndarray) -> int:
    """Return how many boxes of either side the other does not have."""
    limits = np.array([BOX_TOLERANCE] * 4 + [SCORE_TOLERANCE, 0])
    same = (np.abs(found[:, None] - wanted[None]) <= limits).all(axis=2)
    return int((~same.any(axis=0)).sum() + (~same.any(axis=1)).sum())


def _with_noise(output: np.ndarray, classes: int) -> Iterator[np.ndarray]:
    """Yield a raw output with noise in the last digits of its scores, `NOISE_DRAWS` times."""
    for seed in range(NOISE_DRAWS):
        noise = np.random.default_rng(seed).uniform(
            -SCORE_NOISE, SCORE_NOISE, (len(output), classes)
        )
        noisy = output.copy()
        noisy[:, :classes] *= (1 + noise).astype(np.float32)
        yield noisy
