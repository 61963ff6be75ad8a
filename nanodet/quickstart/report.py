"""The quickstart's report: Markdown with images and tables."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from nanodet import __version__
from nanodet.compare.outputs import StageResult
from nanodet.config.schema import Config
from nanodet.cores import core_count
from nanodet.data.records import Annotations
from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.plots import class_values, with_interval
from nanodet.evaluate.sheet import validation_sheet
from nanodet.files.files import write_text
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections
from nanodet.runtime.engines import files_of
from nanodet.text.printable import printable


def write_report(
    out: Path,
    config: Config,
    annotations: Annotations,
    detections: Sequence[Detections],
    rows: Sequence[tuple[str, str | Path, Metrics]],
    results: Sequence[StageResult],
    times: Mapping[str, tuple[float | None, ...]],
    seconds: Mapping[str, float],
) -> Path:
    """Write ``out/report.md`` and its image.

    Args:
        out: the quickstart's folder, a `Path`.
        config: the `Config` it trained with.
        annotations: the validation set; detections: torch's, one `Detections` an image.
        rows: (stage, model file, `Metrics`) each.
        results: `nanodet.compare.outputs.StageResult` of the stages.
        times: stage to median milliseconds of the network and of everything, see `time_models`.
        seconds: step to seconds.

    Returns:
        the path of the report.
    """
    write_picture(out / "validation.jpg", validation_sheet(annotations, detections))
    compared = {result.name: result for result in results}
    width, height = config.data.val.input_size
    lines = [
        "# Quickstart",
        "",
        f"A ShuffleNetV2 {config.model.arch.backbone.model_size} NanoDet at {width} x {height}, trained "
        f"for {config.schedule.total_epochs} epochs on drawn images, measured on "
        f"{len(annotations.pictures)} others; nanodet {__version__}, {core_count()} cores, "
        f"{platform.machine()}.",
        "",
        "![validation images with boxes](validation.jpg)",
        "",
        "## Is the shipped model still the trained one?",
        "",
        "Errors are the largest found against torch on the same inputs; times are medians on "
        "one thread, all models in turns, as `nanodet bench` takes them; the last one includes preparing "
        "an image of 640 x 480 and decoding the boxes.",
        "",
        "| stage | file | size | AP | AP50 | score error | edge error | network | image to boxes |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for stage, path, metrics in rows:
        result = compared.get(stage)
        errors = ("-", "-") if result is None else (
            f"{result.score_max:.1e}", f"{result.edge_max:.4f} px"
        )  # fmt: skip
        taken = " | ".join(map(_ms, times[stage]))
        lines.append(
            f"| {stage} | `{Path(path).relative_to(out)}` | {_size(path)} "
            f"| {with_interval(metrics, 'AP')} | {with_interval(metrics, 'AP50')} "
            f"| {errors[0]} | {errors[1]} | {taken} |"
        )
    lines += ["", "## Classes", "", "| class | objects | AP | AP50 |", "|---|---:|---:|---:|"]
    metrics = rows[0][2]
    for i, row in enumerate(metrics.ap_per_class):
        values = " | ".join(class_values(metrics, i))
        lines.append(f"| {printable(row.name)} | {row.objects} | {values} |")
    lines += ["", "## Training", "", "![loss](run/loss.png)", "", "![AP](run/ap.png)", ""]
    lines += ["| step | seconds |", "|---|---:|"]
    lines += [f"| {step} | {value:.0f} |" for step, value in seconds.items()]
    lines += [f"| total | {sum(seconds.values()):.0f} |", ""]
    lines += [
        "## Next",
        "",
        "```",
        f"nanodet detect {out}/model/quickstart.param {out}/data/val/images --out {out}/found",
        "```",
        "",
    ]
    path = out / "report.md"
    write_text(path, "\n".join(lines))
    return path


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} ms"


def _size(path: str | Path) -> str:
    """Return the size of a model: of both files where ncnn has two."""
    return f"{sum(file.stat().st_size for file in files_of(path)) / 1e6:.2f} MB"
