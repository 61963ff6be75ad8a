"""The stages of an export, made one after the other and compared with torch."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nanodet.compare.boxes import compare_boxes
from nanodet.compare.outputs import HALF, StageResult, compare_stages, format_table
from nanodet.compare.tensors import picture_tensors
from nanodet.config.beside import INTERMEDIATE
from nanodet.errors import NanodetError
from nanodet.export import ncnn_file, onnx_file, onnx_nms, quiet
from nanodet.export.specs import spec_with_files
from nanodet.export.stages import (
    BOXES,
    FP16,
    FP32,
    RAW,
    SIMPLIFIED,
    batch_stage,
    carries_spec,
    file_name,
)
from nanodet.model.torch_backend import TorchBackend
from nanodet.onnx_files.metadata import write_spec
from nanodet.runtime.engines import files_of, load, spec_file
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.engines.onnx import OnnxBackend
from nanodet.runtime.spec import Spec
from nanodet.runtime.spec_json import ROWS
from nanodet.text import Say

COMPARED_ONLY = ".hidden"  # in the work folder: models that are needed for a comparison alone


class StageBuilder:
    """Makes the stages of one export in a work folder, and compares each with torch.

    A stage that fails or differs is left out; the others go on.

    Args:
        reference: the `TorchBackend` of the checkpoint.
        spec: of the files to be, see `nanodet.export.export.export_spec`.
        wanted: names of the stages that are asked for.
        work: the folder, a `Path`.
        stem: of the file names.
        report: called with each line of progress and the table.

    Attributes:
        spec: of the full-precision files, with what is found out on the way.
        files: stage to model file, of the stages that are good so far.
        left_out: stage to why it is not.
        results: one `StageResult` per stage compared, those that were left out too.
    """

    def __init__(
        self,
        reference: TorchBackend,
        spec: Spec,
        wanted: Sequence[str],
        work: Path,
        stem: str,
        report: Say,
    ) -> None:
        self.reference, self.spec, self.wanted = reference, spec, wanted
        self.work, self.stem, self.report = work, stem, report
        self.files: dict[str, Path] = {}
        self.left_out: dict[str, str] = {}
        self.results: list[StageResult] = []
        for folder in (INTERMEDIATE, COMPARED_ONLY):
            (work / folder).mkdir()

    def path(self, stage: str) -> Path:
        """Return where a stage's file is made: in the folder that it is published from."""
        folder = self.work
        if stage not in self.wanted:
            folder /= INTERMEDIATE if stage in (RAW, SIMPLIFIED) else COMPARED_ONLY
        return folder / file_name(stage, self.stem)

    def build(self) -> None:
        """Write the files that are made of the network, one after the other."""
        raw, simplified = self.path(RAW), self.path(SIMPLIFIED)
        self.report("torch to ONNX")
        with quiet.stage("torch to ONNX"):
            onnx_file.write_raw(self.reference.network, self.spec, raw)
            write_spec(raw, self.spec)
        self.report("simplify and check the ONNX")
        with quiet.stage("simplify the ONNX"):
            onnx_file.simplify(raw, simplified, self.spec)
        with quiet.stage("check the ONNX"):
            onnx_file.check(simplified, self.spec, self.reference.network)
        self.files = {RAW: raw, SIMPLIFIED: simplified}
        for stage in (FP32, FP16):
            if stage in self.wanted or (stage == FP32 and FP16 in self.wanted):
                self.report(f"ONNX to {stage}")
                self._attempt(stage, self._convert, stage)

    def compare(self, tensors: Sequence[np.ndarray], images: str | Path | None) -> None:
        """Compare every stage with torch, here and at another size; leave out what differs."""
        stages = {}

        def load(stage: str) -> None:
            stages[stage] = _load(self.spec, self.files[stage])

        for stage in tuple(self.files):
            self._attempt(stage, load, stage)
        tolerances = {FP16: HALF}
        kind = f"{len(tensors)} {'generated' if images is None else 'real'} images"
        width, height = self.spec.input_size
        self.report(f"compare with torch on {kind} at {width}x{height}")
        self.results = compare_stages(self.reference, stages, tensors, tolerances)
        for line in format_table(self.results).split("\n"):
            self.report(line)
        for result in self.results:
            if not result.agrees:
                self._leave_out(result.name, result.problem)
        good = {stage: backend for stage, backend in stages.items() if stage in self.files}
        if self.spec.any_size:
            other = self.spec.at_size((width + 64, height + 32))
            elsewhere = compare_stages(
                self.reference, good, picture_tensors(other, images, 2), tolerances
            )
            any_size = all(result.agrees for result in elsewhere)
            self.spec = dataclasses.replace(self.spec, any_size=any_size)
        words = "yes, compared too" if self.spec.any_size else "no"
        self.report(f"other sizes (multiples of 32): {words}")
        self.spec = dataclasses.replace(self.spec, measured={"compared_on": kind})

    def build_more(self, tensors: Sequence[np.ndarray], batch: int | None) -> None:
        """Write and compare the ONNX files for other runtimes, as far as they are asked for."""
        for stage in self.wanted:
            if stage == BOXES:
                self._attempt(stage, self._boxes, tensors)
            elif stage not in (SIMPLIFIED, FP32, FP16):
                count = batch if stage == batch_stage(batch) else 1
                self._attempt(stage, self._fixed, stage, count, tensors)

    def finish(self) -> None:
        """Drop what was made for comparisons alone; raise where nothing is left to publish."""
        for stage in set(self.files) - {RAW, SIMPLIFIED} - set(self.wanted):
            del self.files[stage]
        if not set(self.files) & set(self.wanted):
            order = (*self.wanted, RAW, SIMPLIFIED, FP32)
            first = next(stage for stage in order if stage in self.left_out)
            raise NanodetError(f"export: {first}: {self.left_out[first]}")
        shutil.rmtree(self.work / COMPARED_ONLY)

    def _attempt(self, stage: str, function: Callable[..., str | None], *arguments: Any) -> None:
        """Call what makes a stage and report what it returns; leave the stage out where it fails."""
        try:
            with quiet.stage(stage):
                words = function(*arguments)
        except NanodetError as error:
            why = str(error).removeprefix(f"export: {stage}: ")
            self._leave_out(stage, why.replace(f"{self.work}{os.sep}", ""))
        else:
            if words:
                self.report(words)

    def _leave_out(self, stage: str, why: str) -> None:
        self.left_out[stage] = why
        self.files.pop(stage, None)
        path = self.path(stage)
        for file in (*files_of(path), spec_file(path)):
            file.unlink(missing_ok=True)

    def _convert(self, stage: str) -> None:
        """Write one of the ncnn forms."""
        path = self.path(stage)
        folder = self.work / INTERMEDIATE if stage in self.wanted else path.parent
        free = ncnn_file.convert(
            self.path(SIMPLIFIED), path, self.spec, stage == FP16, folder / f"{path.stem}-pnnx.log"
        )
        if stage == FP16 and FP32 in self.files:
            ncnn_file.check_half(self.files[FP32], path)
        self.spec = dataclasses.replace(self.spec, any_size=self.spec.any_size and free)
        self.files[stage] = path

    def _boxes(self, tensors: Sequence[np.ndarray]) -> str:
        """Write the ONNX file that ends in boxes, and compare its boxes with decoding."""
        if SIMPLIFIED not in self.files:
            raise NanodetError(f"needs {SIMPLIFIED}, which was left out")
        path, source, spec = self.path(BOXES), self.files[SIMPLIFIED], self.spec
        if spec.layout != ROWS:  # boxes are decoded from rows
            spec, source = (
                dataclasses.replace(spec, layout=ROWS),
                self.work / COMPARED_ONLY / "rows.onnx",
            )
            onnx_file.write_simplified(self.reference.network, spec, source)
        onnx_nms.write(source, path, spec)
        backends = OnnxBackend(path), OnnxBackend(self.files[SIMPLIFIED])
        count = compare_boxes(*backends, tensors)
        self.files[BOXES] = path
        return f"{BOXES}: the same {count} boxes as decoding gives, on the same images"

    def _fixed(self, stage: str, batch: int, tensors: Sequence[np.ndarray]) -> str:
        """Write an ONNX file of fixed shapes, and compare it with torch."""
        path, spec = self.path(stage), dataclasses.replace(self.spec, any_size=False, batch=batch)
        onnx_file.write_fixed(self.reference.network, spec, path)
        onnx_file.check(path, spec, self.reference.network)
        results = compare_stages(self.reference, {stage: OnnxBackend(path)}, tensors)
        self.results += results
        if not results[0].agrees:
            raise NanodetError(results[0].problem)
        self.files[stage] = path
        return f"{stage}: agrees with torch too"


def _load(spec: Spec, path: str | Path) -> Backend:
    """Return the backend of a model file; one that does not carry its spec needs it beside it."""
    if not carries_spec(path):
        spec_with_files(spec, path).save(spec_file(path))
    return load(path)
