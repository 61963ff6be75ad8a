"""What could only fail late in a training is said before its first step, or costs nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from small_disk import as_root, mounted

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.config.data_sections import Dataset
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import build_loader, collate
from nanodet.data.read import read_annotations
from nanodet.data.workers import death_of_worker
from nanodet.errors import NanodetError
from nanodet.model.network import build_network
from nanodet.train.divergence import explain
from nanodet.train.module import TrainingModule
from nanodet.train.preflight import check_batch_norm, warn_of_export, warn_of_normalisation
from nanodet.train.trainer import train


def one_error(capsys):
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


def test_a_batch_that_batch_norm_cannot_learn_from_is_one_line(small_config, capsys, tmp_path):
    keys = {"data.train.input_size": [32, 32], "device.batchsize_per_gpu": 1}
    assert main(["train", str(small_config(**keys))]) == 1
    line = one_error(capsys)
    assert all(word in line for word in ("[32, 32]", "batchsize_per_gpu: 1", "freeze_norm"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "fails"),
    [
        ({"data.train.multi_scale": [0.2, 1.0]}, True),
        # one side is at most 32 and the other as well, where images are not stretched
        ({"data.train.input_size": [32, 160], "data.train.fit": "own"}, True),
        ({"data.train.input_size": [32, 160], "data.train.fit": "stretch"}, False),
        ({"data.train.input_size": [32, 32], "device.batchsize_per_gpu": 2}, False),
        ({"data.train.input_size": [32, 32], "schedule.freeze_norm": True}, False),
    ],
)
def test_which_batches_batch_norm_cannot_learn_from(small_config, shapes, changes, fails):
    config = load_config(small_config(**{"device.batchsize_per_gpu": 1, **changes}))
    pictures = read_annotations("CocoDataset", *map(str, shapes[0]))
    # the network agrees
    network = build_network(config.model.arch).train(not config.schedule.freeze_norm)
    section, size = config.data.train, config.data.train.input_size
    if section.multi_scale:
        size = [round(0.2 * side / 32) * 32 for side in size]
    data = DetectionSet(pictures, section, False)
    samples = [data[0, i, tuple(size)] for i in range(config.device.batchsize_per_gpu)]
    images = collate(samples).images.permute(0, 3, 1, 2).float()
    with pytest.raises(ValueError, match="more than 1 value") if fails else nullcontext():
        network(images)
    with pytest.raises(NanodetError, match="one value per") if fails else nullcontext():
        check_batch_norm(config, pictures, 1, "my.yml")


@pytest.mark.parametrize("name", ["model_last.ckpt", "model_best/model_best.ckpt", "loss.png"])
def test_a_folder_in_the_way_of_a_file(small_config, name, capsys, tmp_path):
    (tmp_path / "run" / name).mkdir(parents=True)
    assert main(["train", str(small_config())]) == 1
    assert f"{name}: is a folder" in one_error(capsys)


@pytest.mark.parametrize("name", ["model_best", "tensorboard"])
def test_a_file_in_the_way_of_a_folder(small_config, name, capsys, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    assert main(["train", str(small_config())]) == 1
    assert f"{name}: cannot make this folder" in one_error(capsys)
    assert (tmp_path / "run" / name).read_text() == "mine"


def test_a_size_that_cannot_be_exported_is_said_with_the_way_on(small_config):
    keys = {"data.val.input_size": [100, 30], "data.val.fit": "stretch"}
    lines = []
    warn_of_export(load_config(small_config(**keys)), lines.append)
    assert "data.val.input_size: [100, 30]" in lines[0]
    assert "--size 96x32" in lines[0]
    warn_of_export(load_config(small_config()), lines.append)
    assert len(lines) == 1


def test_weights_that_are_no_numbers_are_named(trained, small_config, capsys, tmp_path):
    path = tmp_path / "run" / "model_last.ckpt"
    path.parent.mkdir()
    checkpoint = torch.load(trained.folder / path.name, weights_only=True)
    for prefix in ("model", "avg_model"):
        checkpoint["state_dict"][f"{prefix}.head.gfl_cls.1.bias"][2] = float("nan")
    torch.save(checkpoint, path)
    for key in ("schedule.resume", "schedule.load_model"):
        assert main(["train", str(small_config()), f"{key}={path}"]) == 1
        line = one_error(capsys)
        assert key in line
        assert "head.gfl_cls.1.bias holds values that are not finite" in line


class Poison(pl.Callback):
    """Makes a weight NaN behind the last look at the loss of an epoch."""

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == trainer.num_training_batches - 1:
            module.model.head.gfl_cls[0].weight.data.fill_(float("nan"))


def test_a_good_checkpoint_is_never_replaced_by_one_without_numbers(small_config, tmp_path):
    with pytest.raises(NanodetError, match=r"no longer a number at step 12 .*after epoch 1"):
        train(load_config(small_config()), callbacks=[Poison()])
    checkpoint = torch.load(tmp_path / "run" / "model_last.ckpt", weights_only=True)
    assert checkpoint["nanodet"]["epochs"] == 1
    assert all(torch.isfinite(t).all() for t in checkpoint["state_dict"].values())


def test_a_learning_rate_too_high_is_named_with_the_losses(small_config, capsys):
    changes = {"schedule.optimizer.lr": 1e6, "schedule.warmup.steps": 0, "grad_clip": None}
    assert main(["train", str(small_config(**changes))]) == 1
    line = one_error(capsys)
    assert re.search(r"at step \d+ \(epoch 1\): it went from .* to .*e\+\d+ before", line), line
    assert "schedule.optimizer.lr (now 1e+06)" in line
    assert "grad_clip" in line


def test_an_annotation_and_a_normalisation_that_give_no_number_are_named(shapes, small_config):
    config = load_config(small_config())
    pictures = read_annotations("CocoDataset", *map(str, shapes[0]))
    samples = DetectionSet(pictures, config.data.train, False)
    batch = collate([samples[0, index, (96, 96)] for index in (4, 7, 2)])
    torch.manual_seed(0)
    module = TrainingModule(config, build_network(config.model.arch), pictures)
    batch.boxes[1][-1] = torch.tensor([0, 0, torch.inf, torch.inf])
    line = explain(module, batch, [2.0, 2.0, 2.0], pictures.pictures)
    assert f"{pictures.pictures[7].path} (box {len(batch.boxes[1])})" in line
    config.data.train.pipeline.normalize = [[0, 0, 0], [1e-30] * 3]
    assert "pipeline.normalize" in explain(module, batch, [], pictures.pictures)
    module.model.fpn.lateral_convs[0].conv.weight.data.fill_(torch.nan)  # as behind its first step
    assert "pipeline.normalize" in explain(module, batch, [], pictures.pictures)


def test_a_normalisation_in_units_of_one_is_said(small_config):
    lines = []
    config = load_config(small_config())
    warn_of_normalisation(config, lines.append)
    assert not lines
    config.data.train.pipeline.normalize = [[0.406, 0.456, 0.485], [0.225, 0.224, 0.229]]
    warn_of_normalisation(config, lines.append)
    assert "values of up to 1.14e+03" in lines[0]


def nanodet(root, *words):
    """Start the command in a group of its own."""
    command = [sys.executable, "-m", "nanodet.cli.main", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="asks Linux for the children")
def test_a_killed_worker_ends_the_training_in_one_line(root, small_config, tmp_path):
    config = small_config(
        **{
            "schedule.total_epochs": 500, "schedule.val_intervals": 500,
            "device.workers_per_gpu": 2, "data.train.cache": False,
        }
    )  # fmt: skip
    process = nanodet(root, "train", config)
    deadline = time.monotonic() + 100
    while not (tmp_path / "run" / "model_last.ckpt").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = children(process.pid)
    assert workers
    os.kill(workers[-1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert f"pid {workers[-1]}" in line
    assert "memory" in line
    assert "device.workers_per_gpu" in line
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)


def load(batch_size, side, *names):
    """Load batches with a process beside this one, and compare them with those loaded without."""
    section = Dataset(*names, input_size=[side, side], fit="stretch")
    data = DetectionSet(read_annotations(*names), section, True)
    loaders = [build_loader(data, batch_size, n, True, 0, (side, side)) for n in (1, 0)]
    for batch, same in zip(*loaders, strict=True):
        assert batch.images.equal(same.images)
        assert all(a.equal(b) for a, b in zip(batch.boxes, same.boxes, strict=True))


# in one process, because each would import torch: a training that is told that there is little, and
# batches of 5 MB where another program has taken it: all but 1 MB, and what the locks would need
SHARED_MEMORY = """
import subprocess, sys
sys.path += sys.argv[1].split(";")
from test_preflight import load
from nanodet.cli.main import main
for size in ("400k", "1m", "64m", "4k", "64m,ro"):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", "/dev/shm"], check=True)
    print("==", size, file=sys.stderr, flush=True)
    if size == "400k":
        assert main(["train", sys.argv[2]]) == 0
    else:
        load(12, 384, *sys.argv[3:])
