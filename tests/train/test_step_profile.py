"""``nanodet profile``: the stages of the steps of a training, and its advice."""

import re
from types import SimpleNamespace

import pytest

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.train import profile as profiling
from nanodet.train.profile import STAGES, Profile, Stopwatch, advise


def found(**seconds):
    """Return a `Profile` of steps of one second in backward, and what is given."""
    return Profile(
        {stage: 0.0 for stage in STAGES} | {"backward": 1.0} | seconds,
        16, "cpu", "32-true", (320, 320), 2, 1.0,
    )  # fmt: skip


def test_a_profile_of_a_training(small_config, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(profiling, "bf16_speed", lambda *_: 0.5)
    averager = {"model.weight_averager": {"name": "ExpMovingAverager"}}
    # weights that are not there are not missed
    path = small_config(**averager, **{"schedule.load_model": "not there.ckpt"})
    assert main(["profile", str(path), "--steps", "2", "device.precision=bf16-mixed"]) == 0
    said = capsys.readouterr().out
    shares = [float(re.search(rf"^{stage} .* ms +(\S+) %$", said, re.M)[1]) for stage in STAGES]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert min(shares[STAGES.index(one)] for one in ("forward", "losses", "backward", "EMA")) > 0
    assert re.search(r"images per second \(4 a step, 96 x 96, cpu, \d+ threads, bf16-mixed\)", said)
    assert "advice: device.precision: bf16-mixed has 0.50 of the speed of 32 on this CPU" in said
    assert not (tmp_path / "run").exists()


def test_bad_settings_are_one_line(small_config, capsys):
    assert main(["profile", str(small_config()), "device.precision=16"]) == 1
    assert "device.precision: 16-mixed needs a GPU" in capsys.readouterr().err


def test_a_stage_does_not_count_those_that_it_calls(monkeypatch):
    clock = iter([0.0, 1, 1, 3, 6, 10, 15, 22, 22])
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    watch._begin()  # at 0
    watch.on_train_batch_start(None, None, None)  # 1
    with watch.stage("optimiser"):  # 3
        with watch.stage("backward"):  # 6
            pass  # 10
    # 15
    watch.on_train_batch_end(SimpleNamespace(global_step=1), None, None, [0, 0])  # 22
    assert watch.steps == [{"loader": 1, "other": 2 + 7, "optimiser": 3 + 5, "backward": 4}]
    assert watch.images == [2]


def test_a_step_of_several_batches():
    watch = Stopwatch()
    watch._begin()
    for step, images in ((0, 2), (1, 2), (2, 1)):  # the last of an epoch, a step of one batch
        watch.on_train_batch_start(None, None, None)
        with watch.stage("forward"):
            pass
        watch.on_train_batch_end(SimpleNamespace(global_step=step), None, None, [0] * images)
    assert watch.images == [4, 1]
    assert all(set(step) == {"loader", "other", "forward"} for step in watch.steps)


@pytest.mark.parametrize(
    ("one", "bf16", "line", "images"),
    [
        (found(), None, None, 100),
        (
            found(loader=1.0),
            None,
            "the loader takes 50 % of a step: more device.workers_per_gpu (0 now",
            100,
        ),
        (found(losses=0.1, assignment=0.1), None, "assignment and losses take 17 % of a step", 100),
        (found(EMA=0.1, optimiser=0.1), None, "optimiser and EMA take 17 % of a step", 5),
        (found(EMA=0.1, optimiser=0.1), None, None, 4),  # a batch holds them all
        (found(), 1.3, "bf16-mixed is 1.30 times as fast as 32 on this CPU", 100),
        (found(), 1.01, None, 100),
    ],
)
def test_advice(small_config, monkeypatch, one, bf16, line, images):
    monkeypatch.setattr(profiling, "core_count", lambda: 4)
    config = load_config(small_config(**{"device.workers_per_gpu": 0}))
    lines = list(advise(one, config, bf16, images))
    assert len(lines) == (line is not None)
    assert line is None or line in lines[0]
