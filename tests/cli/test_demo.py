"""The scripts that keep what users of the original type, as real processes."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from box_model import write_box_model
from moving_pictures import grey, write_video

from nanodet import Detector, NanodetError
from nanodet.compare.tensors import generated_picture
from nanodet.config import config_to_dict, load_config, save_config
from nanodet.model.checkpoint import read_checkpoint
from nanodet.original.predictor import Predictor
from nanodet.runtime.spec import Spec

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
        (["image", "--path", "missing.jpg"], "use --save_result to write the results"),
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
        "import cv2; from tools.inference import Predictor; import demo.demo;"
        "assert demo.demo.Predictor is Predictor;"
        f"predictor = Predictor({str(model)!r}, score=0.1);"
        "a, b = predictor.predict('p.png'), predictor.predict(cv2.imread('p.png'));"
        "assert len(a) == 1 and (a.xyxy == b.xyxy).all(); print(a.name_of(a.class_id[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("lamp", "")


class Lines(list):
    """A logger as the original's."""

    def log(self, line):
        self.append(line)


def test_predictor_as_the_original_is_called(small_checkpoint, tmp_path, monkeypatch):
    """Config first, a logger, a device that is not there; ``inference`` and ``visualize``."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    save_config(Detector(small_checkpoint).config, tmp_path / "small.yml")
    picture, cfg, lines = generated_picture(3), load_config(tmp_path / "small.yml"), Lines()
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    predictor = Predictor(cfg, str(small_checkpoint), lines, "cuda:99")
    meta, results = predictor.inference(str(tmp_path / "p.png"))
    drawn = predictor.visualize(results[0], meta, cfg.class_names, 0.3)
    assert drawn.shape == picture.shape and (drawn != picture).any()
    assert meta["img_info"]["file_name"] == ["p.png"]
    assert len(lines) == 2 and "cuda:99" in lines[0] and "no display" in lines[1]
    wanted = Detector(small_checkpoint, score=0.05)(picture)
    assert len(wanted) > 3
    for class_id in range(3):
        rows = np.array(results[0][class_id], np.float32).reshape(-1, 5)
        same = wanted[wanted.class_id == class_id]
        np.testing.assert_allclose(rows[:, :4], same.xyxy)
        np.testing.assert_allclose(rows[:, 4], same.confidence)


@pytest.mark.parametrize("cfg", ["a path", "a mapping"])
def test_predictor_takes_a_config_in_any_form(cfg, small_checkpoint, tmp_path):
    config = Detector(small_checkpoint).config
    save_config(config, tmp_path / "small.yml")
    given = tmp_path / "small.yml" if cfg == "a path" else config_to_dict(config)
    for predictor in (Predictor(given, small_checkpoint), Predictor(small_checkpoint, given)):
        assert predictor.cfg.class_names == config.class_names


@pytest.mark.parametrize("arguments", [(), (None, None), ("small.yml",)])
def test_predictor_without_a_model_says_so(arguments):
    with pytest.raises(NanodetError, match="model_path"):
        Predictor(*arguments)


def test_predictor_refuses_a_device_that_is_none(small_checkpoint):
    with pytest.raises(NanodetError, match="device: 'gpu'"):
        Predictor(small_checkpoint, device="gpu")


@pytest.mark.slow
def test_export_torchscript(small_checkpoint, tmp_path):
    """The file alone gives what torch gives, at any size and batch, and carries its spec."""
    save_config(Detector(small_checkpoint).config, tmp_path / "small.yml")
    done = script(
        "tools/export_torchscript.py", "--cfg_path", "small.yml", "--model_path", small_checkpoint,
        "--input_shape", "96,128", folder=tmp_path,
    )  # fmt: skip
    out = tmp_path / "nanodet.torchscript.pth"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == out.name
    extra = {"nanodet.json": ""}
    module = torch.jit.load(out, _extra_files=extra)
    spec = Spec.from_json(extra["nanodet.json"].decode(), str(out))
    assert (spec.class_names, spec.input_size) == (("disc", "square", "Dreieck ü"), (128, 96))
    reference = Detector(small_checkpoint)
    tensors = torch.randn(2, 3, 64, 160)
    for given, tensor in zip(module(tensors), tensors, strict=True):
        assert np.abs(given.numpy() - reference.run(tensor[None].numpy())).max() < 1e-4


def test_flops(small_checkpoint, tmp_path):
    save_config(Detector(small_checkpoint).config, tmp_path / "small.yml")
    done = script("tools/flops.py", "small.yml", "--input_shape", "64,160", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "parameters in use" in done.stdout and "input       160 x 64" in done.stdout


@pytest.mark.slow
def test_convert_old_checkpoint(small_checkpoint, tmp_path):
    """What the original 0.x wrote; the result computes the same, here and in the original."""
    save_config(Detector(small_checkpoint).config, tmp_path / "small.yml")
    weights = read_checkpoint(small_checkpoint).weights
    old = {"epoch": 7, "iter": 90, "state_dict": weights, "optimizer": {"state": {}}}
    torch.save(old, tmp_path / "old.pth")
    words = ["--file_path", "old.pth", "--out_path", "new.ckpt"]
    done = script("tools/convert_old_checkpoint.py", *words, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "new.ckpt\n", "")
    new = torch.load(tmp_path / "new.ckpt", weights_only=True)
    assert (new["epoch"], new["global_step"]) == (7, 90)
    assert new["optimizer_states"] == [{"state": {}}] and "pytorch-lightning_version" in new
    assert set(new["state_dict"]) == {f"model.{name}" for name in weights}
    picture = generated_picture(3)
    found = Detector(tmp_path / "new.ckpt", config=tmp_path / "small.yml", score=0.3)(picture)
    wanted = Detector(small_checkpoint, score=0.3)(picture)
    assert len(wanted) > 3 and (found.xyxy == wanted.xyxy).all()
    again = ["--file_path", "new.ckpt", "--out_path", "newer.ckpt"]
    done = script("tools/convert_old_checkpoint.py", *again, folder=tmp_path)
    assert done.returncode == 1 and "there is nothing to convert" in done.stderr
    assert not (tmp_path / "newer.ckpt").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["c.yml", "--local_rank", "0", "--seed", "3"], 1, "c.yml: cannot read"),
        (["--local-rank=0", "c.yml"], 1, "c.yml: cannot read"),
        (["c.yml", "--local_rank", "1"], 2, "torchrun"),
    ],
)
def test_local_rank(words, code, said, tmp_path):
    done = script("tools/train.py", *words, folder=tmp_path)
    assert done.returncode == code and said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_requirements_are_the_whole_install(root):
    lines = (root / "requirements.txt").read_text().splitlines()
    assert {"-c constraints.txt", "-e .[all]"} <= set(lines)


def test_inference_script_prints_its_usage(tmp_path):
    done = script("tools/inference.py", folder=tmp_path)
    assert done.returncode == 0 and "Predictor(" in done.stdout
