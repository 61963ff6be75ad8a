"""`Detector`: loads a model file and detects objects in images."""

import os
from typing import Any, cast

import numpy as np

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import is_file
from nanodet.files.inputs import absence
from nanodet.images.limits import check_picture
from nanodet.runtime.decode import detections_of
from nanodet.runtime.detections import Detections
from nanodet.runtime.engines import PRECISIONS, Request, choices, load
from nanodet.runtime.engines.backend import BoxesBackend, MapsBackend
from nanodet.runtime.fit import FITS, Placement
from nanodet.runtime.forks import fork_count, keep_in_children
from nanodet.runtime.options import (
    check_choice,
    check_size,
    check_threads,
)
from nanodet.runtime.preprocess import network_input
from nanodet.runtime.spec import Output, check_input_size
from nanodet.runtime.spec_json import MAPS
from nanodet.runtime.thresholds import Thresholds, check_thresholds
from nanodet.text.brief import brief


class Detector:
    """A trained model that finds objects in images.

    A detector can be used in a forked process; an ncnn model or a checkpoint then runs with one thread
    if the parent had loaded its library, and OpenVINO is refused. It can be pickled, for spawned ones.

    Opening a model writes no file, except for a published model that is not in the cache. A model that
    another process is replacing is opened either in its old or in its new state.

    Args:
        path: ``.ckpt`` or ``.pth`` (needs torch), ``.onnx`` or ``.param``; or the name of a
            published model (``nanodet download`` lists them), which is downloaded if it is not cached.
        config: config file for a checkpoint that contains none; not for exported models.
        fit: ``own``, ``letterbox`` or ``stretch``; None: the model's.
        size: (width, height) of the network's input; None: the model's.
        threads: CPU threads of the inference engine; None lets it choose.
        engine: for ``.onnx`` files, ``onnxruntime`` (the default) or ``openvino``.
        score, nms_iou, per_level, per_picture, class_agnostic_nms: see
            `nanodet.runtime.thresholds.Thresholds`; None: the model's. A score is for all classes,
            also of a model with scores per class.
        precision: of the arithmetic of a ``.param``, see `nanodet.runtime.engines.ncnn`; other
            kinds of model only have ``fp32``.

    Attributes:
        spec: the inputs and outputs of the model.
        backend: runs the network.
        config: the config of a checkpoint, None for other models.
        thresholds: the thresholds in use.

    Raises:
        NanodetError: the file is missing, damaged or does not fit its spec; an argument of another
            type or out of range.

    Example:
        >>> detections = Detector("nanodet-m_320")(cv2.imread("street.jpg"))
        >>> detections.xyxy, detections.confidence, detections.class_id
    """

    def __init__(
        self,
        path: StrPath,
        config: Any = None,
        fit: str | None = None,
        size: tuple[int, int] | None = None,
        threads: int | None = None,
        score: float | None = None,
        nms_iou: float | None = None,
        per_level: int | None = None,
        per_picture: int | None = None,
        precision: str = "fp32",
        engine: str | None = None,
        class_agnostic_nms: bool | None = None,
    ) -> None:
        limits: dict[str, Any] = {
            "score": score, "nms_iou": nms_iou, "per_level": per_level, "per_picture": per_picture,
            "class_agnostic_nms": class_agnostic_nms,
        }  # fmt: skip
        check_thresholds(**limits)
        threads = check_threads(threads)
        size = None if size is None else check_size(size)
        if fit is not None:
            check_choice("fit", fit, FITS)
        if engine is not None:
            check_choice("engine", engine, choices())
        check_choice("precision", precision, PRECISIONS)
        path = find_model(path)
        # a forked or spawned process may have changed its folder before it loads the model again
        request = Request(threads, precision, config=config)
        self._source = os.path.abspath(path), request, engine
        self._forks = fork_count()
        keep_in_children(self)
        self.backend = load(path, request, engine)
        self.spec = self._loaded_spec = self.backend.spec
        self.config = getattr(self.backend, "config", None)
        self.fit = fit or self.spec.fit
        self.size = size or self.spec.input_size
        if self.fit == "letterbox" or not self.spec.any_size:
            check_input_size(self.size, "--size" if size else str(path))
        changed = self.size != self.spec.input_size or self.fit == "own"
        if changed and not self.spec.any_size:
            width, height = self.spec.input_size
            raise NanodetError(
                f"{path}: was exported for {width}x{height} only; it cannot take "
                f"{'fit own' if self.fit == 'own' else f'{self.size[0]}x{self.size[1]}'}"
            )
        self.thresholds = Thresholds.of(self.spec, **limits)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    def __call__(self, picture: np.ndarray) -> Detections:
        """Find objects in one image.

        Args:
            picture: uint8 (H, W, 3) BGR, as OpenCV reads it.

        Returns:
            `Detections`, best first, in pixels of the image.
        """
        tensor, placement = self.preprocess(picture)
        return self.decode(self.run(tensor), placement, picture.shape)

    def run(self, tensor: np.ndarray) -> Output:
        """Return the raw output of a tensor, see `nanodet.runtime.engines.backend.Backend.run`.

        Of a model of the layout ``maps``: a list of one array per level, see `MapsBackend.maps` there.
        """
        if self._forks != fork_count():
            self._reload()
        if self.spec.form == "boxes":
            backend = cast(BoxesBackend, self.backend)
            return backend.run(tensor, self.thresholds.lowest_score, self.thresholds.nms_iou)
        if self.spec.layout == MAPS:
            return cast(MapsBackend, self.backend).maps(tensor)
        return self.backend.run(tensor)

    def _reload(self) -> None:
        """Load the model in this process, if it was loaded in one that forked or pickled it."""
        path = self._source[0]
        go_on = getattr(self.backend, "go_on", None)
        if go_on is not None:
            go_on()
        else:
            backend = load(*self._source)
            if backend.spec != self._loaded_spec:
                raise NanodetError(
                    f"{path}: has been replaced by a different model since it was loaded"
                )
            self.backend = backend
        self._forks = fork_count()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"backend": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reload()

    def preprocess(self, picture: np.ndarray) -> tuple[np.ndarray, Placement]:
        """Return the tensor (1, 3, H, W) and the `Placement` of an image."""
        check_picture(picture)
        return network_input(picture, self.spec, self.fit, self.size)

    def decode(
        self, output: Output, placement: Placement, picture_shape: tuple[int, ...]
    ) -> Detections:
        """Return the `Detections` of a raw output in pixels of the image."""
        self.spec.check_output(output, placement.canvas, self.backend.path)
        if self.spec.form == "boxes":
            self._check_fixed()
        height, width = picture_shape[:2]
        return detections_of(output, self.spec, placement, (width, height), self.thresholds)

    def _check_fixed(self) -> None:
        """Raise `NanodetError` for a threshold that is fixed in the graph of a model that outputs boxes."""
        spec, wanted = self.spec, self.thresholds
        for name, fine in (
            ("per_level", wanted.per_level == spec.per_level),
            ("per_picture", wanted.per_picture <= spec.per_picture),
            ("class_agnostic_nms", wanted.class_agnostic_nms == spec.class_agnostic_nms),
        ):
            if not fine:
                raise NanodetError(
                    f"{self.backend.path}: its {name} is fixed at {getattr(spec, name)}, because it "
                    "includes decoding; export it again for a different value"
                )


def find_model(path: StrPath) -> str:
    """Return the path of a model given by its path or its published name.

    No file is written, except for a published model that is not in the cache; the files of a killed
    export are read where it left them, see `nanodet.files.incoming`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise NanodetError(f"model: must be the path or the name of one, not {brief(path)}")
    if is_file(path):  # also false for invalid names
        return str(path)
    if os.path.isdir(path):
        raise NanodetError(f"{path}: is a folder; give one model file in it")
    from nanodet.hub.models import meant, model_file

    found = model_file(path)
    if not is_file(found):
        raise NanodetError(absence(path, f"there is no such model file{meant(path)}"))
    return found
