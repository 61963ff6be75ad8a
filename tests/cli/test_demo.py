"""The scripts that keep what users of the original type, as real processes."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from box_model import write_box_model
from moving_pictures import grey, write_video

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_box_model(tmp_path_factory.mktemp("model") / "box.onnx")


def script(name, *arguments, folder):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, str(ROOT / name), *map(str, arguments)], cwd=folder, env=env, text=True,
        encoding="utf-8", capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def config_with_save_dir(folder):
    text = (ROOT / "config" / "nanodet-m.yml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("save_dir:")]
    path = folder / "config.yml"
    path.write_text("\n".join([*lines, f"save_dir: '{folder / 'saved'}'"]), encoding="utf-8")
    return path


def saved(folder):
    (dated,) = (folder / "saved").iterdir()
    return sorted(f.relative_to(dated).as_posix() for f in dated.rglob("*") if f.is_file())


def test_demo_image_of_a_folder(model, tmp_path):
    for name in ("a.jpg", "sub/b.png"):
        (tmp_path / "in [1]" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / "in [1]" / name), grey(150))
    done = script(
        "demo/demo.py", "image", "--config", config_with_save_dir(tmp_path), "--model", model,
        "--path", tmp_path / "in [1]", "--save_result", folder=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert saved(tmp_path) == ["a.jpg", "detections.jsonl", "sub/b.png"]


def test_demo_video(model, tmp_path):
    done = script(
        "demo/demo.py", "video", "--config", config_with_save_dir(tmp_path), "--model", model,
        "--path", write_video(tmp_path / "v.avi", 5), "--save_result", folder=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert saved(tmp_path) == ["detections.jsonl", "v.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["webcam", "--camid", "98", "--save_result"], "camera 98"),
        (["image", "--path", "missing.jpg", "--save_result"], "missing.jpg"),
        (["image", "--config", "missing.yml", "--save_result"], "missing.yml"),
        (["image", "--path", "missing.jpg"], "no display"),
    ],
)
def test_demo_errors_are_one_line(model, tmp_path, arguments, message):
    done = script("demo/demo.py", *arguments, "--model", model, folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("nanodet: error: ") and message in line


def test_predictor_takes_a_path_or_a_picture(model, tmp_path):
    cv2.imwrite(str(tmp_path / "p.png"), grey(150))
    program = (
        "import cv2; from tools.inference import Predictor;"
        f"predictor = Predictor({str(model)!r}, score=0.1);"
        "a, b = predictor.predict('p.png'), predictor.predict(cv2.imread('p.png'));"
        "assert len(a) == 1 and (a.xyxy == b.xyxy).all(); print(a.name_of(a.class_id[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("lamp", "")


def test_inference_script_prints_its_usage(tmp_path):
    done = script("tools/inference.py", folder=tmp_path)
    assert done.returncode == 0 and "Predictor(" in done.stdout
