"""A checkpoint to ONNX and ncnn files that compute what torch computes."""

import dataclasses
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

import nanodet
from nanodet.compare.outputs import HALF, compare_stages, format_table
from nanodet.compare.tensors import picture_tensors
from nanodet.config import save_config
from nanodet.errors import NanodetError
from nanodet.evaluate.source import INTERMEDIATE, config_name
from nanodet.export import earlier, ncnn_file, onnx_file, onnx_nms
from nanodet.export.quiet import stage
from nanodet.export.stages import (
    BOTH,
    BOXES,
    FP16,
    FP32,
    RAW,
    SIMPLIFIED,
    batch_stage,
    chosen_stages,
    file_name,
    files_of,
)
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.backends.ncnn import NcnnBackend
from nanodet.runtime.backends.onnx import OnnxBackend
from nanodet.runtime.files import make_folder, sha256
from nanodet.runtime.spec import check_input_size

FITS = ("letterbox", "stretch")


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        files: stage to model file (``.onnx`` or ``.param``) in the output folder.
        results: one `StageResult` per stage compared, those that were left out too.
        spec: of the full-precision files.
        seconds: the whole export took.
        left_out: stage that was asked for to why it was not written.
    """

    files: dict
    results: list
    spec: object
    seconds: float
    left_out: dict = field(default_factory=dict)


def export(
    checkpoint, out, config=None, formats=BOTH, size=None, fit=None, images=None, name=None,
    report=print, nms=False, class_agnostic_nms=None, static=False, batch=None,
):  # fmt: skip
    """Export a checkpoint and prove that every stage computes what torch computes.

    A stage that fails or differs is left out, the others are written.

    Args:
        checkpoint: ``.ckpt`` or ``.pth``; averaged weights are taken where it has them.
        out: folder for the files; they appear there after they were compared, and what was there
            before stays until then.
        config: config file (or `Config`) of a checkpoint that carries none.
        formats: of `nanodet.export.stages.FORMATS`.
        size: (width, height), multiples of 32; None: the config's ``data.val.input_size``.
        fit: ``letterbox`` or ``stretch``; None: stretch for the config's stretch, else letterbox.
        images: folder of pictures to compare on; None generates some.
        name: stem of the files; None: see `default_name`.
        report: called with each line of progress and the table.
        nms: write ``<stem>-nms.onnx`` too, which ends in boxes.
        class_agnostic_nms: what the files' specs say of NMS; None: the config's
            ``evaluator.class_agnostic_nms``.
        static: write ``<stem>-static.onnx`` too, whose shapes are all fixed.
        batch: 2 or more: write ``<stem>-batch<N>.onnx`` too, with fixed shapes and so many pictures.

    Returns:
        `Exported`.

    Raises:
        NanodetError: bad input, or no stage that was asked for could be made and agreed.
    """
    started = time.perf_counter()
    wanted = chosen_stages(formats, nms, static, batch)
    name = default_name(checkpoint) if name is None else name
    check_stem(name, "--name")
    reference = TorchBackend(checkpoint, config)
    spec = export_spec(reference, size, fit, class_agnostic_nms)
    check_input_size(spec.input_size, "--size" if size else f"{checkpoint}: data.val.input_size")
    tensors = picture_tensors(spec, images)
    make_folder(out)
    out = Path(out)
    try:
        work = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    except OSError as error:
        raise NanodetError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        (work / INTERMEDIATE).mkdir()
        (work / _HIDDEN).mkdir()
        # says what data belongs to the model: `nanodet eval` and `nanodet quantize` look for it
        save_config(reference.config, work / INTERMEDIATE / config_name(name))
        making = _Making(reference, spec, wanted, work, name, report)
        making.build()
        making.compare(tensors, images)
        making.build_more(tensors, batch)
        making.finish()
        listed = _write_specs(making, out)
        left_out = {one: making.left_out[one] for one in wanted if one in making.left_out}
        _publish(work, out)
        earlier.tell_strangers(out, name, making.spec, listed, left_out, report)
    except OSError as error:
        raise NanodetError(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    placed = {one: out / path.relative_to(work) for one, path in making.files.items()}
    for one, why in left_out.items():
        report(f"{one}: left out: {why}")
    return Exported(placed, making.results, making.spec, time.perf_counter() - started, left_out)


def check_stem(name, option):
    """Raise a `NanodetError` that names ``option`` unless files may have the stem ``name``."""
    plain = name.isprintable() and name == name.strip() and not set(name) & set("/\\")
    if not plain or not name or name.startswith((".", "-")):
        raise NanodetError(f"{option}: {name!r} cannot be the stem of a file name")


def default_name(checkpoint):
    """Return the stem for a checkpoint's files: its own, or its run folder's.

    ``model_best/model_best.ckpt`` and ``model_last.ckpt`` are called alike in every run.
    """
    path = Path(checkpoint).resolve()
    if not re.fullmatch(r"(nanodet_)?model_(best|last)", path.stem):
        return path.stem.replace(" ", "_")
    folder = path.parent.parent if path.parent.name == "model_best" else path.parent
    return folder.name.replace(" ", "_") or path.stem


def export_spec(reference, size=None, fit=None, class_agnostic_nms=None):
    """Return the spec of the files to be: as the config says, with a fit of fixed size."""
    spec, checkpoint = reference.spec, reference.checkpoint
    if fit is not None and fit not in FITS:
        raise NanodetError(f"--fit: must be one of {', '.join(FITS)}, not {fit!r}")
    source = {
        "checkpoint": Path(checkpoint.path).name,
        "sha256": sha256(checkpoint.path),
        "averaged": checkpoint.averaged,
        "nanodet": nanodet.__version__,
        "torch": torch.__version__,
    }
    if checkpoint.epoch is not None:
        source["epoch"] = checkpoint.epoch
    usual = "stretch" if spec.fit == "stretch" else "letterbox"
    # what was chosen against the config is kept, so that verify can tell it from a mistake
    if fit not in (None, usual):
        source["fit"] = fit
    if size is not None and tuple(size) != tuple(spec.input_size):
        source["size"] = list(size)
    if class_agnostic_nms is not None:
        spec = dataclasses.replace(spec, class_agnostic_nms=class_agnostic_nms)
    return dataclasses.replace(
        spec,
        input_size=tuple(size or spec.input_size),
        fit=fit or usual,
        any_size=True,
        source=source,
    )


_HIDDEN = ".hidden"  # in the work folder: made for a comparison alone


class _Making:
    """The stages of one export, in a folder of their own.

    Attributes:
        spec: of the full-precision files, with what is found out on the way.
        files: stage to model file, of the stages that are good so far.
        left_out: stage to why it is not.
        results: see `Exported`.
    """

    def __init__(self, reference, spec, wanted, work, name, report):
        self.reference, self.spec, self.wanted = reference, spec, wanted
        self.work, self.name, self.report = work, name, report
        self.files, self.left_out, self.results = {}, {}, []

    def path(self, one):
        """Return where a stage's file is made: in the folder that it is published from."""
        folder = self.work
        if one not in self.wanted:
            folder /= INTERMEDIATE if one in (RAW, SIMPLIFIED) else _HIDDEN
        return folder / file_name(one, self.name)

    def build(self):
        """Write the files that are made of the network one after the other."""
        raw, simplified = self.path(RAW), self.path(SIMPLIFIED)
        self.report("torch to ONNX")
        with stage("torch to ONNX"):
            onnx_file.write_raw(self.reference.network, self.spec, raw)
            onnx_file.write_spec(raw, self.spec)
        self.report("simplify and check the ONNX")
        with stage("simplify the ONNX"):
            onnx_file.simplify(raw, simplified, self.spec)
        with stage("check the ONNX"):
            onnx_file.check(simplified, self.spec, self.reference.network)
        self.files = {RAW: raw, SIMPLIFIED: simplified}
        for one in (FP32, FP16):
            if one in self.wanted or (one == FP32 and FP16 in self.wanted):
                self.report(f"ONNX to {one}")
                self._attempt(one, self._convert, one)

    def compare(self, tensors, images):
        """Compare every stage with torch, here and at another size; leave out what differs."""
        stages = {}

        def load(one):
            stages[one] = _load(self.spec, self.files[one])

        for one in tuple(self.files):
            self._attempt(one, load, one)
        tolerances = {FP16: HALF}
        kind = f"{len(tensors)} {'generated' if images is None else 'real'} pictures"
        width, height = self.spec.input_size
        self.report(f"compare with torch on {kind} at {width}x{height}")
        self.results = compare_stages(self.reference, stages, tensors, tolerances)
        self.report(format_table(self.results))
        for result in self.results:
            if not result.agrees:
                self._leave_out(result.name, result.problem)
        good = {one: backend for one, backend in stages.items() if one in self.files}
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

    def build_more(self, tensors, batch):
        """Write and compare the ONNX files for other runtimes, as far as they are asked for."""
        for one in self.wanted:
            if one == BOXES:
                self._attempt(one, self._boxes, tensors)
            elif one not in (SIMPLIFIED, FP32, FP16):
                count = batch if one == batch_stage(batch) else 1
                self._attempt(one, self._fixed, one, count, tensors)

    def finish(self):
        """Drop what was made for comparisons alone; raise where nothing is left to publish."""
        for one in set(self.files) - {RAW, SIMPLIFIED} - set(self.wanted):
            del self.files[one]
        if not set(self.files) & set(self.wanted):
            one = next(one for one in (*self.wanted, RAW, SIMPLIFIED, FP32) if one in self.left_out)
            raise NanodetError(f"export: {one}: {self.left_out[one]}")
        shutil.rmtree(self.work / _HIDDEN)

    def _attempt(self, one, function, *arguments):
        """Call what makes a stage and report what it returns; leave the stage out where it fails."""
        try:
            with stage(one):
                words = function(*arguments)
        except NanodetError as error:
            why = str(error).removeprefix(f"export: {one}: ")
            self._leave_out(one, why.replace(f"{self.work}{os.sep}", ""))
        else:
            if words:
                self.report(words)

    def _leave_out(self, one, why):
        self.left_out[one] = why
        self.files.pop(one, None)
        path = self.path(one)
        for file in (*files_of(path), path.with_suffix(".json")):
            file.unlink(missing_ok=True)

    def _convert(self, one):
        """Write one of the ncnn forms."""
        path = self.path(one)
        folder = self.work / INTERMEDIATE if one in self.wanted else path.parent
        free = ncnn_file.convert(
            self.path(SIMPLIFIED), path, self.spec, one == FP16, folder / f"{path.stem}-pnnx.log"
        )
        if one == FP16 and FP32 in self.files:
            ncnn_file.check_half(self.files[FP32], path)
        self.spec = dataclasses.replace(self.spec, any_size=self.spec.any_size and free)
        self.files[one] = path

    def _boxes(self, tensors):
        if SIMPLIFIED not in self.files:
            raise NanodetError(f"needs {SIMPLIFIED}, which was left out")
        path = self.path(BOXES)
        onnx_nms.write(self.files[SIMPLIFIED], path, self.spec)
        backends = OnnxBackend(path), OnnxBackend(self.files[SIMPLIFIED])
        count = onnx_nms.compare(*backends, tensors)
        self.files[BOXES] = path
        return f"{BOXES}: the same {count} boxes as decoding gives, on the same pictures"

    def _fixed(self, one, batch, tensors):
        path, spec = self.path(one), dataclasses.replace(self.spec, any_size=False, batch=batch)
        onnx_file.write_fixed(self.reference.network, spec, path)
        onnx_file.check(path, spec, self.reference.network)
        results = compare_stages(self.reference, {one: OnnxBackend(path)}, tensors)
        self.results += results
        if not results[0].agrees:
            raise NanodetError(results[0].problem)
        self.files[one] = path
        return f"{one}: agrees with torch too"


