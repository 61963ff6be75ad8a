"""Whatever goes wrong in a run, its last checkpoint is one from which it goes on."""

import os
import subprocess
import sys

import pytest
import pytorch_lightning as pl
import torch
from kill_points import killed_at, left_at_every_call

from nanodet import NanodetError
from nanodet.config import load_config
from nanodet.files.temporary import TEMPORARY
from nanodet.train.divergence import not_finite, optimizer_tensors
from nanodet.train.run_folder import finish_moving, move_earlier_run
from nanodet.train.trainer import train

STEPS = 6  # an epoch of the small set


class Poison(pl.Callback):
    """Ruins one kind of value behind a step, in one process or in all."""

    def __init__(self, kind, step, rank=None):
        self.kind, self.step, self.rank = kind, step, rank

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step != self.step or self.rank not in (None, trainer.global_rank):
            return
        nan = float("nan")
        if self.kind == "huge weights":  # numbers, but the next loss is none
            for weight in module.model.parameters():
                weight.data.mul_(1e25)
        elif self.kind == "momentum":
            next(iter(trainer.optimizers[0].state.values()))["exp_avg_sq"].fill_(float("inf"))
        elif self.kind == "weights":
            next(module.model.parameters()).data.fill_(nan)
        elif self.kind == "average":
            next(module.avg_model.parameters()).data.fill_(nan)
        else:
            buffers = module.model.named_buffers()
            next(buffer for name, buffer in buffers if "running_var" in name).fill_(float("inf"))


def assert_good(path, epochs):
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["nanodet"]["epochs"] == epochs
    assert not not_finite(checkpoint["state_dict"])
    assert not not_finite(optimizer_tensors(checkpoint["optimizer_states"][0]["state"]))


SLOW = [
    pytest.param(kind, step, changes, marks=pytest.mark.slow)
    for kind in ("huge weights", "momentum", "weights", "average", "statistics")
    for step in range(STEPS + 1, 2 * STEPS + 1)
    for changes in ({}, {"schedule.accumulate": 2}, {"device.precision": "bf16-mixed"})
    if "accumulate" not in str(changes) or step % 2 == 0
]


@pytest.mark.parametrize(("kind", "step", "changes"), [("huge weights", 2 * STEPS, {}), *SLOW])
def test_what_a_run_cannot_go_on_from_is_not_saved(small_config, tmp_path, kind, step, changes):
    keys = {"schedule.total_epochs": 4, "schedule.val_intervals": 9, **changes}
    if "schedule.accumulate" in changes:
        step //= 2
    config = small_config(**keys)
    with pytest.raises(
        NanodetError, match=r"no longer a number at step .*after epoch (\d)"
    ) as said:
        train(load_config(config), say=lambda line: None, callbacks=[Poison(kind, step)])
    epochs = int(str(said.value)[-1])
    assert_good(tmp_path / "run" / "model_last.ckpt", epochs)
    assert epochs >= 1
    train(load_config(config, ["schedule.resume=true", f"schedule.total_epochs={epochs + 1}"]))
    assert_good(tmp_path / "run" / "model_last.ckpt", epochs + 1)


def test_ruined_momentum_is_not_saved_nor_resumed(small_config, tmp_path):
    keys = {"schedule.total_epochs": 2, "schedule.val_intervals": 9}
    path = tmp_path / "run" / "model_last.ckpt"
    with pytest.raises(NanodetError, match=r"step 12 \(epoch 2\).*left as it was after epoch 1"):
        train(
            load_config(small_config(**keys)),
            say=lambda line: None,
            callbacks=[Poison("momentum", 2 * STEPS)],
        )
    assert_good(path, 1)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["optimizer_states"][0]["state"][3]["exp_avg"].fill_(float("nan"))
    torch.save(checkpoint, path)
    with pytest.raises(
        NanodetError, match=r"optimizer\.3\.exp_avg holds values that are not finite"
    ):
        train(load_config(small_config(**keys), ["schedule.resume=true"]), say=lambda line: None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["weights", "average", "huge weights"])
@pytest.mark.parametrize("step", [9, 12])
def test_one_of_two_processes_goes_wrong(root, small_config, tmp_path, kind, step):
    config = small_config(**{"device.batchsize_per_gpu": 2, "log.interval": 4})
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [sys.executable, *start, __file__, str(config), kind, str(step)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{root}:{root / 'tests'}"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "nanodet: error" in line]
    assert len(lines) == 1 and "the loss is no longer a number at step" in lines[0], done.stderr
    assert "[rank" not in done.stderr  # no traceback of a process that lost the other
    assert_good(tmp_path / "run" / "model_last.ckpt", int(lines[0][-1]))


def test_an_earlier_run_is_moved_whole_and_never_over_another(tmp_path):
    files = ("config.yml", "metrics.csv", "model_last.ckpt", "model_best/model_best.ckpt")
    for number in range(1, 9):
        for name in files:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(number))
        if number < 8:
            killed_at(number, lambda: move_earlier_run(tmp_path) and None)
            finish_moving(tmp_path)
        if (tmp_path / files[2]).exists():  # killed before the first
            move_earlier_run(tmp_path)
    found = []
    for folder in tmp_path.iterdir():
        contents = {(folder / name).read_text() for name in files}
        assert len(contents) == 1 and folder.name.startswith("earlier-")
        found += contents
    assert sorted(found) == [str(number) for number in range(1, 9)]


def last(folder):
    """Return the weights and the metrics of a run."""
    checkpoint = torch.load(folder / "model_last.ckpt", weights_only=True)
    return checkpoint["state_dict"], (folder / "metrics.csv").read_text()


@pytest.mark.slow
def test_killed_anywhere_a_run_goes_on_and_an_earlier_one_is_whole(trained, small_config, tmp_path):
    config, out, unbroken = small_config(**trained.keys), tmp_path / "run", tmp_path / "unbroken"
    for words in ([f"save_dir={unbroken}"], ["seed=4"]):
        train(load_config(config, words), say=lambda line: None)
    earlier = (out / "model_last.ckpt").read_bytes()
    with left_at_every_call(out, tmp_path) as copies:
        train(load_config(config), say=lambda line: None)
    resumed = set()
    for copy in copies:
        checkpoints = [path for path in copy.rglob("*.ckpt") if TEMPORARY not in path.name]
        for path in checkpoints:
            torch.load(path, weights_only=True)
        (whole,) = [
            path
            for path in checkpoints
            if path.name == "model_last.ckpt" and path.read_bytes() == earlier
        ]
        own = copy / "model_last.ckpt"
        if whole == own:
            continue
        files = own, copy / "metrics.csv"
        state = tuple(path.read_bytes() if path.exists() else None for path in files)
        if state in resumed:
            continue
        resumed.add(state)
        train(
            load_config(config, [f"save_dir={copy}", "schedule.resume=true"]),
            say=lambda line: None,
        )
        weights, metrics = last(copy)
        expected, expected_metrics = last(unbroken)
        assert metrics == expected_metrics
        assert all(torch.equal(weights[name], expected[name]) for name in expected)
        assert len(list(copy.glob("earlier-*/model_last.ckpt"))) == 1
        assert not [path for path in copy.rglob(".*")]
    assert len(copies) > 20 and len(resumed) > 5


if __name__ == "__main__":
    from nanodet.cli.main import run_command

    def run():
        config, kind, step = sys.argv[1:]
        train(load_config(config), callbacks=[Poison(kind, int(step), rank=1)])

    sys.exit(run_command(run))
