"""Runs an exported ncnn model."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from nanodet.errors import MissingSpecError, NanodetError
from nanodet.files import StrPath
from nanodet.files.files import sha256, text_name
from nanodet.files.incoming import is_file, published, read_steadily
from nanodet.files.inputs import PARAM, WEIGHTS, open_input
from nanodet.ncnn_files.graph import Graph, Layer
from nanodet.ncnn_files.rules import CONVOLUTIONS
from nanodet.ncnn_files.rules.maps import is_grouped
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.ncnn_files.weights import load_known_weights, load_weights
from nanodet.runtime.engines import PRECISIONS, Request, files_of, spec_file
from nanodet.runtime.engines.backend import Backend, check_form
from nanodet.runtime.engines.ncnn_trial import try_out
from nanodet.runtime.forks import is_inherited, keep_in_children
from nanodet.runtime.options import check_choice
from nanodet.runtime.outputs import rows_of
from nanodet.runtime.spec import Spec, check_input_size
from nanodet.runtime.spec_json import MAPS
from nanodet.text.names import shortened

_OPTIONS = (
    "lightmode", "openmp_blocktime", "use_packing_layout", "use_winograd_convolution",
    "use_sgemm_convolution", "use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic",
    "use_bf16_storage", "use_int8_inference", "use_int8_packed", "use_int8_storage",
    "use_int8_arithmetic",
)  # fmt: skip


def load(path: str | Path, request: Request) -> Backend:
    """See `nanodet.runtime.engines.load`."""
    return NcnnBackend(path, request.threads, request.precision, request.strict)


def describe(backend: Any) -> tuple[str, dict[str, Any]]:
    """See `nanodet.runtime.engines`."""
    return describe_net(backend.net)


def describe_net(net: Any) -> tuple[str, dict[str, Any]]:
    """Return ncnn's name and version, and the options of an ``ncnn.Net``."""
    import ncnn

    known = {name: getattr(net.opt, name) for name in _OPTIONS if hasattr(net.opt, name)}
    return f"ncnn {ncnn.__version__}", {"threads": net.opt.num_threads, **known}


class NcnnBackend:
    """See `nanodet.runtime.engines.backend.Backend`; the spec is the ``<stem>.json`` in the same folder.

    Args:
        path: the ``.param`` file.
        threads: CPU threads; None lets ncnn choose; see `nanodet.runtime.forks` for forked processes.
        precision: of the values between layers: ``fp32``, ``bf16`` (storage in bfloat16) or
            ``fp16`` (storage and arithmetic, if the CPU has it). Layers that the file
            quantises work in int8 in all three.
        strict: whether to refuse files, and an output, that do not match the spec.

    Attributes:
        graph: the `nanodet.ncnn_files.graph.Graph` of the file.
        net: the loaded ``ncnn.Net``.
    """

    def __init__(
        self,
        path: StrPath,
        threads: int | None = None,
        precision: str = "fp32",
        strict: bool = True,
    ) -> None:
        self.path = str(path)
        import_ncnn(path)
        read_steadily(path, lambda: self._load(Path(path), threads, precision, strict))
        keep_in_children(self)

    def _load(self, path, threads, precision, strict):
        (_, weights), beside = files_of(path), spec_file(path)
        if not is_file(beside):
            raise MissingSpecError(f"{path}: its spec {beside} does not exist: copy it too", path)
        self.spec = Spec.load(beside)
        check_input_size(self.spec.input_size, f"{beside}: input.width, input.height")
        self.graph = check_graph(path, weights)
        vouched = True
        try:
            check_files(path, weights, self.spec, beside)
        except NanodetError:
            if strict:
                raise
            vouched = False
        self._strict, self._vouched, self._known_sizes = strict, vouched, set()
        self._weights, self._precision = text_name(published(weights)), precision
        sure = self._check_shapes(self.spec.input_size)
        check_precision(self.graph, precision, path)
        load_known_weights(weights, self.graph, path)
        self._know(self.spec.input_size, sure)
        taker = self.graph.consumers().get(self.spec.input_name)
        # convolutions, the first layers of a detector, accept memory that ncnn has not allocated
        self._input_mat = import_ncnn(path).Mat if is_convolution(taker) else own_mat
        self.net = load_net(self.graph, path, weights, threads, precision)

    def _check_size(self, size: tuple[int, int]) -> None:
        """Check that the graph takes a (width, height): ncnn does not check it, and crashes."""
        if size not in self._known_sizes:
            self._know(size, self._check_shapes(size))

    def _check_shapes(self, size: tuple[int, int]) -> bool:
        """Check the shapes of the graph at a size; return whether all of them are known."""
        width, height = size
        # all layers are known to exist in ncnn
        others = (lambda kind: True) if self._vouched else None
        shapes = blob_shapes(self.graph, (3, height, width), self.path, others)
        inputs = dict.fromkeys(self.graph.inputs(), (1, 3, height, width))
        made = ((blob, shapes[blob]) for blob in self.graph.outputs())
        outputs = {
            blob: (1, *shape) if self._strict and shape is not None else None
            for blob, shape in made
        }
        check_form(self.spec.at_size(size), self.path, inputs, outputs)
        return None not in shapes.values()

    def _know(self, size: tuple[int, int], sure: bool) -> None:
        """Remember that a size can be run; try it out first unless that is certain."""
        if not sure:
            names = self.spec.input_name, *self.spec.output_names
            try_out(self.path, self.graph, self._weights, size, names, self._precision)
        self._known_sizes.add(size)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        if self.spec.layout == MAPS:
            return rows_of(self.maps(tensor), len(self.spec.class_names), self.path)
        return np.array(self._run(tensor)[0], np.float32)

    def maps(self, tensor: np.ndarray) -> list[np.ndarray]:
        """See `nanodet.runtime.engines.backend.MapsBackend`."""
        return [np.asarray(output) for output in self._run(tensor)]

    def _run(self, tensor):
        """Return an ``ncnn.Mat`` for each output."""
        self._check_size(tensor.shape[:1:-1])
        extractor = self.net.create_extractor()
        # ncnn's Mat refers to this memory, which must live until extract has finished
        picture = np.ascontiguousarray(tensor[0], np.float32)
        extractor.input(self.spec.input_name, self._input_mat(picture))
        outputs = []
        for name in self.spec.output_names:
            status, output = extractor.extract(name)
            if status != 0:
                raise NanodetError(f"{self.path}: ncnn failed to run the network (status {status})")
            # unknown layers may return other values
            if output.elemsize != 4 or output.elempack != 1:
                raise NanodetError(
                    f"{self.path}: its output holds values of {output.elemsize} bytes, not floats"
                )
            outputs.append(output)
        return outputs


