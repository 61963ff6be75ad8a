"""Checkpoints of every form, and files that are none."""

import os
import pickle

import pytest
import torch
from lying_server import lying_server
from small_arch import arch

from nanodet.config import config_to_dict, load_config
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import KEY, load_network, read_checkpoint
from nanodet.model.fine_tune import take_matching
from nanodet.model.network import build_network
from nanodet.model.pretrained import load_pretrained


@pytest.fixture()
def network():
    return build_network(arch()).eval()


def weights(network, prefix=""):
    return {prefix + name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("prefix", ["model.", "", "module.", "model.module."])
def test_prefixes_of_all_ages_are_read(network, tmp_path, prefix):
    path = tmp_path / "old.pth"
    torch.save({"state_dict": weights(network, prefix), "epoch": 7, "iter": 9}, path)
    found = read_checkpoint(path)
    assert found.weights.keys() == network.state_dict().keys()
    assert found.epoch == 7
    assert not found.averaged


@pytest.mark.parametrize(
    ("version", "epoch", "finished"),
    # before 1.6 Lightning wrote how many epochs are finished, then the last one's index
    [
        ("1.2.5", 0, None),
        ("1.2.5", 280, 280),
        ("1.9.5", 279, 280),
        ("2.0", 0, 1),
        ("2.1.dev", 9, 10),
    ],
)
def test_epochs_of_original_checkpoints_count_the_finished_ones(
    network, tmp_path, version, epoch, finished
):
    path = tmp_path / "original.ckpt"
    state = {"state_dict": weights(network, "model."), "epoch": epoch}
    torch.save({**state, "pytorch-lightning_version": version}, path)
    assert read_checkpoint(path).epoch == finished


def test_a_bare_mapping_of_weights_is_read(network, tmp_path):
    torch.save(weights(network), tmp_path / "bare.pth")
    assert read_checkpoint(tmp_path / "bare.pth").weights.keys() == network.state_dict().keys()


def test_averaged_weights_are_preferred(network, tmp_path):
    average = {name: tensor + 1 for name, tensor in weights(network, "avg_model.").items()}
    torch.save({"state_dict": weights(network, "model.") | average}, tmp_path / "ema.ckpt")
    found = read_checkpoint(tmp_path / "ema.ckpt")
    assert found.averaged
    name = "backbone.conv1.0.weight"
    torch.testing.assert_close(found.weights[name], network.state_dict()[name] + 1)


def test_the_average_of_an_original_nanodet_plus_is_loaded_with_its_auxiliary_parts(root, tmp_path):
    file, path = root / "config" / "nanodet-plus-m_320.yml", tmp_path / "plus.ckpt"
    state = build_network(load_config(file).model.arch).state_dict()
    average = {name: value + value.is_floating_point() for name, value in state.items()}
    both = {f"model.{name}": value for name, value in state.items()}
    both |= {f"avg_model.{name}": value for name, value in average.items()}
    torch.save({"state_dict": both, "epoch": 1, "pytorch-lightning_version": "1.9.0"}, path)
    network, _, checkpoint = load_network(path, file)
    assert checkpoint.averaged
    found = network.state_dict()
    assert found.keys() == average.keys() and any(name.startswith("aux_") for name in found)
    assert all(torch.equal(found[name], average[name]) for name in average)


def test_an_original_checkpoint_asks_for_its_config(shared):
    with pytest.raises(NanodetError, match="--config"):
        load_network(shared / "weights" / "nanodet-m_320.ckpt")


def test_a_wrong_class_count_names_both_counts(shared, root):
    with pytest.raises(NanodetError) as caught:
        load_network(
            shared / "weights" / "nanodet-m_320.ckpt", root / "config" / "nanodet-m_bccd.yml"
        )
    assert "80 classes" in str(caught.value)
    assert "num_classes" in str(caught.value)


def test_a_config_without_classes_takes_those_of_the_checkpoint(root, tmp_path):
    custom = root / "config" / "nanodet-m_custom.yml"  # names none: its training took the data's
    config = load_config(custom, ["class_names=[cat, dog]", "model.arch.backbone.model_size=0.5x"])
    state = build_network(config.model.arch).state_dict()
    path = tmp_path / "own.ckpt"
    torch.save({"state_dict": state, KEY: {"config": config_to_dict(config)}}, path)
    given = tmp_path / "custom.yml"
    small = "model:\n  arch: {backbone: {model_size: 0.5x}}\n"
    given.write_text(custom.read_text().replace("model:\n", small))
    _, found, _ = load_network(path, given)
    assert found.class_names == ["cat", "dog"] and found.model.arch.head.num_classes == 2


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run > proof",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Evil()}, tmp_path / "evil.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.ckpt", "plain.ckpt"):
        with pytest.raises(NanodetError, match=name):
            read_checkpoint(tmp_path / name)
    with pytest.raises(NanodetError, match="code"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    "content", [b"", b"x", b"some text", b"PK\x03\x04 broken zip", b"\x80\x02."]
)
def test_garbage_is_one_line(tmp_path, content):
    path = tmp_path / "garbage.ckpt"
    path.write_bytes(content)
    with pytest.raises(NanodetError, match=r"garbage\.ckpt: not a "):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_one_line(network, tmp_path):
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": weights(network, "model.")}, path)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.99):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(NanodetError, match=r"cut\.ckpt"):
            read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [{"a": 1}, [1, 2], {"state_dict": [1]}, {"state_dict": {"x": torch.zeros(1)}}]
)
def test_other_things_torch_saves_are_no_checkpoint(tmp_path, content):
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(NanodetError, match=r"other\.ckpt"):
        read_checkpoint(tmp_path / "other.ckpt")


