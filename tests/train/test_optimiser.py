"""Learning rates and parameter groups."""

import math

import pytest
import torch
from torch import nn

from nanodet.config.follow import WEIGHT_DECAY
from nanodet.config.schedule_sections import LevelCfg, LrSchedule, Optimizer, Schedule, Warmup
from nanodet.train.averaging import averaged_copy, update_average
from nanodet.train.optimiser import build_optimiser, learning_rate_factor


def schedule(decay, warmup=None):
    return Schedule(
        optimizer=Optimizer(name="SGD", lr=0.1), total_epochs=100, lr_schedule=decay,
        warmup=warmup or Warmup(steps=0),
    )  # fmt: skip


def test_the_papers_learning_rates():
    paper = schedule(
        LrSchedule(name="MultiStepLR", milestones=[240, 260, 275], gamma=0.1), Warmup()
    )
    rate = [0.14 * learning_rate_factor(paper, step, 0, 0.14) for step in (0, 150, 300, 10**6)]
    assert rate == pytest.approx([0.014, 0.077, 0.14, 0.14])
    late = [learning_rate_factor(paper, 10**6, epoch, 0.14) for epoch in (239, 240, 260, 275, 279)]
    assert late == pytest.approx([1, 0.1, 0.01, 0.001, 0.001])


def test_cosine_equals_torchs():
    parameter = nn.Parameter(torch.zeros(1))
    reference = torch.optim.SGD([parameter], lr=0.2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=20, eta_min=0.01)
    ours = schedule(LrSchedule(name="CosineAnnealingLR", T_max=20, eta_min=0.01))
    for epoch in range(21):
        expected = reference.param_groups[0]["lr"]
        assert 0.2 * learning_rate_factor(ours, 10**6, epoch, 0.2) == pytest.approx(expected)
        reference.step()
        scheduler.step()


def test_weight_decay_left_out_is_torchs_default():
    for name, decay in WEIGHT_DECAY.items():
        theirs = getattr(torch.optim, name)([nn.Parameter(torch.zeros(1))], lr=0.1)
        assert theirs.param_groups[0]["weight_decay"] == decay


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 2, 1)


def groups_by_name(network, section):
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {}
    for group in build_optimiser(network, section).param_groups:
        for parameter in group["params"]:
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    return found


def test_decay_and_level_settings_reach_their_parameters():
    section = Optimizer(
        name="AdamW", lr=0.1, weight_decay=0.05, no_norm_decay=True, no_bias_decay=True,
        param_level_cfg={"backbone": LevelCfg(lr_mult=0.1, decay_mult=0.5)},
    )  # fmt: skip
    found = groups_by_name(Net(), section)
    assert found["backbone.0.weight"] == pytest.approx((0.01, 0.025))
    assert found["backbone.0.bias"] == pytest.approx((0.01, 0))
    assert found["backbone.1.weight"] == pytest.approx((0.01, 0))
    assert found["head.weight"] == pytest.approx((0.1, 0.05))
    assert found["head.bias"] == pytest.approx((0.1, 0))


def test_a_frozen_parameter_is_in_no_group():
    network = Net()
    network.head.requires_grad_(False)
    assert not any(
        n.startswith("head") for n in groups_by_name(network, Optimizer(name="SGD", lr=1))
    )


def test_the_average_follows_the_weights():
    network = Net()
    average = averaged_copy(network)
    start = average.head.weight.clone()
    with torch.no_grad():
        network.head.weight += 1
    network.backbone[1].running_mean += 2
    network.backbone[1].num_batches_tracked += 7
    update_average(average, network, step=10**9, decay=0.9, ramp_steps=2000)
    torch.testing.assert_close(average.head.weight, start + 0.1)
    torch.testing.assert_close(average.backbone[1].running_mean, torch.full((4,), 0.2))
    assert average.backbone[1].num_batches_tracked == 7
    assert not any(p.requires_grad for p in average.parameters())


def test_the_average_is_that_of_the_originals_recipe():
    """Its ExpMovingAverager takes decay exp(-(1 + i) / 2000) + 1 - decay of the new weights."""
    network = Net().double()
    average = averaged_copy(network)
    expected = average.head.weight.clone()
    for i in range(5):
        with torch.no_grad():
            network.head.weight += torch.randn_like(network.head.weight)
        new = 0.9998 * math.exp(-(1 + i) / 2000) + (1 - 0.9998)
        expected = expected * (1 - new) + network.head.weight.detach() * new
        update_average(average, network, step=i + 1, decay=0.9998, ramp_steps=2000)
    torch.testing.assert_close(average.head.weight, expected, rtol=1e-12, atol=1e-12)
