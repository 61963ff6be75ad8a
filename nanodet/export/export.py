"""A checkpoint to verified ONNX and ncnn files, all of them or none."""

import dataclasses
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import nanodet
from nanodet.compare.outputs import FULL, HALF, compare_stages, format_table
from nanodet.compare.tensors import picture_tensors
from nanodet.config import save_config
from nanodet.errors import NanodetError
from nanodet.evaluate.source import INTERMEDIATE, config_name
from nanodet.export import earlier, ncnn_file, onnx_file, onnx_nms
from nanodet.export.quiet import stage
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.backends.ncnn import NcnnBackend
from nanodet.runtime.backends.onnx import OnnxBackend
from nanodet.runtime.files import make_folder, sha256
from nanodet.runtime.spec import check_input_size

FORMATS = ("onnx", "ncnn")
FITS = ("letterbox", "stretch")
RAW, SIMPLIFIED, FP32, FP16 = "onnx as exported", "onnx simplified", "ncnn fp32", "ncnn fp16"
BOXES = "onnx with boxes"


@dataclass(frozen=True)
class Exported:
    """What an export made.

    Attributes:
        files: stage to model file (``.onnx`` or ``.param``) in the output folder.
        results: one `StageResult` per stage compared.
        spec: of the full-precision files.
        seconds: the whole export took.
    """

    files: dict
    results: list
    spec: object
    seconds: float