def _load(spec, path):
    if path.suffix != ".param":
        return OnnxBackend(path)
    _spec_with_files(spec, path).save(path.with_suffix(".json"))
    return NcnnBackend(path)


def _write_specs(making, out):
    """Write the final specs, beside the files and into the ONNX; return the files they list.

    An earlier export of the other format to ``out`` stays listed where it is of the same model.
    """
    files, spec, work, name = making.files, making.spec, making.work, making.name
    measured = {result.name: result.to_dict() for result in making.results if result.agrees}
    full = [files[one] for one in (SIMPLIFIED, FP32) if one in files and files[one].parent == work]
    listed = set()

    def with_results(spec, *names, others=()):
        found = dict(others) | {one: measured[one] for one in names if one in measured}
        return dataclasses.replace(spec, measured={**spec.measured, "against_torch": found})

    def write(spec, path):
        """Write the spec of a model with a stem of its own."""
        if path.suffix == ".onnx":
            onnx_file.write_spec(path, spec)
        beside = _spec_with_files(spec, path)
        beside.save(path.with_suffix(".json"))
        listed.update(beside.files)

    for one in (RAW, SIMPLIFIED):
        if one in files:
            onnx_file.write_spec(files[one], with_results(spec, one))
    (work / f"{name}.json").unlink(missing_ok=True)
    if full:
        ours = {file.name for path in full for file in files_of(path)}
        kept, figures = earlier.same_model(out, name, spec, ours)
        beside = _spec_with_files(with_results(spec, SIMPLIFIED, FP32, others=figures), *full)
        beside = dataclasses.replace(beside, files=kept | beside.files)
        beside.save(work / f"{name}.json")
        listed.update(beside.files)
    for one, path in files.items():
        if one == FP16:
            write(with_results(spec, FP16), path)
        elif one == BOXES:
            write(onnx_nms.boxes_spec(with_results(spec, SIMPLIFIED)), path)
        elif one not in (RAW, SIMPLIFIED, FP32):
            inside = OnnxBackend(path).spec
            fixed = dataclasses.replace(spec, any_size=False, batch=inside.batch)
            write(with_results(fixed, one), path)
    return listed


def _spec_with_files(spec, *paths):
    files = {file.name: sha256(file) for path in paths for file in files_of(path)}
    return dataclasses.replace(spec, files=files)


def _publish(work, out):
    """Move everything from ``work`` to ``out``, specs last: a spec vouches for what lies there."""
    paths = sorted(
        (path for path in work.rglob("*") if path.is_file()), key=lambda p: p.suffix == ".json"
    )
    # found out before the first file is moved, so that nothing is half replaced
    for path in paths:
        target = out / path.relative_to(work)
        if target.is_dir():
            raise NanodetError(f"{target}: is a folder; a file of this name is to be written")
    make_folder(out / INTERMEDIATE)
    for path in paths:
        os.replace(path, out / path.relative_to(work))
