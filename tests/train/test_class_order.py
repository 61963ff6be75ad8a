"""Classes of a checkpoint against those of the config: resuming, fine-tuning, another config."""

import dataclasses
import re

import pytest
import torch
from small_arch import arch

from nanodet.config import config_from_dict, config_to_dict, load_config
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import load_network, read_checkpoint
from nanodet.model.fine_tune import take_matching
from nanodet.model.network import build_network
from nanodet.train.resume import check_same_run


@pytest.fixture(scope="module")
def base(root):
    """Return a function: class names to a `Config` of the small network."""

    def make(names, count=None):
        config = load_config(root / "config" / "nanodet-m.yml", ["schedule.total_epochs=3"])
        head = dataclasses.replace(arch().head, num_classes=count or len(names))
        config.model.arch = dataclasses.replace(arch(), head=head)
        config.class_names = names
        return config_from_dict(config_to_dict(config))

    return make


@pytest.fixture
def trained(base, tmp_path):
    """Return a function: class names to a checkpoint whose row of class n holds n, edges 99."""

    def make(names, **more):
        config = base(names, **more)
        network = build_network(config.model.arch)
        state = network.state_dict()
        for name in rows(state):
            state[name][:] = 99
            for n in range(config.model.arch.head.num_classes):
                state[name][n] = n
        path = tmp_path / f"{'-'.join(names or ['none'])}.ckpt"
        carried = {"config": config_to_dict(config), "epochs": 1}
        state = {f"model.{name}": tensor for name, tensor in state.items()}
        progress = {"loops": {"fit_loop": {}}, "optimizer_states": [{"state": {}}]}
        torch.save({"state_dict": state, "nanodet": carried, **progress}, path)
        return path

    return make


def rows(state):
    return [name for name in state if name.startswith("head.gfl_cls.")]


def fine_tune(config, path):
    """Return the class rows after fine-tuning's start (-1 for fresh ones), and what was said."""
    network = build_network(config.model.arch)
    state = network.state_dict()
    for name in rows(state):
        state[name][:] = -1
    lines = take_matching(network, read_checkpoint(path), config.class_names)
    taken = []
    for name in rows(state):
        tensor = network.state_dict()[name].flatten(1) if "weight" in name else state[name][:, None]
        assert (tensor == tensor[:, :1]).all()
        taken.append(tensor[:, 0].tolist())
    assert all(one == taken[0] for one in taken)
    count = config.model.arch.head.num_classes
    assert taken[0][count:] == [99.0] * (len(taken[0]) - count)
    return taken[0][:count], lines


@pytest.mark.parametrize(
    ("mine", "expected", "words"),
    [
        (["disc", "square", "star"], [0, 1, 2], "3 of 3"),
        (["star", "Disc", "square"], [2, 0, 1], "3 of 3"),
        (["SQUARE"], [1], "1 of 1"),
        (["ball", "star", "disc", "cube"], [-1, 2, 0, -1], "2 of 4 .*left fresh: ball, cube"),
        (["ball", "star", "cube"], [-1, 2, -1], "1 of 3"),
        (["rot", "blau", "grün"], [0, 1, 2], None),  # no name in common: other words for them
        (["rot", "blau"], [-1, -1], None),
        (None, [0, 1, 2], None),
    ],
)
def test_fine_tuning_takes_class_rows_by_name(base, trained, mine, expected, words):
    path = trained(["disc", "square", "star"])
    found, lines = fine_tune(base(mine, count=None if mine else 3), path)
    assert found == expected
    said = [line for line in lines if "classes taken by name" in line]
    assert len(said) == (words is not None)
    if words:
        assert re.search(words, said[0])
    if mine and not words:  # it says so
        (line,) = [line for line in lines if line.startswith("no class name is one of the check")]
        how = "taken in order, rot from disc and so on" if len(mine) == 3 else "left fresh"
        assert f"(disc, square, star): class rows {how}" in line


def test_fine_tuning_from_a_checkpoint_without_names_goes_by_position(base, trained):
    found, lines = fine_tune(base(["a", "b"]), trained(None, count=2))
    assert found == [0, 1] and len(lines) == 1
    assert lines[0].endswith("0 in part; class rows in order: no names to compare")


def test_resuming_in_another_order_says_so(base, trained):
    path = trained(["disc", "square"])
    with pytest.raises(NanodetError) as caught:
        check_same_run(path, base(["Square", "disc"]), "c.yml")
    text = str(caught.value)
    assert "another order" in text and "Square, disc" in text and "disc, square" in text
    assert "schedule.load_model" in text
    with pytest.raises(NanodetError, match="class_names"):
        check_same_run(path, base(["disc", "ball"]), "c.yml")


def test_resuming_in_another_spelling_goes_on(base, trained):
    config = base(["Traffic Light", "disc"])
    assert check_same_run(trained(["traffic_light", "disc"]), config, "c.yml").epochs == 1
    assert config.class_names == ["Traffic Light", "disc"]


def test_another_config_must_have_the_order_of_the_checkpoint(base, trained):
    path = trained(["disc", "square"])
    with pytest.raises(NanodetError, match="another order: disc, square"):
        load_network(path, base(["square", "disc"]))
    for other in (["Disc", "SQUARE"], ["Scheibe", "Quadrat"], ["disc", "Quadrat"], None):
        load_network(path, base(other, count=2))
