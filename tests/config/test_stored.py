"""Checkpoints of earlier versions load, and their networks are those that learned their weights."""

import pytest
import torch

from nanodet.config import config_of_checkpoint, config_to_dict, load_config
from nanodet.config.stored import FORMAT
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import KEY, carried, load_network
from nanodet.model.network import build_network


@pytest.fixture(scope="module")
def config(root):
    keys = ["backbone.model_size=0.5x", "fpn.in_channels=[48, 96, 192]", "head.num_classes=80"]
    return load_config(root / "config" / "nanodet-m.yml", [f"model.arch.{key}" for key in keys])


@pytest.fixture()
def odd(config):
    """What an earlier version took and did not follow."""
    mapping = config_to_dict(config)
    arch = mapping["model"]["arch"]
    arch["fpn"]["activation"] = "LeakyReLU"
    arch["head"]["norm_cfg"] = {"type": "BN", "eps": 0.1, "anything": 1}
    return mapping


def test_an_earlier_network_is_the_one_that_learned(config, odd, tmp_path):
    torch.manual_seed(0)
    network = build_network(config.model.arch).eval()
    held = {"state_dict": network.state_dict(), KEY: {"version": "2.0.0", "config": odd}}
    torch.save(held, tmp_path / "old.ckpt")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(load_network(tmp_path / "old.ckpt")[0](image), network(image))


def test_what_is_followed_by_now_stays(config, odd, tmp_path):
    del odd["model"]["arch"]["head"]["norm_cfg"]["anything"]
    own = config_of_checkpoint(odd, FORMAT, "m.ckpt")
    assert (own.model.arch.fpn.activation, own.model.arch.head.norm_cfg.eps) == ("LeakyReLU", 0.1)
    network = build_network(own.model.arch)
    torch.save({"state_dict": network.state_dict(), KEY: carried(own)}, tmp_path / "new.ckpt")
    assert load_network(tmp_path / "new.ckpt")[1] == own


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("device", "gpu_ids", [0, 0]),
        ("schedule", "lr_schedule", {"name": "MultiStepLR", "milestones": [0, 30]}),
        ("schedule", "optimizer", {"name": "SGD", "lr": 1, "param_level_cfg": {"fpn": {"lr_mult": -1}}}),
        ("data", "test", {"name": "CocoDataset"}),
    ],
)  # fmt: skip
def test_what_a_training_was_told_does_not_keep_its_model_from_loading(config, section, key, value):
    mapping = config_to_dict(config)
    mapping[section][key] = value
    mapping["data"]["val"]["name"] = "Mine"  # a format of the script that trained it
    config_of_checkpoint(mapping, None, "m.ckpt")


def test_a_stored_network_that_cannot_be_built_is_one_line(odd):
    odd["model"]["arch"]["head"]["feat_channels"] = 0
    with pytest.raises(NanodetError, match=r"^m\.ckpt: model\.arch\.head\.feat_channels: "):
        config_of_checkpoint(odd, None, "m.ckpt")
    for broken in ([], {"model": 3}, {"model": {"arch": {"fpn": []}}}):
        with pytest.raises(NanodetError, match=r"^m\.ckpt: "):
            config_of_checkpoint(broken, None, "m.ckpt")
