"""Running `nanodet detect` as a process of its own, and reading what it wrote."""

import json
import os
import subprocess
import sys

import cv2
from moving_pictures import grey

NANODET = [sys.executable, "-c", "import sys; from nanodet.cli.main import main; sys.exit(main())"]


def start(*arguments, cwd=None, **environment):
    """Start the command without a display; return its `Popen`."""
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.Popen(
        [*NANODET, "detect", *map(str, arguments)], env=env | environment, text=True, cwd=cwd,
        encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def detect(*arguments, **environment):
    """Run the command; return (status, stdout, stderr)."""
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def json_lines(folder):
    """Return what ``detections.jsonl`` in a folder holds."""
    return [json.loads(line) for line in (folder / "detections.jsonl").open(encoding="utf-8")]


def names(folder):
    """Return the files below a folder by their relative paths."""
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


def picture(path, level=150):
    """Write a grey image and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), grey(level))
    return path


def error_line(err):
    """Return the one line of an error."""
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nanodet: error: "), err
    return lines[0]
