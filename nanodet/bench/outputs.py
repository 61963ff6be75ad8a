"""What a bench leaves here: tables on the terminal, a JSON file, a plot."""

from pathlib import Path
from typing import Any

from nanodet.bench.plot import check_plot, plot
from nanodet.bench.report import format_tables
from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.files import check_writable, real_path, write_text
from nanodet.text.printable import json_text, say


def check_outputs(json_path: StrPath | None = None, plot_path: StrPath | None = None) -> None:
    """Raise `NanodetError` unless both files could be written; either may be None."""
    if plot_path is not None:
        check_plot()
        if Path(plot_path).suffix.lower() != ".png":
            raise NanodetError(f"--plot: {plot_path}: must end in .png")
        if json_path is not None and real_path(json_path) == real_path(plot_path):
            raise NanodetError(f"--json and --plot: {json_path}: are the same file")
    for path in (json_path, plot_path):
        if path is not None:
            check_writable(path)


def put_out(
    report: dict[str, Any],
    json_path: StrPath | None = None,
    plot_path: StrPath | None = None,
    show: bool = True,
) -> None:
    """Print (``show``) and write a report (its JSON form): printed first, should a file fail."""
    if show:
        say(*format_tables(report))
    if json_path is not None:
        write_text(json_path, json_text(report, indent=1) + "\n")
    if plot_path is not None:
        plot(report, plot_path)
