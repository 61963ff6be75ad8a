"""Runs an exported ONNX model in OpenVINO, on the CPU."""

from pathlib import Path
from typing import Any

import numpy as np

from nanodet.errors import MissingSpecError, NanodetError
from nanodet.files import StrPath
from nanodet.files.incoming import is_file, published, read_steadily
from nanodet.runtime.engines import Request, spec_file
from nanodet.runtime.engines.backend import Backend, check_form, check_rank
from nanodet.runtime.engines.onnx_check import check_onnx
from nanodet.runtime.forks import is_inherited, keep_in_children, refuse_fork
from nanodet.runtime.outputs import rows_of
from nanodet.runtime.spec import ONNX_METADATA_KEY, Shape, Spec
from nanodet.runtime.spec_json import MAPS


def load(path: str | Path, request: Request) -> Backend:
    """See `nanodet.runtime.engines.load`."""
    return OpenvinoBackend(path, request.threads, request.strict)


def describe(backend: Any) -> tuple[str, dict[str, Any]]:
    """See `nanodet.runtime.engines`."""
    import openvino

    return f"openvino {openvino.__version__}", dict(backend.options)


class OpenvinoBackend:
    """See `nanodet.runtime.engines.backend.Backend`; the spec is read from the model's metadata.

    Args:
        path: the ``.onnx`` file.
        threads: CPU threads; None lets OpenVINO choose.
        strict: whether to refuse an output that does not match the spec.
    """

    def __init__(self, path: StrPath, threads: int | None = None, strict: bool = True) -> None:
        if is_inherited(
            "openvino"
        ):  # it may wait forever, if the parent was running it at the time
            refuse_fork(f"{path}: OpenVINO cannot run")
        try:
            import openvino
        except ImportError:
            raise NanodetError(f"{path}: needs openvino: pip install openvino") from None
        keep_in_children(self)
        self.path, self._core, self._strict = str(path), openvino.Core(), strict
        # by default OpenVINO uses bfloat16 if the CPU has it: results would differ between machines
        self.options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            self.options["INFERENCE_NUM_THREADS"] = threads
        self._compiled: dict[tuple[int, ...], Any] = {}
        read_steadily(path, lambda: self._load(path))
        self._check_form(self.spec.input_size)
        self._request(self.spec.input_size)

    def _load(self, path):
        check_onnx(path)
        try:
            self._model = self._core.read_model(str(published(path)))
        except Exception as error:  # OpenVINO's exceptions have no specific class
            raise NanodetError(f"{path}: not a usable ONNX model ({_line(error)})") from None
        self.spec = self._read_spec(path)
        if self.spec.form == "boxes":
            raise NanodetError(f"{path}: outputs {self.spec.form}, which needs ONNX Runtime")
        if self.spec.batch > 1:
            raise NanodetError(
                f"{path}: takes {self.spec.batch} images at once, which needs ONNX Runtime"
            )

    def _read_spec(self, path):
        key = ["framework", ONNX_METADATA_KEY]
        if self._model.has_rt_info(key):
            text = str(self._model.get_rt_info(key).value)
            return Spec.from_json(text, f"{path} (its own spec)")
        beside = spec_file(path)
        if not is_file(beside):
            raise MissingSpecError(f"{path}: contains no spec, and {beside} does not exist", path)
        return Spec.load(beside)

    def _check_form(self, size):
        ports = self._model.inputs, self._model.outputs
        inputs, outputs = (
            {one.any_name: _shape(one.partial_shape) for one in side} for side in ports
        )
        if not self._strict:
            outputs = dict.fromkeys(outputs)
        check_form(self.spec.at_size(size), self.path, inputs, outputs)

    def _request(self, size):
        """Return the compiled model for a (width, height): OpenVINO is fastest with fixed shapes."""
        if size not in self._compiled:
            width, height = size
            try:
                self._model.reshape({self.spec.input_name: [1, 3, height, width]})
                self._check_form(size)
                compiled = self._core.compile_model(self._model, "CPU", self.options)
            except NanodetError:
                raise
            except Exception as error:
                raise NanodetError(
                    f"{self.path}: OpenVINO cannot run it at {width} x {height} ({_line(error)})"
                ) from None
            self._compiled[size] = compiled
        return self._compiled[size].create_infer_request()

    def run(self, tensor: np.ndarray) -> np.ndarray:
        outputs = self.maps(tensor)
        if self.spec.layout == MAPS:
            return rows_of(outputs, len(self.spec.class_names), self.path)
        return outputs[0]

    def maps(self, tensor: np.ndarray) -> list[np.ndarray]:
        """See `nanodet.runtime.engines.backend.MapsBackend`; of the layout ``rows``: its one output."""
        request = self._request(tensor.shape[:1:-1])
        try:
            output = request.infer({self.spec.input_name: np.ascontiguousarray(tensor, np.float32)})
        except Exception as error:
            raise NanodetError(f"{self.path}: the network failed ({_line(error)})") from None
        made = []
        for name in self.spec.output_names:
            check_rank(self.path, name, output[name], 4 if self.spec.layout == MAPS else 3)
            made.append(np.array(output[name][0], np.float32))
        return made


def _shape(partial: Any) -> Shape | None:
    if partial.rank.is_dynamic:
        return None
    return tuple(None if side.is_dynamic else side.get_length() for side in partial)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
