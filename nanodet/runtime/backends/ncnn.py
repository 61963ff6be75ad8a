"""Runs an exported ncnn model."""

from pathlib import Path

import numpy as np

from nanodet.errors import NanodetError
from nanodet.runtime.files import sha256
from nanodet.runtime.spec import Spec

_MAGIC = "7767517"


class NcnnBackend:
    """See `nanodet.runtime.backends.Backend`; the spec lies beside the model as ``<stem>.json``."""

    def __init__(self, path, threads=None):
        try:
            import ncnn
        except ImportError:
            raise NanodetError(f"{path}: needs ncnn: pip install ncnn") from None
        self.path = str(path)
        param, weights = Path(path), Path(path).with_suffix(".bin")
        beside = param.with_suffix(".json")
        if not beside.is_file():
            raise NanodetError(
                f"{path}: its spec {beside} is not there; nanodet export CHECKPOINT writes both"
            )
        self.spec = Spec.load(beside)
        _check_files(param, weights, self.spec, beside)
        self.net = ncnn.Net()
        if threads:
            self.net.opt.num_threads = threads
        # the exported graph's numbers are those that were verified: full precision arithmetic
        self.net.opt.use_fp16_arithmetic = False
        self.net.opt.use_fp16_storage = False
        self.net.opt.use_fp16_packed = False
        self.net.opt.use_bf16_storage = False
        self._mat = ncnn.Mat
        # ncnn crashes instead of failing on many damaged files: hence the checks before
        if self.net.load_param(str(param)) != 0 or self.net.load_model(str(weights)) != 0:
            raise NanodetError(f"{path}: ncnn cannot load this model")
        names = set(self.net.input_names()), set(self.net.output_names())
        if self.spec.input_name not in names[0] or self.spec.output_name not in names[1]:
            raise NanodetError(
                f"{path}: its spec says input {self.spec.input_name} and output "
                f"{self.spec.output_name}, but it has {', '.join(names[0])} and {', '.join(names[1])}"
            )

    def run(self, tensor):
        extractor = self.net.create_extractor()
        # ncnn's Mat refers to this memory: it must live until extract is done
        picture = np.ascontiguousarray(tensor[0], np.float32)
        extractor.input(self.spec.input_name, self._mat(picture))
        status, output = extractor.extract(self.spec.output_name)
        if status != 0:
            raise NanodetError(f"{self.path}: ncnn failed to run the network (status {status})")
        return np.array(output, np.float32)


def _check_files(param, weights, spec, spec_file):
    if not weights.is_file():
        raise NanodetError(f"{param}: its weights {weights} are not there")
    try:
        first = param.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except UnicodeDecodeError:
        first = ""
    except OSError as error:
        raise NanodetError(f"{param}: cannot read this model ({error.strerror})") from None
    if first != _MAGIC:
        raise NanodetError(f"{param}: not an ncnn param file")
    for file in (param, weights):
        expected = spec.files.get(file.name)
        if expected is None:
            listed = ", ".join(spec.files) or "nothing"
            raise NanodetError(
                f"{spec_file}: files: {file.name} is not listed (it lists {listed}): was it renamed?"
            )
        if sha256(file) != expected:
            raise NanodetError(
                f"{file}: is not the file that {spec_file} describes (its SHA-256 differs)"
            )
