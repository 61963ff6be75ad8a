"""A checkpoint as a TorchScript file, for LibTorch: traced, read again and compared with torch."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanodet.compare.outputs import StageResult, compare_stages, format_table
from nanodet.compare.tensors import picture_tensors
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.export.export import export_spec
from nanodet.export.graph import ExportGraph
from nanodet.export.quiet import stage
from nanodet.files.files import check_writable, replacing
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.spec import Spec, check_input_size
from nanodet.stopping import held_back
from nanodet.text import Say
from nanodet.text.printable import say

STAGE = "torchscript"
SPEC_FILE = "nanodet.json"  # of the spec inside the archive: torch.jit.load's _extra_files


class TorchScriptBackend:
    """A TorchScript file as a `nanodet.runtime.engines.backend.Backend`.

    Attributes:
        spec: as the file carries it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        extra: dict[str, Any] = {SPEC_FILE: ""}  # torch puts bytes in its place
        self._module = torch.jit.load(self.path, map_location="cpu", _extra_files=extra)
        self.spec = Spec.from_json(extra[SPEC_FILE].decode(), self.path)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self._module(torch.from_numpy(tensor))[0].numpy()


def export_torchscript(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | Config | None = None,
    size: tuple[int, int] | None = None,
    report: Say = say,
) -> StageResult:
    """Write a checkpoint as TorchScript, which takes and gives what the ONNX file does.

    Any batch and any multiples of 32 go in; the batch norms are folded, scores are after sigmoid.

    Args:
        checkpoint: ``.ckpt`` or ``.pth``; averaged weights are taken where it has them.
        out: the file to write, its spec inside; it appears after it agreed with torch.
        config: config file of a checkpoint that carries none.
        size: (width, height) that the spec names, multiples of 32; None: the config's
            ``data.val.input_size``.
        report: called with each line of progress and the table.

    Returns:
        the `StageResult` of the comparison.

    Raises:
        NanodetError: bad input, or the file computes something else than torch.
    """
    out = Path(out)
    check_writable(out)
    reference = TorchBackend(checkpoint, config)
    spec = export_spec(reference, size)
    check_input_size(spec.input_size, "--size" if size else f"{checkpoint}: data.val.input_size")
    width, height = spec.input_size
    with replacing(out) as temporary:
        report("torch to TorchScript")
        with stage("torch to TorchScript"):
            graph = ExportGraph(reference.network).requires_grad_(False)
            with held_back():
                traced = torch.jit.trace(graph, torch.zeros(1, 3, height, width))
            text = json.dumps(spec.to_dict(), ensure_ascii=False)
            data = BytesIO()  # into a file on a full disk, torch ends the process
            torch.jit.save(traced, data, _extra_files={SPEC_FILE: text})
            temporary.write_bytes(data.getbuffer())
        with stage("load what was exported"):
            backend = TorchScriptBackend(temporary)
        other = spec.at_size((width + 64, height + 32))
        tensors = [*picture_tensors(spec), *picture_tensors(other, count=2)]
        report(f"compare with torch on {len(tensors)} generated images at two sizes")
        (result,) = compare_stages(reference, {STAGE: backend}, tensors)
        for line in format_table([result]).split("\n"):
            report(line)
        if not result.agrees:
            raise NanodetError(f"export: {STAGE}: {result.failure or 'differs from torch'}")
    return result