def is_convolution(layer: Layer | None) -> bool:
    """Return whether a layer (None: unknown) allocates memory for its output."""
    return layer is not None and layer.kind in CONVOLUTIONS


def own_mat(picture: np.ndarray) -> Any:
    """Return a float32 (C, H, W) as an ``ncnn.Mat`` that owns its memory.

    ncnn's in-place layers end the process if they are given foreign memory.
    """
    import ncnn

    return ncnn.Mat(np.ascontiguousarray(picture, np.float32)).clone()


def import_ncnn(path: object) -> ModuleType:
    """Return the module ``ncnn``; raise a `NanodetError` that names ``path`` if it is not installed."""
    try:
        import ncnn
    except ImportError:
        raise NanodetError(f"{path}: needs ncnn: pip install ncnn") from None
    return ncnn


def check_model(param: StrPath, weights: StrPath) -> tuple[Graph, dict[str, Any]]:
    """Read both files of a model before ncnn does, which ends the process on many damaged ones.

    Returns:
        the `Graph`, and its weights as `nanodet.ncnn_files.weights.parse_weights` gives them.

    Raises:
        NanodetError: files that are damaged, truncated, do not belong together, or have unknown layers.
    """
    graph = check_graph(param, weights)
    return graph, load_weights(weights, graph, param)


def check_graph(param: StrPath, weights: StrPath) -> Graph:
    """Return the `Graph` of a ``.param`` that ncnn can run; see `check_model`."""
    ncnn = import_ncnn(param)
    graph = Graph.load(param)
    if not published(weights).exists():
        raise NanodetError(f"{param}: its weights {weights} do not exist")
    open_input(weights, WEIGHTS).close()
    for layer in graph.layers:
        if ncnn.layer_to_index(layer.kind) < 0:
            raise NanodetError(f"{param}: layer {layer.name}: ncnn has no layer {layer.kind}")
    return graph


def load_net(
    graph: Graph,
    param: StrPath,
    weights: StrPath,
    threads: int | None = None,
    precision: str = "fp32",
) -> Any:
    """Load two checked files into an ``ncnn.Net``; ``graph`` is what was read from ``param``."""
    ncnn = import_ncnn(param)
    net = ncnn.Net()
    set_options(net, threads, precision)
    # the graph as it was read and checked: ncnn's reader interprets some texts differently
    text = graph.without_hints().to_text()
    if net.load_param_mem(text) != 0 or net.load_model(text_name(published(weights))) != 0:
        raise NanodetError(f"{param}: ncnn cannot load this model")
    return net


def set_options(net: Any, threads: int | None = None, precision: str = "fp32") -> None:
    """Set threads and precision of an ``ncnn.Net`` that has no model yet.

    Raises:
        NanodetError: a precision that is not known, or that this CPU does not have.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision == "fp16" and not has_fp16_arithmetic():
        raise NanodetError("precision: fp16: this CPU has no 16-bit floating-point arithmetic")
    if is_inherited("ncnn"):
        threads = 1  # more would wait for a thread pool that the fork has not copied
    if threads:
        net.opt.num_threads = threads
    # by default ncnn uses whatever is fastest on this CPU: results would differ between machines
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = precision == "fp16"
    net.opt.use_fp16_arithmetic = precision == "fp16"
    net.opt.use_bf16_storage = net.opt.use_bf16_packed = precision == "bf16"


def check_precision(graph: Graph, precision: str, file: StrPath) -> None:
    """Raise `NanodetError` for layers that read out of bounds in ``bf16``."""
    grouped = next((layer for layer in graph.layers if is_grouped(layer)), None)
    if precision == "bf16" and grouped is not None:
        raise NanodetError(
            f"{file}: layer {grouped.name}: ncnn cannot run convolutions in groups in bf16; take fp32"
        )


def has_fp16_arithmetic() -> bool:
    """Return whether ncnn can calculate in 16-bit floating point on this CPU (ARM v8.2 or later)."""
    import ncnn

    return bool(ncnn.cpu_support_arm_asimdhp())


def check_files(param: Path, weights: Path, spec: Spec, spec_file: StrPath) -> None:
    """Raise `NanodetError` unless both files are those that ``spec`` describes, by SHA-256."""
    for file, kind in ((param, PARAM), (weights, WEIGHTS)):
        expected = spec.files.get(file.name)
        if expected is None:
            listed = shortened(spec.files) if spec.files else "nothing"
            raise NanodetError(
                f"{spec_file}: files: {file.name} is not listed (it lists {listed}): was it "
                f"renamed, or left from an earlier export?"
            )
        if sha256(file, kind) != expected:
            raise NanodetError(
                f"{file}: is not the file that {spec_file} describes (its SHA-256 differs)"
            )
