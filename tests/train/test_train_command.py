"""``nanodet train`` as a user runs it: the run folder, and bad input."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
import yaml

from nanodet import Detector
from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.images.image_file import read_picture


def nanodet(root, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "nanodet.cli.main", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(root, shapes, tmp_path_factory):
    """A run folder after two epochs."""
    from nanodet.config import save_config
    from nanodet.quickstart.config import quickstart_config

    folder = tmp_path_factory.mktemp("finished")
    config = quickstart_config(folder / "run", *shapes, seed=3, epochs=2)
    config.device.gpu_ids = -1
    for section in (config.data.train, config.data.val):
        section.input_size = [96, 96]
    save_config(config, folder / "config.yml")
    done = nanodet(root, "train", folder / "config.yml")
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "run"


def test_the_run_folder_holds_what_is_promised(finished):
    names = (
        "config.yml", "metrics.csv", "model_last.ckpt", "model_best/model_best.ckpt",
        "ap_per_class.md", "loss.png", "ap.png", "precision_recall.png", "confusion_matrix.png",
        "validation.jpg", "train_samples.jpg",
    )  # fmt: skip
    for name in names:
        assert (finished / name).stat().st_size > 0, name
    assert list((finished / "tensorboard").glob("*/events*"))
    assert not list(finished.rglob(".*"))  # no temporary file is left
    for name in names:
        if name.endswith((".png", ".jpg")):
            assert min(read_picture(finished / name).shape[:2]) > 200
    with open(finished / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"epoch", "step", "train/lr", "train/loss", "val/AP", "val/AP50"} <= set(rows[0])
    assert sum(bool(row["val/AP"]) for row in rows) == 2


def test_a_checkpoint_alone_is_enough(finished, shapes, tmp_path):
    detector = Detector(finished / "model_best" / "model_best.ckpt", score=0.001)
    assert detector.class_names == ("circle", "square", "triangle", "star")
    picture = read_picture(sorted(shapes[1][0].iterdir())[0])
    assert len(detector(picture)) > 0
    state = torch.load(finished / "model_last.ckpt", map_location="cpu", weights_only=True)
    assert state["nanodet"]["config"]["class_names"] == ["circle", "square", "triangle", "star"]
    assert load_config(finished / "config.yml").seed == 3
    # and it evaluates through the command
    out = tmp_path / "ap.json"
    pictures, annotations = shapes[1]
    arguments = ["--images", pictures, "--annotations", annotations, "--json", out]
    assert main(["eval", str(finished / "model_last.ckpt"), *map(str, arguments)]) == 0
    assert json.loads(out.read_text())["images"] == 8


@pytest.mark.slow
def test_training_again_keeps_the_earlier_run(root, finished, small_config, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    done = nanodet(root, "train", small_config(**{"schedule.total_epochs": 1}))
    assert done.returncode == 0, done.stderr[-2000:]
    earlier = list((tmp_path / "run").glob("earlier-*"))
    assert len(earlier) == 1
    assert (earlier[0] / "model_last.ckpt").is_file()
    assert "earlier run" in done.stdout


def test_only_a_runs_own_files_are_moved_aside(tmp_path):
    from nanodet.train.run_folder import move_earlier_run

    (tmp_path / "pictures").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert move_earlier_run(tmp_path) is None
    (tmp_path / "model_last.ckpt").write_text("weights")
    earlier = move_earlier_run(tmp_path)
    assert [path.name for path in earlier.iterdir()] == ["model_last.ckpt"]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"pictures", "notes.txt", earlier.name}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("schedule.optimizer.lr=0.5", "schedule.optimizer.lr: is 0.5, but the run to resume has"),
        ("model.weight_averager=null", "model.weight_averager"),
        ("model.arch.head.feat_channels=64", "model.arch.head.feat_channels"),
        ("class_names=[a, b, c, d]", "class_names"),
        ("schedule.total_epochs=1", "schedule.total_epochs"),
        ("seed=4", "seed"),
        ("save_dir=elsewhere", "save_dir"),
    ],
)
def test_a_resume_with_another_setting_is_one_line(finished, override, expected, capsys):
    resume = f"schedule.resume={finished / 'model_last.ckpt'}"
    before = (finished / "config.yml").read_text()
    assert main(["train", str(finished.parent / "config.yml"), resume, override]) == 1
    assert expected in capsys.readouterr().err
    assert (finished / "config.yml").read_text() == before


@pytest.mark.slow
def test_the_last_epoch_is_always_evaluated(root, small_config, tmp_path):
    config = small_config(**{"schedule.total_epochs": 3, "schedule.val_intervals": 2})
    done = nanodet(root, "train", config)
    assert done.returncode == 0, done.stderr[-2000:]
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        epochs = [row["epoch"] for row in csv.DictReader(file) if row["val/AP"]]
    assert epochs == ["2", "3"]  # counted from 1


def heed_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs inherit it ignored


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGHUP)),
    ],
)
def test_a_stopped_training_says_so_and_can_be_resumed(
    root, small_config, tmp_path, capsys, number
):
    keys = {
        "schedule.total_epochs": 500,
        "schedule.val_intervals": 500,
        "device.workers_per_gpu": 2,
    }
    config = small_config(**keys)
    process = subprocess.Popen(
        [sys.executable, "-m", "nanodet.cli.main", "train", str(config)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, preexec_fn=heed_interrupts, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 100
    while not (tmp_path / "run" / "model_last.ckpt").exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    assert main(["train", str(config)]) == 1  # and meanwhile no other run takes its folder
    assert f"run: is in use by process {process.pid} on " in capsys.readouterr().err
    os.killpg(process.pid, number)  # as service managers do it, and terminals
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    how = "stopped" if number == signal.SIGINT else f"stopped by {number.name}"
    assert re.fullmatch(rf"nanodet: {how} in epoch \d+; schedule.resume=true resumes it\n", err)
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    assert main(["info", str(tmp_path / "run" / "model_last.ckpt")]) == 0


def test_a_training_goes_on_when_nobody_reads_its_lines_any_more(
    small_config, tmp_path, monkeypatch, capfd
):
    ends = [os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True)]
    monkeypatch.setattr(sys, "stdout", ends[1])

    def head():
        ends[0].readline()
        ends[0].close()

    reader = threading.Thread(target=head)
    reader.start()
    config = small_config(**{"schedule.total_epochs": 2, "schedule.val_intervals": 2})
    assert main(["train", str(config)]) == 0
    reader.join()
    ends[1].close()
    assert "error" not in capfd.readouterr().err
    assert (tmp_path / "run" / "model_best" / "model_best.ckpt").is_file()
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) > 2


@pytest.mark.slow
def test_fine_tuning_from_other_classes_reports_what_was_taken(root, finished, small_config):
    config = small_config(
        **{
            "schedule.load_model": str(finished / "model_last.ckpt"),
            "schedule.total_epochs": 1,
            "schedule.accumulate": 2,
            "model.arch.backbone.pretrain": True,  # must not be fetched: the model brings its own
        }
    )
    done = nanodet(root, "train", config)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tensors taken" in done.stdout


@pytest.mark.slow
def test_a_set_smaller_than_a_batch_trains_without_names_in_the_config(
    root, small_config, tmp_path
):
    config = small_config(
        **{
            "class_names": None, "model.arch.head.num_classes": None, "schedule.val_intervals": 1,
            "device.batchsize_per_gpu": 64, "schedule.total_epochs": 1,
            "device.precision": "bf16-mixed", "data.train.multi_scale": [0.5, 1.5],
            "schedule.early_stopping": {"patience": 1},
        }
    )  # fmt: skip
    done = nanodet(root, "train", config)
    assert done.returncode == 0, done.stderr[-2000:]
    written = yaml.safe_load((tmp_path / "run" / "config.yml").read_text())
    assert written["class_names"] == ["circle", "square", "triangle", "star"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data.train.img_path": "nowhere"}, "nowhere"),
        ({"data.train.ann_path": "nowhere.json"}, "nowhere.json"),
        ({"data.train.name": "Kitti"}, "Kitti"),
        ({"model.arch.backbone.name": "Elsewhere"}, "model.arch.backbone.name"),
        ({"model.arch.head.num_classes": 7, "class_names": None}, "num_classes"),
        ({"schedule.load_model": "none.ckpt"}, "none.ckpt"),
        ({"schedule.resume": "none.ckpt"}, "none.ckpt"),
        ({"schedule.optimizer.name": "Lion"}, "schedule.optimizer.name"),
        ({"schedule.lr_schedule.name": "StepLR"}, "schedule.lr_schedule.name"),
        ({"device.precision": "8"}, "device.precision"),
        ({"device.precision": 16}, "device.precision"),
        ({"device.accelerator": "cuda"}, "device.accelerator"),
        ({"evaluator.save_key": "F1"}, "evaluator.save_key"),
        ({"save_dir": "/proc/nanodet"}, "/proc/nanodet"),
        ({"shedule": {}}, "shedule: unknown key; did you mean schedule?"),
        ({"device.strategy": "magic"}, "device.strategy"),
        ({"schedule.lr_schedule.T_max": 0}, "schedule.lr_schedule.T_max"),
        ({"schedule.optimizer.betas": [0.9]}, "schedule.optimizer.betas"),
        ({"schedule.optimizer.lr": float("nan")}, "schedule.optimizer.lr"),
        ({"model.arch.fpn.out_channels": 0}, "model.arch.fpn.out_channels"),
        ({"model.weight_averager.name": "SWA"}, "model.weight_averager.name"),
        ({"evaluator.nms_iou": 7}, "evaluator.nms_iou"),
        ({"data.val.input_size": [100, 100]}, "data.val.input_size"),
        ({"seed": 10**30}, "seed"),
    ],
)
def test_bad_input_is_one_line(small_config, changes, expected, capsys, tmp_path):
    if "device.accelerator" in changes and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    config = small_config(**changes)
    before = sorted(tmp_path.rglob("*"))
    assert main(["train", str(config)]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1
    assert expected in lines[0]
    assert "Traceback" not in lines[0]
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


@pytest.mark.slow
def test_a_broken_picture_ends_the_training_in_one_line(root, shapes, small_config, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for path in shapes[0][0].iterdir():
        (pictures / path.name).write_bytes(path.read_bytes())
    victim = sorted(pictures.iterdir())[5]
    victim.write_bytes(victim.read_bytes()[:700])
    for workers in (0, 1):
        config = small_config(
            f"w{workers}.yml",
            **{
                "data.train.img_path": str(pictures), "data.train.cache": False,
                "device.workers_per_gpu": workers, "save_dir": str(tmp_path / f"run{workers}"),
            },
        )  # fmt: skip
        done = nanodet(root, "train", config)
        assert done.returncode == 1
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        assert len(errors) == 1, done.stderr[-3000:]
        assert victim.name in errors[0]
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_coco_config_starts_when_coco_is_in_place(root, coco_mini, tmp_path):
    (tmp_path / "coco" / "annotations").mkdir(parents=True)
    names = sorted(path.name for path in (coco_mini / "images").iterdir())[:6]
    (tmp_path / "few.txt").write_text("\n".join(names))
    for part in ("train2017", "val2017"):
        (tmp_path / "coco" / part).symlink_to(coco_mini / "images")
        annotations = tmp_path / "coco" / "annotations" / f"instances_{part}.json"
        annotations.symlink_to(coco_mini / "annotations.json")
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "train.py"), str(root / "config" / "nanodet-m.yml"),
         "model.arch.backbone.pretrain=false", "schedule.total_epochs=1", "device.workers_per_gpu=1",
         f"data.train.list_path={tmp_path / 'few.txt'}", f"data.val.list_path={tmp_path / 'few.txt'}"],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    if not torch.cuda.is_available():
        assert "no GPU was found: training on the CPU" in done.stdout
    assert (tmp_path / "workspace" / "nanodet_m" / "model_best" / "model_best.ckpt").is_file()
    # into a log: a line an epoch, no bar
    assert "epoch 1/1  loss " in done.stdout
    assert "it/s" not in done.stdout + done.stderr


FOLDERS = """
import sys
from pathlib import Path
from nanodet.cli.main import main
from nanodet.files.locks import locked
config, free = sys.argv[1], Path(sys.argv[2])
for folder in ("/dev/null", config, f"{config}/run"):
    print(main(["train", config, f"save_dir={folder}"]))
free.mkdir()
with locked(free):
    import subprocess
    command = [sys.executable, "-X", "importtime", "-m", "nanodet", "train", config, f"save_dir={free}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
lines = done.stderr.splitlines()
print(done.returncode, lines[-1], file=sys.stderr)
print(any(line.endswith(" torch") for line in lines) or "torch" in sys.modules)
"""


def test_a_folder_that_cannot_be_is_told_before_torch_is_imported(root, small_config, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FOLDERS, small_config(), tmp_path / "free"], capture_output=True,
        text=True, timeout=60, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.stdout.split() == ["1", "1", "1", "False"], done.stderr
    *lines, used = [line for line in done.stderr.splitlines() if "error: " in line]
    assert len(lines) == 3 and all("is a file" in line for line in lines), lines
    assert re.match(r"1 nanodet: error: .*free: is in use by process \d+ on ", used)
