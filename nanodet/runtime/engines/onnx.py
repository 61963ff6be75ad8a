"""Runs an exported ONNX model in ONNX Runtime."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.errors import MissingSpecError, NanodetError
from nanodet.files import StrPath
from nanodet.files.files import text_name
from nanodet.files.incoming import is_file, published, read_steadily
from nanodet.runtime.engines import Request, spec_file
from nanodet.runtime.engines.backend import Backend, check_form, check_rank
from nanodet.runtime.engines.onnx_check import check_onnx
from nanodet.runtime.forks import keep_in_children
from nanodet.runtime.outputs import rows_of
from nanodet.runtime.spec import ONNX_METADATA_KEY, Shape, Spec
from nanodet.runtime.spec_json import MAPS

# optional inputs of models of the form ``boxes``, float32 (), with defaults in the file
SCORE_INPUT, IOU_INPUT = "score_threshold", "iou_threshold"


def load(path: str | Path, request: Request) -> Backend:
    """See `nanodet.runtime.engines.load`."""
    return OnnxBackend(path, request.threads, request.strict)


def describe(backend: Any) -> tuple[str, dict[str, Any]]:
    """See `nanodet.runtime.engines`."""
    import onnxruntime

    options = backend.session.get_session_options()
    return f"onnxruntime {onnxruntime.__version__}", {"threads": options.intra_op_num_threads}


class OnnxBackend:
    """See `nanodet.runtime.engines.backend.Backend`; the spec is read from the model's metadata.

    Args:
        path: the ``.onnx`` file.
        threads: CPU threads; None lets ONNX Runtime choose.
        strict: whether to refuse an output that does not match the spec.
    """

    def __init__(self, path: StrPath, threads: int | None = None, strict: bool = True) -> None:
        _import_onnxruntime(path)
        keep_in_children(self)
        self.path = str(path)
        read_steadily(path, lambda: self._load(path, threads, strict))

    def _load(self, path, threads, strict):
        file = text_name(published(path))
        check_onnx(path)
        self.session = open_session(file, path, threads)
        text = self.session.get_modelmeta().custom_metadata_map.get(ONNX_METADATA_KEY)
        beside = spec_file(path)
        if text is not None:
            self.spec = Spec.from_json(text, f"{path} (its own spec)")
        elif is_file(beside):
            self.spec = Spec.load(beside)
        else:
            raise MissingSpecError(f"{path}: contains no spec, and {beside} does not exist", path)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        for node in inputs:
            if node.type != "tensor(float)":
                raise NanodetError(f"{path}: its input {node.name} is {node.type}, not float32")
        made = _shapes(outputs)
        check_form(self.spec, path, _shapes(inputs), made if strict else dict.fromkeys(made))

    def run(
        self, tensor: np.ndarray, score: float | None = None, nms_iou: float | None = None
    ) -> np.ndarray:
        """See `nanodet.runtime.engines.backend.Backend`.

        Args:
            score, nms_iou: thresholds, only for models of the form ``boxes``; None: the
                model's.
        """
        spec, inputs = self.spec, {self.spec.input_name: tensor}
        if spec.form == "boxes":
            inputs |= self._thresholds({SCORE_INPUT: score, IOU_INPUT: nms_iou})
            boxes, scores, labels = self._run(inputs)
            return np.concatenate([boxes, scores[:, None], labels[:, None]], 1, dtype=np.float32)
        return self._rows(self.maps(tensor))

    def maps(self, tensor: np.ndarray) -> list[np.ndarray]:
        """See `nanodet.runtime.engines.backend.MapsBackend`; of the layout ``rows``: its one output."""
        if self.spec.batch > 1:
            tensor = np.repeat(tensor, self.spec.batch, axis=0)
        return [output[0] for output in self._run({self.spec.input_name: tensor})]

    def _rows(self, outputs):
        """Return the rows of one image."""
        if self.spec.layout == MAPS:
            return rows_of(outputs, len(self.spec.class_names), self.path)
        return np.ascontiguousarray(outputs[0])

    def run_slots(self, tensor: np.ndarray) -> np.ndarray:
        """Run an image at every position of the batch, with its mirror image at the others.

        Returns:
            float32 (batch, points, channels): the output at each position; all should be equal.
        """
        spec, found = self.spec, []
        for turn in (0, 1):
            ours = np.arange(spec.batch) % 2 == turn
            batch = np.where(ours[:, None, None, None], tensor, tensor[..., ::-1])
            outputs = self._run({spec.input_name: batch})
            found += [self._rows([one[slot] for one in outputs]) for slot in np.flatnonzero(ours)]
        return np.stack(found)

    def _run(self, inputs):
        names = self.spec.output_names
        try:
            found = self.session.run(names, inputs)
        except Exception as error:
            raise NanodetError(f"{self.path}: the network failed ({_first_line(error)})") from None
        usual = (4 if self.spec.layout == MAPS else 3,) * len(names)
        ranks = usual if self.spec.form != "boxes" else (2, 1, 1)
        for name, value, rank in zip(names, found, ranks, strict=True):
            check_rank(self.path, name, value, rank)
        return found

    def _thresholds(self, wanted):
        """Return the inputs for thresholds that differ from those in the file."""
        inside = {SCORE_INPUT: self.spec.score, IOU_INPUT: self.spec.nms_iou}
        changed = {k: v for k, v in wanted.items() if v is not None and v != inside[k]}
        can = {node.name for node in self.session.get_overridable_initializers()}
        for name in changed.keys() - can:
            raise NanodetError(f"{self.path}: its {name} is fixed at {inside[name]:g}")
        return {name: np.array(value, np.float32) for name, value in changed.items()}


def open_session(model: str | bytes, path: StrPath, threads: int | None = None) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of a file, or of the bytes of one.

    Args:
        model: path or bytes, checked by `nanodet.runtime.engines.onnx_check`.
        path: names the model in messages.
        threads: CPU threads; None lets ONNX Runtime choose.

    Raises:
        NanodetError: the engine cannot use it.
    """
    onnxruntime = _import_onnxruntime(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # its errors are also raised as exceptions
    # spinning threads would occupy the cores between two images
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads:
        options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the engine's exceptions have no common base class
        raise NanodetError(f"{path}: not a usable ONNX model ({_first_line(error)})") from None


def _import_onnxruntime(path: StrPath) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise NanodetError(f"{path}: needs onnxruntime: pip install onnxruntime") from None
    return onnxruntime


def _shapes(nodes: Iterable[Any]) -> dict[str, Shape | None]:
    """Return name to shape; ONNX Runtime gives strings for sides that are not fixed."""
    return {
        node.name: tuple(side if isinstance(side, int) else None for side in node.shape) or None
        for node in nodes
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
