"""The times as an image."""

from typing import Any

from nanodet.bench.plan import count_threads
from nanodet.drawing.lettering import plot_label
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import replacing

STAGES = {
    "preprocess": ("preprocess", "#8da0cb"),
    "network": ("network", "#4c72b0"),
    "decode": ("decode + NMS", "#dd8452"),
}


def plot(report: dict[str, Any], path: StrPath) -> None:
    """Draw the median time of every entry, its stages one after the other.

    A thin line goes from the fastest run to the 90th percentile, as far as the image does.

    Args:
        report: the JSON form, see docs/bench.md; entries without times are left out.
        path: the PNG to write.
    """
    check_plot()
    from matplotlib.figure import Figure

    from nanodet.drawing.canvas import AnyScriptCanvas

    done = [r for r in report["results"] if "times_us" in r]
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(done)))
    AnyScriptCanvas(figure)
    axes = figure.add_subplot()
    ends = [_draw(axes, row, result["times_us"]) for row, result in enumerate(done)]
    axes.set_yticks(range(len(done)), [plot_label(_name(result)) for result in done], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="milliseconds", xlim=(0, 1.25 * max(ends, default=1.0)))
    axes.set_title(_title(report), fontsize=10, loc="left", pad=20)
    axes.grid(axis="x", alpha=0.3)
    handles, names = axes.get_legend_handles_labels()
    unique = dict(zip(names, handles, strict=True))
    axes.legend(
        unique.values(), unique.keys(), fontsize=8, frameon=False, ncols=3,
        loc="lower right", bbox_to_anchor=(1.0, 1.0),
    )  # fmt: skip
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, bbox_inches="tight")


def check_plot() -> None:
    """Raise `NanodetError` where plots cannot be drawn."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise NanodetError(f"--plot: needs matplotlib ({error}): pip install matplotlib") from None


def _draw(axes: Any, row: float, times: dict[str, Any]) -> float:
    """Draw one bar; return where it ends."""
    end = 0.0
    for stage, (name, colour) in STAGES.items():
        if stage in times:
            width = times[stage]["median"] / 1000
            axes.barh(row, width, left=end, color=colour, height=0.6, label=name)
            end += width
    total = times.get("end_to_end", times["network"])
    spread = [total["min"] / 1000, total["p90"] / 1000]
    axes.plot(spread, [row + 0.36, row + 0.36], color="0.3", linewidth=1)
    axes.annotate(
        f"{total['median'] / 1000:.2f}", (end, row),
        xytext=(4, 0), textcoords="offset points", va="center", fontsize=8,
    )  # fmt: skip
    return end


def _name(result: dict[str, Any]) -> str:
    width, height = result["input"]
    threads = count_threads(result["threads"])
    return f"{result['name']} {width}x{height}, {threads}, {result['precision']}"


def _title(report: dict[str, Any]) -> str:
    machine = report["machine"]
    quick = "; quick, not for publication" if report["effort"]["name"] == "quick" else ""
    return f"{machine['board'] or machine['soc'] or machine['architecture']}: median time{quick}"
