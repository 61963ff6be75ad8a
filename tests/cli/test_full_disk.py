"""A full disk: one line that names the file, what was there stays whole, and no rest is left."""

import contextlib
import io
import json
import os
import subprocess
import sys

import cv2
import pytest
import torch
from box_model import write_box_model
from lying_server import lying_server
from moving_pictures import grey, write_video
from small_disk import as_root, attacked, contents, filled, mounted

from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.export.stages import SIMPLIFIED

NAMES = ("disc", "square")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    with mounted(tmp_path_factory.mktemp("small") / "disk", "24m") as folder:
        yield folder


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    """A model, three images of it, and a video."""
    folder = tmp_path_factory.mktemp("box")
    write_box_model(folder / "m.onnx", NAMES)
    (folder / "in").mkdir()
    for name in "abc":
        cv2.imwrite(str(folder / "in" / f"{name}.png"), grey(150))
    write_video(folder / "v.avi", 12)
    return folder


@as_root
def test_detect(disk, box, capfd):
    out = disk / "d"
    for source in ("in", "v.avi"):
        words = ["detect", str(box / "m.onnx"), str(box / source), "--out", str(out)]
        # what was found before the disk was full is kept, so that the images are written anew
        assert attacked(disk, out, 4096, lambda words=words: main(words), capfd, 1) >= 1


@as_root
@pytest.mark.slow
def test_import_quantize_and_torchscript(
    disk, small_checkpoint, exported_small, root, capfd, tmp_path, monkeypatch
):
    from nanodet.config import save_config
    from nanodet.model.checkpoint import read_checkpoint
    from nanodet.original.export_script import main as script

    param = str(exported_small.files["ncnn fp32"])
    config = tmp_path / "small.yml"
    save_config(read_checkpoint(small_checkpoint).config, config)
    words = ["import", param, "--config", str(config), "--out", str(disk / "i" / "n.ckpt")]
    assert attacked(disk, disk / "i", 1_200_000, lambda: main(words), capfd) >= 4
    (tmp_path / "in").mkdir()
    for name in "ab":
        cv2.imwrite(str(tmp_path / "in" / f"{name}.png"), grey(150))
    words = ["quantize", param, "--images", str(tmp_path / "in"), "--layers", "all"]
    words += ["--out", str(disk / "q"), "--method", "max"]
    assert attacked(disk, disk / "q", 320_000, lambda: main(words), capfd, 2) >= 3
    words = ["--model_path", str(small_checkpoint), "--out_path", str(disk / "t" / "n.pt")]
    function = lambda: script("torchscript", [*words, "--cfg_path", str(config)])  # noqa: E731
    assert attacked(disk, disk / "t", 1_300_000, function, capfd, 1) >= 3


@as_root
@pytest.mark.slow
def test_export(disk, small_checkpoint, capfd):
    words = ["export", str(small_checkpoint), "--out", str(disk / "e")]
    assert attacked(disk, disk / "e", 6_000_000, lambda: main(words), capfd, 6) >= 4


@as_root
@pytest.mark.slow
def test_reports(disk, box, small_checkpoint, exported_small, tmp_path, capfd):
    model, out = str(exported_small.files[SIMPLIFIED]), disk / "r" / "report.json"
    images = [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate("abc", 1)]
    truth = {"images": images, "categories": [{"id": 1, "name": NAMES[0]}]}
    truth["annotations"] = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    quick = ["--runs", "2", "--seconds", "0.01"]
    pictures = ["--images", str(box / "in")]
    for words in (
        ["bench", model, *quick, "--json", str(out)],
        ["bench", model, *quick, "--plot", str(out.with_suffix(".png"))],
        ["verify", str(small_checkpoint), model, *pictures, "--json", str(out)],
        ["eval", str(box / "m.onnx"), *pictures, "--annotations", str(tmp_path / "truth.json"),
         "--json", str(out)],
    ):  # fmt: skip
        assert attacked(disk, disk / "r", 4096, lambda words=words: main(words), capfd, 1) >= 1


@as_root
def test_download(disk, published, monkeypatch, capfd):
    home = disk / "home"
    monkeypatch.setenv("NANODET_HOME", str(home))
    with lying_server(published) as server:
        monkeypatch.setenv("NANODET_MIRROR", server.url)
        for left in (0, 4096, 1_000_000, 3_000_000, 4_000_000):
            with filled(disk, left):
                status = main(["download", "nanodet-m_320"])
            err = capfd.readouterr().err
            if status:
                assert err.startswith("nanodet: error: nanodet-m_320: ") and err.count("\n") == 1, (
                    err
                )
                assert f"{home}/" in err and "cannot be written (No space left on device)" in err
            assert status == 1 or left >= 3_000_000  # what had come of a file is not fetched again
        assert main(["download", "nanodet-m_320"]) == 0
    assert [path.name for path in home.iterdir()] == ["nanodet-m_320"]
    assert not [path for path in contents(home) if path.startswith(".")]


@as_root
def test_tensorboard(disk, capfd):
    from nanodet.train.event_log import EventLog, disk_errors_of_threads

    log = EventLog(disk, "events", "1")
    log.log_metrics({"loss": 1.0}, 0)
    with filled(disk, 0), disk_errors_of_threads():
        with pytest.raises(NanodetError, match=r"events/1: cannot be written \(No space left"):
            for step in range(10_000):
                log.log_metrics({"loss": 1.0}, step)
                log.save()
        with contextlib.suppress(NanodetError):
            log.finalize("failed")
    assert capfd.readouterr() == ("", "")


def test_torch_tells_the_reason(tmp_path):
    from nanodet.model.save_plain import save_plain

    with pytest.raises(OSError, match="No space left"):
        save_plain({"a": torch.zeros(10**5)}, "/dev/full")


# one process for all: what a command prints goes to a full disk, a closed descriptor or nobody
STREAMS = """
import os, sys
from nanodet.cli.main import main
try: status = main(sys.argv[1:])
except SystemExit as end: status = end.code
sys.exit(status)
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a full device")
@pytest.mark.parametrize(
    ("redirection", "status", "line"),
    [
        (">/dev/full", 1, "nanodet: error: standard output: cannot be written (No space left on device)\n"),
        ("2>/dev/full", 0, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">/dev/full 2>/dev/full", 1, ""),
        ("| true", 0, ""),
    ],
)  # fmt: skip
def test_standard_streams(root, box, redirection, status, line):
    for words in ("info m.onnx", "--help", "detect m.onnx in --out found"):
        script = f'"$PYTHON" -c "$SCRIPT" {words} {redirection}; exit ${{PIPESTATUS[0]}}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=box, capture_output=True, text=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(root), "PYTHON": sys.executable, "SCRIPT": STREAMS},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (status, line), words


def test_a_stream_that_fails_in_mid_run(monkeypatch):
    class Full(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            raise OSError(28, "No space left on device")

    err = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Full(), 16)))
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["download"]) == 1
    assert err.buffer.getvalue().count(b"\n") == 1
