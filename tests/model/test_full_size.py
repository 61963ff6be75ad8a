"""The configs of Generalized Focal Loss at full size: their parameters, by arithmetic."""

import pytest

from nanodet.config import load_config
from nanodet.errors import NanodetError
from nanodet.model.network import build_network
from nanodet.model.part import on_meta

RESNET50 = 25_557_032 - (2048 * 1000 + 1000)  # without its classifier
LATERALS = (512 + 1024 + 2048) * 256 + 3 * 256
CONVOLUTIONS = 5 * (9 * 256 * 256 + 256)  # of P3 to P7
TOWERS = 2 * 4 * (9 * 256 * 256 + 2 * 256)  # group norm instead of a bias
OUTPUTS = (80 + 4 * 17) * (9 * 256 + 1)
SCALES = 5


def network(root, name):
    return on_meta(build_network, load_config(root / "config" / name).model.arch)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_gfl_r50_fpn_has_the_parameters_of_the_arithmetic(root):
    built = network(root, "gfl_r50_fpn.yml")
    assert count(built.backbone) == RESNET50 == 23_508_032
    assert count(built.fpn) == LATERALS + CONVOLUTIONS == 3_868_672
    assert count(built.head) == TOWERS + OUTPUTS + SCALES == 5_063_833
    assert count(built) == 32_440_537
    assert built.head.strides == (8, 16, 32, 64, 128)


def test_gfocalv2_r50_fpn_adds_two_small_layers(root):
    built = network(root, "gfocalv2_r50_fpn.yml")
    assert count(built.head.quality) == (4 * 5 * 64 + 64) + (64 + 1) == 1_409
    assert count(built) == 32_440_537 + 1_409


def test_both_have_the_same_recipe(root):
    one, other = (
        load_config(root / "config" / name) for name in ("gfl_r50_fpn.yml", "gfocalv2_r50_fpn.yml")
    )
    other.save_dir, other.model.arch.head.quality = one.save_dir, one.model.arch.head.quality
    assert one == other


def test_the_recipe_is_the_papers(root):
    config = load_config(root / "config" / "gfl_r50_fpn.yml")
    schedule, device = config.schedule, config.device
    assert (schedule.optimizer.name, schedule.optimizer.lr, schedule.total_epochs) == (
        "SGD",
        0.01,
        12,
    )
    assert schedule.lr_schedule.milestones == [8, 11]
    assert device.batchsize_per_gpu * schedule.accumulate == 16
    assert config.data.train.input_size == config.data.val.input_size == [1344, 800]


def test_the_options_of_the_recipe_load(root):
    overrides = [
        "schedule.total_epochs=24", "schedule.lr_schedule.milestones=[16,22]",
        "data.train.multi_scale=[0.6,1.2]",
    ]  # fmt: skip
    load_config(root / "config" / "gfl_r50_fpn.yml", overrides)


def test_keys_of_other_pyramids_are_pointed_to_num_outs(root):
    for key in ("add_extra_convs=on_output", "num_extra_level=2"):
        with pytest.raises(NanodetError, match="did you mean num_outs"):
            load_config(root / "config" / "gfl_r50_fpn.yml", [f"model.arch.fpn.{key}"])