def test_fine_tuning_takes_all_but_the_class_rows(shared, root):
    from nanodet.config import load_config

    config = load_config(root / "config" / "nanodet-m_bccd.yml")
    network = build_network(config.model.arch)
    fresh = network.state_dict()["head.gfl_cls.1.weight"][:3].clone()
    checkpoint = read_checkpoint(shared / "weights" / "nanodet-m_320.ckpt")
    lines = take_matching(network, checkpoint)
    own = network.state_dict()
    torch.testing.assert_close(
        own["backbone.conv1.0.weight"], checkpoint.weights["backbone.conv1.0.weight"]
    )
    output = own["head.gfl_cls.1.weight"]
    torch.testing.assert_close(output[:3], fresh)
    torch.testing.assert_close(output[3:], checkpoint.weights["head.gfl_cls.1.weight"][80:])
    assert any("edge rows only" in line and "gfl_cls.1.weight" in line for line in lines)


def test_pretrained_offline_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "cache"))
    # nothing listens there: the same as no network, on any machine
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    section = arch().backbone
    section.pretrain = True
    with pytest.raises(NanodetError) as caught:
        load_pretrained(build_network(arch()).backbone, section, "my.yml")
    message = str(caught.value)
    assert message.startswith("my.yml: model.arch.backbone.pretrain: cannot fetch")
    assert "false" in message
    assert list((tmp_path / "cache").iterdir()) == []


def test_pretrained_of_a_server_that_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "cache"))
    section = arch().backbone
    section.pretrain = True
    with lying_server({"/shufflenetv2_x0.5-f707e7126e.pth": b"no weights"}) as server:
        monkeypatch.setenv("NANODET_MIRROR", server.url)
        with pytest.raises(NanodetError, match=r"backbone\.pretrain: cannot fetch .*SHA-256"):
            load_pretrained(build_network(arch()).backbone, section, "my.yml")
    assert list((tmp_path / "cache").iterdir()) == []


def test_pretrained_from_a_file_and_from_the_cache(tmp_path, monkeypatch):
    source = build_network(arch()).backbone
    state = {**source.state_dict(), "conv5.0.weight": torch.zeros(1), "fc.weight": torch.zeros(1)}
    section = arch().backbone
    section.pretrain = str(tmp_path / "imagenet.pth")
    torch.save(state, section.pretrain)
    target = build_network(arch()).backbone
    assert "imagenet.pth" in load_pretrained(target, section)
    name = "stage3.0.branch1.0.weight"
    torch.testing.assert_close(target.state_dict()[name], source.state_dict()[name])

    monkeypatch.setenv("NANODET_HOME", str(tmp_path))
    torch.save(state, tmp_path / "shufflenetv2_x0.5-f707e7126e.pth")
    section.pretrain = True
    with pytest.raises(NanodetError, match="hash"):
        load_pretrained(target, section)
    section.pretrain = str(tmp_path / "none.pth")
    with pytest.raises(NanodetError, match=r"backbone\.pretrain: .*none\.pth"):
        load_pretrained(target, section)


def test_edges_of_other_bins_are_not_taken(tmp_path):
    """Rows of 16 bins an edge mean nothing to edges of 8, even though there are enough of them."""
    torch.save(build_network(arch(reg_max=15)).state_dict(), tmp_path / "wide.pth")
    network = build_network(arch(num_classes=2))
    fresh = network.state_dict()["head.gfl_cls.0.weight"].clone()
    lines = take_matching(network, read_checkpoint(tmp_path / "wide.pth"))
    assert torch.equal(network.state_dict()["head.gfl_cls.0.weight"], fresh)
    assert any(line.startswith("left fresh: head.gfl_cls.0.weight") for line in lines)


def test_a_version_of_many_digits_is_no_version(tmp_path):
    held = {"state_dict": build_network(arch()).state_dict(), "epoch": 3}
    torch.save({**held, "pytorch-lightning_version": "9" * 5000}, tmp_path / "odd.ckpt")
    assert read_checkpoint(tmp_path / "odd.ckpt").epoch == 4


def test_a_network_larger_than_memory_is_one_line():
    with pytest.raises(
        NanodetError, match=r"^my\.yml: model\.arch: has [\d,]+ parameters, more than"
    ):
        build_network(arch(feat_channels=4096, stacked_convs=64, conv_type="Conv"), "my.yml")
