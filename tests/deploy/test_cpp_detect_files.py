"""What is there already stays, and what nanodet-detect cannot write whole is not written."""

import itertools
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from cpp_detect import fails, limit_files, run
from kill_points import killed_at
from moving_pictures import write_video
from small_disk import as_root, filled, mounted

from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.files.files import sha256
from nanodet.files.incoming import INCOMING, MANIFEST
from nanodet.files.publish import publish, publishing, working_folder


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".ppm", ".webp"])
def test_a_full_disk_and_pictures(cpp_programs, small, tmp_path, suffix):
    source, out = tmp_path / f"p{suffix}", tmp_path / "out"
    cv2.imwrite(str(source), np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8))
    line = fails(cpp_programs.detect, small, source, "--out", out, preexec_fn=limit_files)
    assert line == f"{out}/p{suffix}: cannot be written (File too large)"
    assert list(out.glob("*.*")) in ([], [out / "detections.jsonl"])


def test_a_full_disk_and_a_video(cpp_programs, small, tmp_path):
    video, out = write_video(tmp_path / "v.avi", frames=50), tmp_path / "out"
    line = fails(cpp_programs.detect, small, video, "--out", out, preexec_fn=limit_files)
    assert line.startswith(f"{out}/")
    assert [f.name for f in out.iterdir()] == []


@as_root
@pytest.mark.parametrize("left", [0, 4096])
def test_a_full_disk_and_json_lines(cpp_programs, small, tmp_path, left):
    pictures = tmp_path / "in"
    pictures.mkdir()
    for number in range(60):
        cv2.imwrite(str(pictures / f"{number:0100}.png"), np.zeros((8, 8, 3), np.uint8))
    with mounted(tmp_path / "disk", "2m") as disk:
        earlier = disk / "found.jsonl"
        earlier.write_text("{}\n")
        with filled(disk, left):
            line = fails(cpp_programs.detect, small, pictures, "--jsonl", earlier)
        assert line == f"{earlier}: cannot be written (No space left on device)"
        assert earlier.read_text() == "{}\n"
        assert [path.name for path in disk.iterdir()] == ["found.jsonl"]