def export(
    checkpoint, out, config=None, formats=FORMATS, size=None, fit=None, images=None, name=None,
    report=print, nms=False, class_agnostic_nms=None,
):  # fmt: skip
    """Export a checkpoint and prove that every stage computes what torch computes.

    Args:
        checkpoint: ``.ckpt`` or ``.pth``; averaged weights are taken where it has them.
        out: folder for the files; they appear there after everything agreed, and what was there
            before stays until then.
        config: config file (or `Config`) of a checkpoint that carries none.
        formats: of ``onnx`` and ``ncnn``.
        size: (width, height), multiples of 32; None: the config's ``data.val.input_size``.
        fit: ``letterbox`` or ``stretch``; None: stretch for the config's stretch, else letterbox.
        images: folder of pictures to compare on; None generates some.
        name: stem of the files; None: see `default_name`.
        report: called with each line of progress and the table.
        nms: write ``<stem>-nms.onnx`` too, which ends in boxes.
        class_agnostic_nms: what the files' specs say of NMS; None: the config's
            ``evaluator.class_agnostic_nms``.

    Returns:
        `Exported`.

    Raises:
        NanodetError: a stage failed or disagreed; names the stage.
    """
    started = time.perf_counter()
    unknown = [one for one in formats if one not in FORMATS]
    if unknown or not formats:
        raise NanodetError(
            f"--formats: {','.join(unknown) or 'nothing'}: known: {', '.join(FORMATS)}"
        )
    if nms and "onnx" not in formats:
        raise NanodetError("--nms: is for ONNX files, but --formats has no onnx")
    name = default_name(checkpoint) if name is None else name
    check_stem(name, "--name")
    reference = TorchBackend(checkpoint, config)
    spec = export_spec(reference, size, fit, class_agnostic_nms)
    check_input_size(spec.input_size, "--size" if size else f"{checkpoint}: data.val.input_size")
    tensors = picture_tensors(spec, images)
    make_folder(out)
    try:
        work = Path(tempfile.mkdtemp(prefix=".export-", dir=out))
    except OSError as error:
        raise NanodetError(f"{out}: cannot be written ({error.strerror})") from None
    try:
        (work / INTERMEDIATE).mkdir()
        # says what data belongs to the model: `nanodet eval` and `nanodet quantize` look for it
        save_config(reference.config, work / INTERMEDIATE / config_name(name))
        files, spec = _build(reference, spec, formats, work, name, report)
        results, spec = _verify(reference, spec, files, tensors, images, report)
        if nms:
            files[BOXES] = work / f"{name}-nms.onnx"
            _build_boxes(spec, files, tensors, report)
        listed = _write_specs(spec, files, work, Path(out), name, results)
        _publish(work, Path(out))
        for path in earlier.strangers(Path(out), name, spec, listed):
            report(f"{path}: left from another export, not part of this one")
    except OSError as error:
        raise NanodetError(f"{out}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    placed = {one: Path(out) / path.relative_to(work) for one, path in files.items()}
    return Exported(placed, results, spec, time.perf_counter() - started)


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


def _build(reference, spec, formats, work, name, report):
    """Write every model file into the folder ``work``; return stage to path, and the spec."""
    network = reference.network
    kept = work if "onnx" in formats else work / INTERMEDIATE
    files = {RAW: work / INTERMEDIATE / f"{name}-raw.onnx", SIMPLIFIED: kept / f"{name}.onnx"}
    report("torch to ONNX")
    with stage("torch to ONNX"):
        onnx_file.write_raw(network, spec, files[RAW])
        onnx_file.write_spec(files[RAW], spec)
    report("simplify and check the ONNX")
    with stage("simplify the ONNX"):
        onnx_file.simplify(files[RAW], files[SIMPLIFIED], spec)
    with stage("check the ONNX"):
        onnx_file.check(files[SIMPLIFIED], spec, network)
    if "ncnn" in formats:
        for one, suffix, half in ((FP32, "", False), (FP16, "-fp16", True)):
            report(f"ONNX to {one}")
            files[one] = work / f"{name}{suffix}.param"
            log = work / INTERMEDIATE / f"{name}{suffix}-pnnx.log"
            with stage(f"ONNX to {one}"):
                free = ncnn_file.convert(files[SIMPLIFIED], files[one], spec, half, log)
            spec = dataclasses.replace(spec, any_size=spec.any_size and free)
    return files, spec


def _verify(reference, spec, files, tensors, images, report):
    """Compare every stage with torch; return the results and the spec with what was found."""
    with stage("load what was exported"):
        stages = _load(spec, files)
    tolerances = {one: HALF if one == FP16 else FULL for one in files}
    kind = f"{len(tensors)} {'generated' if images is None else 'real'} pictures"
    width, height = spec.input_size
    report(f"compare with torch on {kind} at {width}x{height}")
    results = compare_stages(reference, stages, tensors, tolerances)
    report(format_table(results))
    wrong = [result for result in results if not result.agrees]
    if wrong:
        why = wrong[0].failure or (
            f"differs from torch by {wrong[0].score_max:.2g} in score and {wrong[0].edge:.2g} px"
        )
        raise NanodetError(f"export: {wrong[0].name}: {why}")
    if spec.any_size:
        other = spec.at_size((width + 64, height + 32))
        elsewhere = compare_stages(reference, stages, picture_tensors(other, images, 2), tolerances)
        any_size = all(result.agrees for result in elsewhere)
        spec = dataclasses.replace(spec, any_size=any_size)
    report(f"other sizes (multiples of 32): {'yes, compared too' if spec.any_size else 'no'}")
    return results, dataclasses.replace(spec, measured={"compared_on": kind})


def _build_boxes(spec, files, tensors, report):
    """Write the ONNX file that ends in boxes; compare its boxes with those of decoding."""
    with stage(BOXES):
        onnx_nms.write(files[SIMPLIFIED], files[BOXES], spec)
        backends = OnnxBackend(files[BOXES]), OnnxBackend(files[SIMPLIFIED])
        count = onnx_nms.compare(*backends, tensors)
    report(f"{BOXES}: the same {count} boxes as decoding gives, on the same pictures")


def _load(spec, files):
    for path in files.values():
        if path.suffix == ".param":
            _spec_with_files(spec, path).save(path.with_suffix(".json"))
    return {
        one: (NcnnBackend if path.suffix == ".param" else OnnxBackend)(path)
        for one, path in files.items()
    }


def _write_specs(spec, files, work, out, name, results):
    """Write the final specs, beside the files and into the ONNX; return the files they list.

    An earlier export of the other format to ``out`` stays listed where it is of the same model.
    """
    measured = {result.name: result.to_dict() for result in results}
    half = [files[FP16]] if FP16 in files else []
    full = [files[one] for one in (SIMPLIFIED, FP32) if one in files and files[one].parent == work]

    ours = {file.name for path in full for file in _files_of(path)}
    kept, figures = earlier.same_model(out, name, spec, ours)

    def with_results(*names, others=()):
        found = dict(others) | {one: measured[one] for one in names if one in measured}
        return dataclasses.replace(spec, measured={**spec.measured, "against_torch": found})

    for one in (RAW, SIMPLIFIED):
        onnx_file.write_spec(files[one], with_results(one))
    beside = _spec_with_files(with_results(SIMPLIFIED, FP32, others=figures), *full)
    beside = dataclasses.replace(beside, files=kept | beside.files)
    beside.save(work / f"{name}.json")
    listed = set(beside.files)
    if half:
        beside = _spec_with_files(with_results(FP16), *half)
        beside.save(work / f"{name}-fp16.json")
        listed |= set(beside.files)
    if BOXES in files:
        inside = onnx_nms.boxes_spec(with_results(SIMPLIFIED))
        onnx_file.write_spec(files[BOXES], inside)
        beside = _spec_with_files(inside, files[BOXES])
        beside.save(files[BOXES].with_suffix(".json"))
        listed |= set(beside.files)
    return listed


def _spec_with_files(spec, *paths):
    files = {file.name: sha256(file) for path in paths for file in _files_of(path)}
    return dataclasses.replace(spec, files=files)


def _files_of(path):
    return [path, path.with_suffix(".bin")] if path.suffix == ".param" else [path]


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