"""


@as_root
@pytest.mark.slow
def test_a_small_shared_memory_is_said_and_done_without(root, small_config, shapes):
    keys = {"device.workers_per_gpu": 1, "schedule.total_epochs": 1, "data.train.cache": False}
    here = Path(__file__).parent
    paths = [f"{here};{here.parent}", small_config(**keys), "CocoDataset", *shapes[0]]
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", SHARED_MEMORY, *map(str, paths)],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search("/dev/shm has 0 MB free, .* sent through pipes", done.stdout)
    *lines, full, name, locked = done.stderr.splitlines()
    assert [*lines, name] == ["== 400k", "== 1m", "== 64m", "== 4k", "== 64m,ro"]
    assert full.startswith("cannot start processes that load images (No space left")
    assert locked.startswith("cannot start processes that load images (Read-only file system")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks Linux for what is open")
def test_a_batch_of_many_images_needs_few_file_descriptors(shapes):
    import resource

    taken = sorted(int(name) for name in os.listdir("/proc/self/fd"))
    free = [number for number in range(taken[-1] + 40) if number not in taken]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(100)  # else it would wait for ever for a process that has too many open
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[36], hard))
    try:
        load(24, 32, "CocoDataset", *map(str, shapes[0]))
    except KeyboardInterrupt:
        pytest.fail("nothing came from the process that loads")
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class FillDisk(pl.Callback):
    """Leaves ``left`` bytes on the disk of a folder when the second epoch begins."""

    def __init__(self, folder, left):
        self.path, self.left = folder / "filler", left

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == 1:
            free = shutil.disk_usage(self.path.parent).free
            self.path.write_bytes(bytes(free - self.left))


@pytest.fixture()
def small_disk(tmp_path):
    with mounted(tmp_path / "disk") as folder:
        yield folder


@as_root
@pytest.mark.parametrize(
    "left", [0, 2_000_000]
)  # for metrics.csv alone, for a part of a checkpoint
def test_a_disk_that_fills_up_keeps_the_last_checkpoint(small_config, small_disk, left):
    config = load_config(small_config(save_dir=str(small_disk / "run")))
    with pytest.raises(NanodetError, match=r"cannot be written \(No space left"):
        train(config, callbacks=[FillDisk(small_disk, left)])
    checkpoint = torch.load(small_disk / "run" / "model_last.ckpt", weights_only=True)
    assert checkpoint["nanodet"]["epochs"] == 1
    assert not list(small_disk.rglob(".*"))


@as_root
def test_a_disk_too_small_for_the_run_is_said_at_the_start(small_config, small_disk, capsys):
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 25_000_000))
    assert main(["train", str(small_config(save_dir=str(small_disk / "run")))]) == 1
    assert "the run needs 3" in one_error(capsys)
    assert not (small_disk / "run").exists()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error. ",
            "pid 7.*Bus error.*shm-size",
        ),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "pid 7, 8.*workers_per_gpu: 0"),
        (
            "DataLoader worker (pid 7) exited unexpectedly with exit code 1.",
            "pid 7.*ended unexpectedly",
        ),
        ("mat1 and mat2 shapes cannot be multiplied", None),
    ],
)
def test_what_is_said_of_a_worker(message, expected):
    line = death_of_worker(RuntimeError(message))
    assert (line is None) if expected is None else re.search(expected, line)


def test_the_largest_stride_is_the_networks(small_config):
    """The level of stride 64 of a NanoDet-Plus has one value of an image of 64 x 64."""
    neck = "{out_channels: 32, num_extra_level: 1}"
    arch = f"{{name: NanoDetPlus, backbone: {{model_size: 0.5x, pretrain: false}}, fpn: {neck}}}"
    for size, context in (
        (64, pytest.raises(NanodetError, match="sides over 64")),
        (96, nullcontext()),
    ):
        path = small_config(**{"device.batchsize_per_gpu": 1})
        config = load_config(
            path, [f"model.arch={arch}", f"data.train.input_size=[{size}, {size}]"]
        )
        section = config.data.train
        pictures = read_annotations("CocoDataset", section.img_path, section.ann_path)
        with context:
            check_batch_norm(config, pictures, 1, "my.yml")
