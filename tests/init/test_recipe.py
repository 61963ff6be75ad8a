"""The recipe of nanodet init, and the studies of it in config/study."""

from pathlib import Path

import pytest
import yaml

from nanodet.init.recipe import PRECISION, recipe

STUDIES = Path(__file__).parents[2] / "config" / "study"


@pytest.mark.parametrize(
    ("file", "images", "batch"), [("recipe_bccd", 292, 8), ("recipe_raccoon", 160, 16)]
)
def test_the_studies_are_of_this_recipe(file: str, images: int, batch: int) -> None:
    own = recipe(images, batch, fine_tuned=True)
    written = yaml.safe_load((STUDIES / f"{file}.yml").read_text())["variants"]["recipe"]
    assert written == {
        "device.batchsize_per_gpu": batch,
        "device.precision": PRECISION,
        "model.weight_averager": {
            "name": "ExpMovingAverager",
            "decay": own.ema_decay,
            "ramp_steps": own.ema_ramp,
        },
        "schedule.optimizer.lr": own.lr,
        "schedule.warmup.steps": own.warmup_steps,
        "schedule.lr_schedule.eta_min": own.lr_end,
        "schedule.total_epochs": own.epochs,
    }
    # the rest is that of the config of the study
    base = yaml.safe_load((STUDIES / file).with_suffix(".yml").read_text())["config"]
    config = yaml.safe_load((STUDIES / base).read_text())
    assert config["data"]["train"]["pipeline"] == own.pipeline
    assert config["schedule"]["optimizer"]["weight_decay"] == own.weight_decay
    assert config["schedule"]["warmup"]["ratio"] == own.warmup_ratio
    assert config["grad_clip"] == own.grad_clip


@pytest.mark.parametrize("images", [20, 200, 5000])
@pytest.mark.parametrize("batch", [4, 8, 32])
@pytest.mark.parametrize("fine_tuned", [False, True])
def test_warm_up_and_average_are_a_small_part_of_the_training(
    images: int, batch: int, fine_tuned: bool
) -> None:
    own = recipe(images, batch, fine_tuned)
    steps = own.epochs * -(-images // batch)
    assert own.warmup_steps <= max(steps / 6, 1)
    assert 1 / (1 - own.ema_decay) <= max(steps / 10, 10) * 1.02  # rounded
    assert own.lr_end < own.lr
    assert own.detach_epoch <= max(own.epochs / 3, 1)
    assert own.val_intervals <= max(own.epochs / 10, 1)
