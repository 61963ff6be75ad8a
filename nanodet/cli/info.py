"""``nanodet info``: what a config file, a checkpoint or an exported model is, and what it costs."""

import contextlib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanodet.cli.arguments import size_wxh
from nanodet.cli.packages import needed_packages
from nanodet.errors import NanodetError
from nanodet.text.brief import brief_text
from nanodet.text.printable import say

if TYPE_CHECKING:
    from torch import nn

    from nanodet.config.schema import Config
    from nanodet.runtime.spec import Spec

FACTS = 50  # lines on where a model came from and what was measured on it
EXAMPLES = (
    "nanodet info exported/my.param",
    "nanodet info my.yml --size 416x416",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "model",
        metavar="CONFIG_OR_MODEL",
        help=".yml, .ckpt, .pth, .onnx or .param, or the name of a published model",
    )
    parser.add_argument(
        "--config", metavar="CONFIG", help="config, for a checkpoint that contains none"
    )
    parser.add_argument(
        "--size",
        type=size_wxh,
        metavar="WxH",
        help="count at this network input (default: its own)",
    )


def run(args: Namespace) -> None:
    """Print the tables."""
    with needed_packages():
        from nanodet.files.incoming import is_file, read_steadily
        from nanodet.files.inputs import absence
        from nanodet.hub.models import meant, model_file
        from nanodet.runtime.engines import CHECKPOINT, kind_of, suffixes
    path = Path(model_file(args.model))
    kind = kind_of(path)
    if not is_file(path):
        raise NanodetError(absence(path, f"there is no such file{meant(path)}"))
    if args.config is not None and kind is not CHECKPOINT:
        raise NanodetError(f"--config: is for a .ckpt or .pth that carries none, not for {path}")
    if path.suffix.lower() in (".yml", ".yaml"):
        lines = _of_config(path, args.size)
    elif kind is CHECKPOINT:
        lines = _of_checkpoint(path, args.config, args.size)
    elif kind is not None:
        lines = read_steadily(path, lambda: _of_exported(path, args.size))
    else:
        raise NanodetError(f"{path}: unknown kind of file; known: .yml, {', '.join(suffixes())}")
    say(*lines)


def _of_config(path: Path, size: tuple[int, int] | None) -> list[str]:
    from nanodet.config import load_config

    with needed_packages():
        from nanodet.model.network import build_network

    config = load_config(path)
    network = build_network(config.model.arch, str(path)).eval()
    _check_training(network, config, str(path))
    return [f"config      {path}", *_of_network(network, config, size, path)]


def _check_training(network: "nn.Module", config: "Config", file: str) -> None:
    """Refuse what a training refuses of a config, whatever the images and the machine."""
    from nanodet.learn.objective import build_objective
    from nanodet.train.optimiser import build_optimiser

    build_objective(network, config.model.arch)
    build_optimiser(network, config.schedule.optimizer, file)
    if config.device.strategy != "auto":  # only Lightning knows, which takes seconds to import
        with contextlib.suppress(ImportError):
            from nanodet.train.device import check_strategy

            check_strategy(config.device, file)


def _of_checkpoint(
    path: str | Path, config_path: str | None, size: tuple[int, int] | None
) -> list[str]:
    with needed_packages():
        from nanodet.model.checkpoint import load_network

    network, config, checkpoint = load_network(path, config_path)
    epoch = "not said" if checkpoint.epoch is None else checkpoint.epoch
    return [
        f"checkpoint  {path}",
        f"epoch       {epoch}",
        f"weights     {'averaged (EMA)' if checkpoint.averaged else 'as trained, no average (EMA)'}",
        f"config      {'its own' if config_path is None else config_path}"
        f"{'' if checkpoint.config else ' (it carries none)'}",
        *_of_network(network, config, size, path),
    ]


def _of_network(
    network: "nn.Module", config: "Config", size: tuple[int, int] | None, path: str | Path
) -> list[str]:
    from nanodet.model.profile import CONVENTION, profile
    from nanodet.model.torch_backend import spec_of
    from nanodet.runtime.spec import check_input_size

    spec = spec_of(network, config)
    spec.check_takes(size or spec.input_size, "--size")
    spec = spec.at_size(size or spec.input_size)
    check_input_size(spec.input_size, "--size" if size else f"{path}: data.val.input_size")
    lines = [
        *_of_spec(spec),
        "",
        _cost_row("stage", "parameters", "multiply-adds", "FLOPs", "with small"),
    ]
    stages = profile(network, spec.input_size)
    for stage in stages:
        numbers = (_mega(stage.multiply_adds), _mega(stage.flops), _mega(stage.flops_with_small))
        lines.append(_cost_row(stage.name, f"{stage.parameters:,}", *numbers))
    total = stages[-1]
    giga = total.multiply_adds / 1e9, total.flops / 1e9, total.flops_with_small / 1e9
    lines += [
        "",
        f"{total.parameters / 1e6:.2f} M parameters in use, {giga[0]:.2f} G multiply-adds, "
        f"{giga[1]:.2f} GFLOPs; with small layers {giga[1] / 2 + (giga[2] - giga[1]) / 2:.2f} G "
        f"and {giga[2]:.2f} GFLOPs.",
        CONVENTION,
        *_published(config.model.arch, spec.input_size),
        "",
        *_levels(spec),
    ]
    return lines