def test_standard_output_on_a_full_disk(cpp_programs, small, picture, tmp_path):
    with open("/dev/full", "w") as full:
        for program in (cpp_programs.detect, cpp_programs.bench):
            words = [small, picture, "--out", tmp_path] if program == cpp_programs.detect else [
                small, "--runs", "1", "--seconds", "0.01",
            ]  # fmt: skip
            done = subprocess.run(
                [program, *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
            )
            assert done.returncode == 1
            assert done.stderr.splitlines()[-1].endswith(
                "standard output: cannot be written (No space left on device)"
            )


def test_sources_and_models_are_not_replaced(cpp_programs, small, picture, tmp_path):
    (tmp_path / "small.json").write_text("{}")
    for file in (picture, small, tmp_path / "small.json"):
        before = Path(file).read_bytes()
        assert "would replace" in fails(cpp_programs.detect, small, picture, "--jsonl", file)
        assert Path(file).read_bytes() == before


def test_a_folder_of_links_to_sources(cpp_programs, small, picture, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    (links / "a b.png").symlink_to(picture)
    for out in (links, picture.parent, picture.parent / ".." / "in"):
        line = fails(cpp_programs.detect, small, links, "--out", out)
        assert "holds the source images" in line


def test_json_lines_into_a_pipe_and_behind_a_link(cpp_programs, small, picture, tmp_path):
    link, target = tmp_path / "link.jsonl", tmp_path / "target.jsonl"
    target.write_text("old")
    link.symlink_to(target)
    run(cpp_programs.detect, small, picture, "--jsonl", link)
    assert link.is_symlink()
    assert json.loads(target.read_text())["source"] == str(picture)
    said, _ = run(cpp_programs.detect, small, picture, "--jsonl", "/dev/stdout")
    assert said.count('"source"') == 1
    assert Path("/dev/null").is_char_device()
    run(cpp_programs.detect, small, picture, "--jsonl", "/dev/null")
    assert Path("/dev/null").is_char_device()
    line = fails(cpp_programs.detect, small, picture, "--jsonl", "/dev/full")
    assert "No space left on device" in line


def test_a_reader_that_goes(cpp_programs, small, tmp_path):
    video, out = write_video(tmp_path / "v.avi", frames=50), tmp_path / "out"
    command = f"'{cpp_programs.detect}' {small} {video} --out {out} --jsonl - | head -n 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert sorted(f.name for f in out.iterdir()) == ["detections.jsonl", "v.mp4"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_recording_is_whole(cpp_programs, small, tmp_path, number):
    video, out = write_video(tmp_path / "v.avi", frames=5000), tmp_path / "out"
    command = [cpp_programs.detect, small, video, "--out", out, "--jsonl", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(number)
        process.send_signal(number)  # as a closed terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.decode() == "nanodet-detect: stopped\n"
    assert sorted(f.name for f in out.iterdir()) == ["detections.jsonl", "v.mp4"]
    lines = (out / "detections.jsonl").read_text().splitlines()
    capture = cv2.VideoCapture(str(out / "v.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(lines) < 5000


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_a_model_is_read_where_a_killed_export_left_it(
    request, cpp_programs, exported_small, picture, tmp_path, engine
):
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    stage, suffixes = {
        "openvino": (SIMPLIFIED, [".onnx"]),
        "ncnn": (FP32, [".param", ".bin", ".json"]),
    }[engine]
    model, out = exported_small.files[stage], tmp_path / "out"
    expected, _ = run(cpp_programs.detect, model, picture, "--jsonl", "-")

    def publish_it():
        with working_folder(out) as work, publishing(out):
            for suffix in suffixes:
                shutil.copy(model.with_suffix(suffix), work)
            publish(work, out)

    for moved in range(len(suffixes) + 1):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        for suffix in suffixes:
            (out / model.name).with_suffix(suffix).write_bytes(b"an earlier model's")
        killed = killed_at(moved + 1, publish_it, calls=["replace"])
        assert killed == (out / INCOMING).exists() == (moved < len(suffixes))
        found, _ = run(cpp_programs.detect, out / model.name, picture, "--jsonl", "-")
        assert found == expected
    # what was put there since counts, and so does what is there beside a stranger's folder or a link
    (out / INCOMING).mkdir()
    last = model.with_suffix(suffixes[-1]).name
    (out / INCOMING / last).write_bytes(b"not this one")
    for manifest in ("", "[" * 100_000, json.dumps({last: None})):
        (out / INCOMING / MANIFEST).write_text(manifest)
        found, _ = run(cpp_programs.detect, out / model.name, picture, "--jsonl", "-")
        assert found == expected
    (out / last).rename(out / "elsewhere")
    (out / INCOMING / last).unlink()
    (out / INCOMING / last).symlink_to(out / "elsewhere")
    (out / INCOMING / MANIFEST).write_text(json.dumps({last: None}))
    error = fails(cpp_programs.detect, out / model.name, picture, "--jsonl", "-")
    assert error.endswith(
        "does not exist: copy it too" if engine == "ncnn" else "no such model file"
    )


def test_one_that_publishes_does_not_disturb_those_that_read(
    request, cpp_programs, exported_small, picture, tmp_path
):
    request.getfixturevalue("ncnn_option")
    model, out = exported_small.files[FP32], tmp_path / "out"
    spec = json.loads(model.with_suffix(".json").read_text())

    def publish_version(number):
        with working_folder(out) as work, publishing(out):
            shutil.copy(model, work)
            weights = np.fromfile(model.with_suffix(".bin"), np.float32)
            (weights * np.float32(1 - number / 100)).tofile(work / "small.bin")
            spec["files"]["small.bin"] = sha256(work / "small.bin")
            (work / "small.json").write_text(json.dumps(spec))
            publish(work, out)

    publish_version(0)
    child = os.fork()
    if child == 0:
        try:
            for turn in itertools.count():
                publish_version(turn % 2)
        finally:
            os._exit(1)
    try:
        words = [out / model.name, picture, "--jsonl", "-"]
        found = {run(cpp_programs.detect, *words)[0] for _ in range(12)}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert len(found) == 2


def test_under_nohup_a_closed_terminal_is_nothing(cpp_programs, small, tmp_path):
    video, out = write_video(tmp_path / "v.avi", frames=200), tmp_path / "out"
    command = ["nohup", cpp_programs.detect, small, video, "--out", out, "--jsonl", "-"]
    pipe = subprocess.PIPE
    # without a buffer: lines that it had read ahead would be lost to communicate()
    with subprocess.Popen(command, bufsize=0, stdout=pipe, stderr=pipe) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        lines, _ = process.communicate(timeout=60)
    assert (process.returncode, len(lines.splitlines())) == (0, 199)
