"""What a file may leave out, and settings that the run or the machine defeats."""

import pytest
from where_keys_arrive import devices

from nanodet.config.data_sections import Dataset
from nanodet.config.effects import remarks
from nanodet.config.keys import REQUIRED, default_of, entries
from nanodet.errors import NanodetError
from nanodet.quickstart.shapes import CLASSES
from nanodet.train.sets import read_both_sets
from nanodet.train.trainer import train


def test_a_file_may_leave_out_what_it_need_not_say(configured):
    config = configured({"class_names": None})
    (name,) = (entry for entry, _ in entries(Dataset) if entry.name == "name")
    assert default_of(name) is REQUIRED
    assert config.model.arch.fpn.in_channels == [48, 96, 192]
    assert config.model.arch.head.strides == [8, 16, 32]
    assert config.schedule.lr_schedule.T_max == 50
    read_both_sets(config, "c.yml", print)
    assert config.model.arch.head.num_classes == len(CLASSES)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule.lr_schedule": {"name": "MultiStepLR", "milestones": [60]}}, "milestones: [60]"),
        (
            {"schedule.early_stopping": {"patience": 5}},
            "patience 5 is not reached in 5 evaluations",
        ),
        ({"schedule.lr_schedule.T_max": 300}, "T_max: 300 is after the last of 50 epochs"),
        ({"schedule.lr_schedule.T_max": 30}, "rate is 0 after epoch 30 of 50"),
        (
            {"schedule.optimizer": {"name": "SGD", "lr": 1, "no_norm_decay": True}},
            "no_norm_decay: ",
        ),
        (
            {
                "schedule.optimizer": {
                    "name": "SGD",
                    "lr": 1,
                    "param_level_cfg": {"fpn": {"decay_mult": 2}},
                },
            },
            "param_level_cfg.fpn.decay_mult: ",
        ),
        (
            {"schedule.freeze_norm": True, "model.arch.head.norm_cfg.momentum": 0.5},
            "head.norm_cfg.momentum: ",
        ),
        ({"evaluator.per_level": 10}, "per_picture: 100 is never reached"),
        (
            {"data.train.pipeline.mosaic": 0.5, "data.train.pipeline.off_epochs": 50},
            "pipeline.off_epochs: 50 of 50 epochs: none is left with mosaic",
        ),
        (
            {"data.train.pipeline.off_epochs": 5},
            "pipeline.off_epochs: no effect without any of mosa",
        ),
        (
            {"data.train.pipeline.crop_size": [0.5, 0.6]},
            "pipeline.crop_size: crop is 0, so this has",
        ),
        ({"device.workers_per_gpu": 4096}, "device.workers_per_gpu: "),
        ({"device.gpu_ids": [0], "device.accelerator": "cpu"}, "device.gpu_ids is [0], but"),
        ({}, None),
    ],
)
def test_a_setting_that_a_run_defeats_is_said(configured, changes, said):
    config = configured(changes)
    lines = [*remarks(config), *devices(config)[1]]
    assert any(said in line for line in lines) if said else lines == []


def test_machines_that_nobody_can_find_are_not_waited_for(configured, monkeypatch):
    config = configured({"device.num_nodes": 2})
    with pytest.raises(NanodetError, match=r"c\.yml: device\.num_nodes: is 2, .*torchrun"):
        devices(config)
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    assert devices(config)[0]["num_nodes"] == 2


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed"])
def test_a_strategy_that_this_machine_cannot_follow_is_one_line(configured, strategy):
    config = configured({"device.strategy": strategy, "device.accelerator": "cpu"})
    with pytest.raises(NanodetError, match=r"c\.yml: device: [^\n]*(GPU|DeepSpeed)"):
        train(config, "c.yml", say=lambda line: None)


def test_torchrun_and_the_config_agree_on_machines(configured, monkeypatch):
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "1"),
        ("LOCAL_WORLD_SIZE", "2"),
        ("WORLD_SIZE", "4"),
    ):
        monkeypatch.setenv(name, value)
    arguments, _ = devices(configured({"device.gpu_ids": -1}))
    assert (arguments["num_nodes"], arguments["devices"]) == (2, 2)
    with pytest.raises(NanodetError, match=r"c\.yml: device\.num_nodes: is 3, but torchrun .* 2"):
        devices(configured({"device.gpu_ids": -1, "device.num_nodes": 3}))
