"""A checkpoint to ONNX and ncnn files that compute what torch computes."""

import dataclasses
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

import nanodet
from nanodet.compare.outputs import StageResult
from nanodet.compare.tensors import picture_tensors
from nanodet.config import save_config
from nanodet.config.beside import config_path
from nanodet.config.schema import Config
from nanodet.errors import NanodetError
from nanodet.export import onnx_nms
from nanodet.export.build import StageBuilder
from nanodet.export.earlier import tell_strangers
from nanodet.export.rewriting.plan import ANY, TARGETS
from nanodet.export.rewriting.target import for_target
from nanodet.export.rewriting.tune import tuned
from nanodet.export.specs import write_specs
from nanodet.export.stages import BOTH, chosen_stages
from nanodet.export.trainable import checkpoint_of
from nanodet.files.files import real_path, sha256, text_name
from nanodet.files.publish import publish, publishing, working_folder
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.options import check_batch
from nanodet.runtime.spec import Spec, check_input_size
from nanodet.stopping import check_stopped
from nanodet.text import Say
from nanodet.text.printable import say

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

    files: dict[str, Path]
    results: list[StageResult]
    spec: Spec
    seconds: float
    left_out: dict[str, str] = field(default_factory=dict)


def export(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | Config | None = None,
    formats: Sequence[str] = BOTH,
    size: tuple[int, int] | None = None,
    *,
    fit: str | None = None,
    images: str | Path | None = None,
    name: str | None = None,
    report: Say = say,
    nms: bool = False,
    class_agnostic_nms: bool | None = None,
    static: bool = False,
    batch: int | None = None,
    target: str = ANY,
    tune: bool = False,
) -> Exported:
    """Export a checkpoint and prove that every stage computes what torch computes.

    A stage that fails or differs is left out, the others are written.

    Args:
        checkpoint: ``.ckpt`` or ``.pth``, whose averaged weights are taken where it has them; or a
            published name.
        out: folder for the files; they appear there after they were compared, and what was there
            before stays until then.
        config: config file (or `Config`) of a checkpoint that carries none.
        formats: of `nanodet.export.stages.FORMATS`.
        size: (width, height), multiples of 32; None: the config's ``data.val.input_size``.
        fit: ``letterbox`` or ``stretch``; None: stretch for the config's stretch, else letterbox.
        images: folder of images to compare on; None generates some.
        name: stem of the files; None: see `default_name`.
        report: called with each line of progress and the table.
        nms: write ``<stem>-nms.onnx`` too, which ends in boxes.
        class_agnostic_nms: what the files' specs say of NMS; None: the config's
            ``evaluator.class_agnostic_nms``.
        static: write ``<stem>-static.onnx`` too, whose shapes are all fixed.
        batch: 2 or more: write ``<stem>-batch<N>.onnx`` too, with fixed shapes and so many images,
            of `nanodet.runtime.options.MOST_INPUT` bytes in all.
        target: what the files are for, of `nanodet.export.rewriting.plan.TARGETS`; says how the
            network is rewritten and the layout of the outputs.
        tune: rewrite the network as is fastest on this CPU, see `nanodet.export.rewriting.tune`;
            ``target`` says what to start from.

    Returns:
        `Exported`.

    Raises:
        NanodetError: bad input, or no stage that was asked for could be made and agreed.
    """
    started = time.perf_counter()
    wanted = chosen_stages(formats, nms, static, batch)
    checkpoint = checkpoint_of(checkpoint)
    name = default_name(checkpoint) if name is None else name
    check_stem(name, "--name")
    reference = TorchBackend(checkpoint, config)
    spec = export_spec(reference, size, fit, class_agnostic_nms)
    spec = for_target(spec, reference.network, target, "--for", report)
    if nms and spec.form not in onnx_nms.DISTANCES:
        known = ", ".join(onnx_nms.DISTANCES)
        raise NanodetError(f"--nms: decodes {known}, and this model gives {spec.form}")
    check_input_size(spec.input_size, "--size" if size else f"{checkpoint}: data.val.input_size")
    if batch is not None:
        check_batch(batch, spec.input_size, "--batch")
    if tune:
        plan = TARGETS[target].plan
        if plan is None:
            raise NanodetError(
                f"--tune: rewrites the network, and --for {target} leaves it as it is"
            )
        spec = tuned(spec, reference.network, plan, report)
    tensors = picture_tensors(spec, images)
    out = Path(text_name(out))
    with working_folder(out) as work:
        builder = StageBuilder(reference, spec, wanted, work, name, report)
        # says what data belongs to the model: `nanodet eval` and `nanodet quantize` look for it
        save_config(reference.config, config_path(work, name))
        builder.build()
        builder.compare(tensors, images)
        builder.build_more(tensors, batch)
        builder.finish()
        left_out = {one: builder.left_out[one] for one in wanted if one in builder.left_out}
        check_stopped()
        with publishing(out):
            listed = write_specs(builder, out)
            publish(work, out)
            tell_strangers(out, name, builder.spec, listed, left_out, report)
    placed = {one: out / path.relative_to(work) for one, path in builder.files.items()}
    for one, why in left_out.items():
        report(f"{one}: left out: {why}")
    return Exported(placed, builder.results, builder.spec, time.perf_counter() - started, left_out)


def check_stem(name: str, option: str) -> None:
    """Raise a `NanodetError` that names ``option`` unless files may have the stem ``name``."""
    plain = name.isprintable() and name == name.strip() and not set(name) & set("/\\")
    if not plain or not name or name.startswith((".", "-")):
        raise NanodetError(f"{option}: {name!r} cannot be the stem of a file name")


def default_name(checkpoint: str | Path) -> str:
    """Return the stem for a checkpoint's files: its own, or its run folder's.

    ``model_best/model_best.ckpt`` and ``model_last.ckpt`` are called alike in every run.
    """
    path = real_path(checkpoint)
    if not re.fullmatch(r"(nanodet_)?model_(best|last)", path.stem):
        return path.stem.replace(" ", "_")
    folder = path.parent.parent if path.parent.name == "model_best" else path.parent
    return folder.name.replace(" ", "_") or path.stem


def export_spec(
    reference: TorchBackend,
    size: tuple[int, int] | None = None,
    fit: str | None = None,
    class_agnostic_nms: bool | None = None,
) -> Spec:
    """Return the spec of the files to be: as the config says, with a fit of fixed size."""
    spec, checkpoint = reference.spec, reference.checkpoint
    if fit is not None and fit not in FITS:
        raise NanodetError(f"--fit: must be one of {', '.join(FITS)}, not {fit!r}")
    if fit == "own" and not spec.any_size:
        raise NanodetError(
            "--fit: own gives images of many sizes, and this network takes one alone"
        )
    width, height = size or spec.input_size
    spec.check_takes((width, height), "--size")
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
        input_size=(width, height),
        fit=fit or usual,
        source=source,
    )
