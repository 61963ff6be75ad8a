"""The spec inside an ONNX file, and the form in which every file leaves."""

import contextlib
import json
from types import ModuleType
from typing import TYPE_CHECKING

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.onnx_files.graph import import_onnx
from nanodet.runtime.quality import QualityPredictor
from nanodet.runtime.spec import ONNX_METADATA_KEY, Spec

if TYPE_CHECKING:
    import onnx

QUALITY = "nms/quality"  # prefix of the weights of the quality predictor in a graph with boxes


def write_spec(path: StrPath, spec: Spec) -> None:
    """Put the spec into the metadata of an ONNX file, in place of one that is there.

    The file cannot hold its own SHA-256, so ``files`` is empty in that copy. Every file passes here,
    and leaves in the lowest form that holds it, for the sake of older runtimes.
    """
    onnx = import_onnx(path)
    model = onnx.load(path)
    _lower(model, onnx)
    text = json.dumps({**spec.to_dict(), "files": {}}, ensure_ascii=False)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**kept, ONNX_METADATA_KEY: text})
    onnx.save(model, path)


def read_spec(model: "onnx.ModelProto", file: StrPath) -> Spec | None:
    """Return the `Spec` inside an ``onnx.ModelProto``, None without one that can be read."""
    for entry in model.metadata_props:
        if entry.key == ONNX_METADATA_KEY:
            with contextlib.suppress(NanodetError):
                return Spec.from_json(entry.value, str(file))
    return None


def read_quality(path: StrPath) -> QualityPredictor | None:
    """Return the quality predictor in the graph of a model that outputs boxes, None without one.

    Raises:
        NanodetError: its weights do not fit together, or the package ``onnx`` is missing.
    """
    onnx, prefix = import_onnx(path), f"{QUALITY}/"
    weights = {
        one.name.removeprefix(prefix): onnx.numpy_helper.to_array(one).ravel()
        for one in onnx.load(path).graph.initializer
        if one.name.startswith(prefix)
    }
    if not weights:
        return None
    try:
        features = len(weights["hidden_weight"]) // len(weights["hidden_bias"])
        return QualityPredictor.of(features // 4 - 1, **weights)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise NanodetError(f"{path}: the weights of its quality predictor do not fit") from None


def _lower(model: "onnx.ModelProto", onnx: ModuleType) -> None:
    """Give a model the lowest IR version that its operators allow.

    What only later versions have are notes on single nodes: the exporter's own stack traces, with
    the paths of this machine.
    """
    graph = model.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    for one in (graph, *graph.node, *values, *graph.initializer):
        one.ClearField("metadata_props")
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