def _published(arch: dict[str, Any], size: tuple[int, int]) -> list[str]:
    """Return a line on what was published of the model that a config describes, if anything was."""
    from nanodet.model.published_figures import published_figures

    found = published_figures(arch, size)
    if found is None:
        return []
    return [
        f"Published: {found.name}, {found.parameters:g} M parameters, {found.flops:g} GFLOPs, AP "
        f"{found.ap:g} on COCO val2017 (the original's README; how it counts is not said there)."
    ]


def _of_exported(path: str | Path, size: tuple[int, int] | None) -> list[str]:
    from nanodet.runtime.detector import Detector
    from nanodet.text.brief import brief_text

    spec = Detector(path, size=size).spec
    lines = [f"model       {path}", *_files(path), *_of_spec(spec)]
    lines.append(f"sizes       {'any multiple of 32' if spec.any_size else 'this one alone'}")
    facts = [f"source      {brief_text(k)} {brief_text(v)}" for k, v in spec.source.items()]
    facts += [f"measured    {brief_text(stage)}: {text}" for stage, text in _measured(spec)]
    lines += facts[:FACTS] + [f"            and {len(facts) - FACTS} more"] * (len(facts) > FACTS)
    return [*lines, "", *_levels(spec.at_size(size or spec.input_size))]


def _files(path: str | Path) -> list[str]:
    """Return lines on the model's files and the parameters in them."""
    from nanodet.files.incoming import published
    from nanodet.runtime.engines import ONNX, files_of, kind_of

    lines = [
        f"file        {file.name} {published(file).stat().st_size:,} bytes"
        for file in files_of(path)
    ]
    return [*lines, _onnx_parameters(published(path))] if kind_of(path) is ONNX else lines


def _onnx_parameters(path: str | Path) -> str:
    try:
        import onnx
    except ImportError:
        return "parameters  not counted (pip install onnx)"
    try:
        weights = onnx.load(path).graph.initializer
    except Exception as error:  # protobuf raises classes of its own; an engine may have been milder
        raise NanodetError(f"{path}: cannot be taken apart ({error})") from None
    count = sum(_volume(w.dims) for w in weights if w.data_type == onnx.TensorProto.FLOAT)
    return f"parameters  {count:,} (batch norms folded)"


def _volume(sides: Iterable[int]) -> int:
    volume = 1
    for side in sides:
        volume *= side
    return volume


def _of_spec(spec: "Spec") -> list[str]:
    width, height = spec.input_size
    names = ", ".join(map(brief_text, spec.class_names[:8]))
    names += ", ..." if len(spec.class_names) > 8 else ""
    return [
        f"classes     {len(spec.class_names)}: {names}",
        f"input       {width} x {height}, {spec.colour_order}, fit {spec.fit}",
        f"normalise   mean {' '.join(f'{v:g}' for v in spec.mean)}, "
        f"std {' '.join(f'{v:g}' for v in spec.std)}",
        *_form(spec),
        f"boxes       score > {_scores(spec)}, NMS IoU {spec.nms_iou:g} "
        f"{'over all classes' if spec.class_agnostic_nms else 'within each class'}",
    ]


def _scores(spec: "Spec") -> str:
    scores = spec.class_scores
    if scores is None:
        return f"{spec.score:g}"
    if len(set(scores)) == 1:
        return f"{scores[0]:g}"
    return f"{min(scores):g} to {max(scores):g}, by class"


def _form(spec: "Spec") -> list[str]:
    """Return a line on how the export made the graph, where it is not as it was trained."""
    words = ["one map of logits per level"] if spec.layout == "maps" else []
    if spec.rewriting is not None:
        words.insert(0, f"rewritten for {brief_text(str(spec.rewriting.get('for')))}")
    return [f"graph       {'; '.join(words)}"] if words else []


def _measured(spec: "Spec") -> Iterator[tuple[str, str]]:
    """Return (stage, text) of the comparisons in a spec; what has another form is left out."""
    against = spec.measured.get("against_torch")
    for stage, figures in against.items() if isinstance(against, dict) else ():
        if isinstance(figures, dict):
            score, edge = figures.get("score_max", ""), figures.get("edge_max", "")
            if all(type(v) in (int, float) and abs(v) < 1e30 for v in (score, edge)):
                yield stage, f"at most {score:.1e} in score and {edge:.1e} px from torch"


def _levels(spec: "Spec") -> list[str]:
    lines = [f"{'stride':>6}  {'map':>9}  {'points':>7}  {'channels':>8}"]
    for stride, (columns, rows) in zip(
        spec.strides, spec.level_sizes(spec.input_size), strict=True
    ):
        shape = f"{columns} x {rows}"
        lines.append(f"{stride:>6}  {shape:>9}  {columns * rows:>7}  {spec.channels:>8}")
    points, edges = spec.point_count(spec.input_size), _edges(spec)
    lines.append(f"{'total':>6}  {'':>9}  {points:>7}  = {len(spec.class_names)} classes + {edges}")
    return lines


def _edges(spec: "Spec") -> str:
    each = spec.box_code.channels(spec.bins) // 4
    if spec.form not in ("distributions", "boxes"):
        return f"4 x {each} ({spec.form})"
    return f"4 x {each} bins" + (f" of {spec.bin_spacing:g}" if spec.bin_spacing != 1 else "")


def _cost_row(name: str, parameters: str, multiply_adds: str, flops: str, small: str) -> str:
    return f"{name:<18}{parameters:>12}{multiply_adds:>15}{flops:>11}{small:>14}"


def _mega(count: float) -> str:
    return f"{count / 1e6:.1f} M"
