"""Runs every stage and the reference on the same images, in one pass."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from nanodet.compare.boxes import box_difference
from nanodet.compare.outputs import Errors, Tolerance, run_checked
from nanodet.compare.twins import count_twins
from nanodet.errors import NanodetError
from nanodet.runtime.decode import detections_of
from nanodet.runtime.detections import Detections
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.fit import Placement, Size
from nanodet.runtime.preprocess import network_input
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds
from nanodet.verify.artefacts import Stage
from nanodet.verify.specs import (
    DECODING,
    PREPROCESSING,
    differing_keys,
    expected_spec,
)


@dataclass
class Group:
    """Stages that take the same tensors.

    Attributes:
        spec: the one that the stages should have.
        size: (width, height) of the tensors.
        stages: list of `Measured`.
        detections: the reference's `Detections`, one per image.
    """

    spec: Spec
    size: Size
    stages: list["Measured"] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)

    @property
    def words(self) -> str:
        nms = ", class-agnostic NMS" if self.spec.class_agnostic_nms else ""
        return f"{self.spec.fit} {self.size[0]}x{self.size[1]}{nms}"

    def takes(self, spec: Spec, size: Size) -> bool:
        """Tell whether a stage that should have ``spec`` belongs here."""
        ours, theirs = self.spec, spec
        return (ours.fit, self.size, ours.class_agnostic_nms) == (
            theirs.fit, size, theirs.class_agnostic_nms,
        )  # fmt: skip


@dataclass
class Measured:
    """What was measured of one stage.

    Attributes:
        stage: the `nanodet.verify.artefacts.Stage`.
        expected: the spec it should have.
        preprocessing, decoding: (key, sentence) of the spec's keys that differ.
        errors: `Errors` of the raw output.
        network_failure, decoding_failure: why there was no output, or no boxes.
        tensor_max: largest difference of its own tensors from the reference's, normalised units.
        box_max: largest difference of the reference's boxes decoded by its spec, network pixels.
        twins, twins_of: detections of both sides with a twin, and all of them.
        detections: its own `Detections`, one per image.
        tensor: the image with the largest error, or with the failure.
    """

    stage: Stage
    expected: Spec
    preprocessing: list[tuple[str, str]]
    decoding: list[tuple[str, str]]
    errors: Errors
    network_failure: str = ""
    decoding_failure: str = ""
    tensor_max: float = 0.0
    box_max: float = 0.0
    twins: int = 0
    twins_of: int = 0
    detections: list[Detections] = field(default_factory=list)
    tensor: np.ndarray | None = None


def group_stages(
    reference: Backend,
    stages: Iterable[Stage],
    is_checkpoint: bool,
    who: str,
    tolerances: Mapping[str, Tolerance],
) -> list[Group]:
    """Return the `Group` list of the stages that could be loaded.

    Args:
        reference: the Backend to measure against.
        stages: `nanodet.verify.artefacts.Stage` list.
        is_checkpoint, who: see `nanodet.verify.specs`.
        tolerances: `Tolerance` of each stage's name.

    Raises:
        NanodetError: the reference cannot take the size of a stage.
    """
    groups: list[Group] = []
    for stage in stages:
        if stage.backend is None or stage.failure:
            continue
        spec = stage.backend.spec
        expected = expected_spec(reference.spec, spec, is_checkpoint)
        size = tuple(spec.input_size)
        if not reference.spec.any_size and size != tuple(reference.spec.input_size):
            width, height = reference.spec.input_size
            raise NanodetError(
                f"{stage.path}: input.width, input.height: {size[0]}x{size[1]}, but "
                f"{reference.path}, the reference, was exported for {width}x{height} only"
            )
        measured = Measured(
            stage, expected,
            differing_keys(spec, expected, PREPROCESSING, who),
            differing_keys(spec, expected, DECODING, who),
            Errors(reference.spec, tolerances[stage.name]),
        )  # fmt: skip
        for group in groups:
            if group.takes(expected, size):
                break
        else:
            group = Group(expected, size)
            groups.append(group)
        group.stages.append(measured)
    return groups


def run(
    reference: Backend,
    groups: Iterable[Group],
    pictures: Iterable[np.ndarray],
    limits: Thresholds,
    step: Callable[[], object],
) -> None:
    """Fill every group's and stage's figures.

    Args:
        reference: the Backend to measure against.
        groups: from `group_stages`.
        pictures: iterable of uint8 (H, W, 3) BGR.
        limits: the `Thresholds` to detect with; each model's spec says which NMS.
        step: called after each image.
    """
    for picture in pictures:
        for group in groups:
            _run_picture(reference, group, picture, limits)
        step()


def _run_picture(reference: Backend, group: Group, picture: np.ndarray, limits: Thresholds) -> None:
    tensor, placement = network_input(picture, group.spec, input_size=group.size)
    wanted = run_checked(reference, reference.spec, tensor)
    found = _detect(wanted, group.spec, placement, picture, limits)
    group.detections.append(found)
    for measured in group.stages:
        output = None
        if not measured.network_failure and not measured.stage.ends_in_boxes:
            output = _compare(measured, reference.spec, tensor, wanted)
        if measured.decoding:
            off = box_difference(wanted, measured.stage.backend.spec, group.spec, group.size)
            measured.box_max = max(measured.box_max, off, key=lambda v: np.inf if v != v else v)
        if not measured.network_failure and not measured.decoding_failure:
            own = _own_detections(measured, picture, tensor, placement, output, limits)
            if own is not None:
                twins, counted = count_twins(found, own)
                measured.twins, measured.twins_of = (
                    measured.twins + twins,
                    measured.twins_of + counted,
                )
                measured.detections.append(own)


def _compare(
    measured: Measured, spec: Spec, tensor: np.ndarray, wanted: np.ndarray
) -> np.ndarray | None:
    """Compare the raw outputs; return the stage's, None after a failure."""
    errors = measured.errors
    try:
        output = run_checked(measured.stage.backend, spec, tensor, wanted)
    except NanodetError as error:
        measured.network_failure, measured.tensor = str(error), tensor
        return None
    errors.add(wanted, output, tensor.shape[:1:-1])
    if errors.worst == errors.pictures - 1:
        measured.tensor = tensor
    return output


def _own_detections(
    measured: Measured,
    picture: np.ndarray,
    tensor: np.ndarray,
    placement: Placement,
    output: np.ndarray | None,
    limits: Thresholds,
) -> Detections | None:
    """Return what a user of the stage gets: with its own preprocessing and decoding."""
    backend = measured.stage.backend
    try:
        if measured.preprocessing:
            own, placement = network_input(picture, backend.spec)
            same = own.shape == tensor.shape
            off = float(np.abs(own - tensor).max()) if same else float("inf")
            measured.tensor_max = max(measured.tensor_max, off)
            tensor, output = own, None
        if measured.stage.ends_in_boxes:
            output = backend.run(tensor, limits.score, limits.nms_iou)
        elif output is None:
            output = backend.run(tensor)
        backend.spec.check_output(output, placement.canvas, backend.path)
    except NanodetError as error:
        measured.decoding_failure = str(error)
        return None
    return _detect(output, backend.spec, placement, picture, limits)


def _detect(
    output: np.ndarray, spec: Spec, placement: Placement, picture: np.ndarray, limits: Thresholds
) -> Detections:
    limits = Thresholds.of(limits, class_agnostic_nms=spec.class_agnostic_nms)
    return detections_of(output, spec, placement, picture.shape[1::-1], limits)
