"""Exact rewriting of exported networks."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from named_weights import fill, noise
from small_arch import arch
from torch import nn

from nanodet.config import load_config
from nanodet.errors import NanodetError
from nanodet.export.find_config import CONFIGS
from nanodet.export.graph import ExportGraph
from nanodet.export.rewriting.build import PICK, rewrite
from nanodet.export.rewriting.layout import NOTHING
from nanodet.export.rewriting.plan import Plan
from nanodet.export.rewriting.restore import restored
from nanodet.model.network import build_network

EXAMPLE = torch.zeros(1, 3, 64, 64)
PLAN = Plan("any", {2: 8, 16: 4})
UNITS = st.sampled_from([1, 2, 4, 8, 16, 40])
PLANS = st.builds(
    Plan,
    st.just("x"),
    st.dictionaries(st.sampled_from([2, 8, 16, 32]), UNITS, min_size=1),
    st.sampled_from([0, 0, 32, 48]),
)


def folded(network):
    return ExportGraph(network).network


@pytest.fixture(scope="module")
def small():
    return folded(fill(build_network(arch())).eval())


def kinds(network):
    return [
        type(network.get_submodule(str(n.target))) if n.op == "call_module" else n.target
        for n in network.graph.nodes
    ]


@settings(max_examples=6, deadline=None)
@given(plan=PLANS)
def test_numbers_stay_whatever_the_plan(small, plan):
    made, images = rewrite(small, plan, EXAMPLE), noise((96, 64))
    with torch.no_grad():
        torch.testing.assert_close(made.network(images), small(images), rtol=1e-5, atol=1e-5)


def test_no_shuffle_is_left_and_channels_come_in_units(small):
    made = rewrite(small, PLAN, EXAMPLE)
    assert "channel_shuffle" in [getattr(one, "__name__", "") for one in kinds(small)]
    assert "channel_shuffle" not in [getattr(one, "__name__", "") for one in kinds(made.network)]
    for name, moved in made.moved.items():
        conv = made.network.get_submodule(name)
        assert (len(moved.rows), conv.out_channels) == (conv.out_channels, conv.weight.shape[0])
        if "stage2" in name:
            assert conv.out_channels % 8 == 0


def test_channels_of_round_numbers_stay(small):
    kept = rewrite(small, dataclasses.replace(PLAN, keep=8), EXAMPLE)
    assert not kept.changed and kinds(kept.network) == kinds(small)
    some = rewrite(small, dataclasses.replace(PLAN, keep=32), EXAMPLE)  # of 24, 48 and 96
    assert some.changed
    shuffles = [sum("channel_shuffle" in str(k) for k in kinds(n)) for n in (small, some.network)]
    assert shuffles == [16, 4]


def test_each_channel_of_the_original_is_there_once(small):
    made = rewrite(small, PLAN, EXAMPLE)
    for name, moved in made.moved.items():
        conv = small.get_submodule(name)
        assert sorted(set(moved.rows) - {NOTHING}) == list(range(conv.out_channels))
        assert len(set(moved.rows) - {NOTHING}) == sum(row != NOTHING for row in moved.rows)
        if moved.columns:
            assert sorted(c for c in moved.columns if c != NOTHING) == list(range(conv.in_channels))


def test_weights_go_back_to_where_they_were(small):
    made = rewrite(small, PLAN, EXAMPLE)
    for name, moved in made.moved.items():
        new, old = made.network.get_submodule(name), small.get_submodule(name)
        weight, bias = (None if v is None else v.detach().numpy() for v in (new.weight, new.bias))
        weight, bias = restored(weight, bias, moved, "file: layer")
        np.testing.assert_array_equal(weight, old.weight.detach())
        if old.bias is not None:
            np.testing.assert_array_equal(bias, old.bias.detach())


def test_weights_where_zeros_belong_are_refused(small):
    made = rewrite(small, PLAN, EXAMPLE)
    name, moved = next((n, m) for n, m in made.moved.items() if NOTHING in m.columns)
    weight = made.network.get_submodule(name).weight.detach().numpy().copy()
    weight[0, moved.columns.index(NOTHING)] = 1
    with pytest.raises(
        NanodetError, match=r"^m\.param: layer a: has weights where its rewriting has z"
    ):
        restored(weight, None, moved, "m.param: layer a")


def test_channels_are_picked_by_ones_and_zeros(small):
    made = rewrite(small, PLAN, EXAMPLE)
    assert made.picks
    for name in made.picks:
        weight = made.network.get_submodule(name).weight.detach()
        assert name.startswith(PICK)
        assert set(weight.unique().tolist()) == {0, 1}
        assert (weight.flatten(1).sum(1) <= 1).all()


FAST = ("nanodet-m.yml", "nanodet-plus-m_320.yml", "nanodet-t_320.yml")
CONFIG_NAMES = sorted(
    p.name for p in CONFIGS.glob("nanodet-*_[0-9]*.yml") if "convnext" not in p.name
)


@pytest.mark.parametrize(
    "name",
    [*FAST, *[pytest.param(n, marks=pytest.mark.slow) for n in CONFIG_NAMES if n not in FAST]],
)
def test_every_architecture_computes_the_same(name):
    config = load_config(CONFIGS / name)
    width, height = config.data.val.input_size
    torch.manual_seed(0)
    network = build_network(config.model.arch, name).eval()
    graph = folded(network)
    size = (height, width) if "nanodet-t" in name else (96, 128)
    made = rewrite(graph, PLAN, torch.zeros(1, 3, *size))
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(made.network(images), graph(images), rtol=1e-5, atol=1e-5)


class Odd(nn.Module):
    """What no network of ours does: channels taken twice, sums of a half, grouped convolutions."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(12, 8, 3, padding=1)
        self.c, self.d = nn.Conv2d(8, 8, 3, padding=1, groups=4), nn.Conv2d(4, 5, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(torch.cat((a, a), 1))
        first, second = b.chunk(2, dim=1)
        return self.d(first + second), self.c(b), torch.cat((first, second), dim=2)


class Own(nn.Module):
    """Two convolutions and whatever is done with their maps, as an own part may do it."""

    def __init__(self, use, **options):
        super().__init__()
        self.use = use
        self.first, self.second = nn.Conv2d(3, 12, 3), nn.Conv2d(3, 12, 3)
        self.third, self.fourth = (nn.Conv2d(12, 12, 3, padding=1, **options) for _ in range(2))
        self.narrow = nn.Conv2d(6, 5, 1)

    def forward(self, x):
        return self.use(self, self.first(x), self.second(x))


def _crossed(net, a, b):
    (p, q), (r, s) = a.chunk(2, 1), b.chunk(2, 1)
    return net.third(torch.cat([p, r], 1)), net.fourth(torch.cat([q, s], 1))


@pytest.mark.parametrize("unit", [8, 64])
@pytest.mark.parametrize(
    "use",
    [
        _crossed,
        lambda net, a, b: (net.narrow(a.chunk(2, 1)[0]), net.narrow(a.chunk(2, 1)[1])),
        lambda net, a, b: net.narrow(a.chunk(2, 1)[-1]),
        lambda net, a, b: net.third(torch.cat(a.chunk(2, 1), 1)),
        lambda net, a, b: net.third(torch.cat(a.chunk(2, 1)[::-1], 1)),
        lambda net, a, b: net.narrow(torch.chunk(input=a, chunks=2, dim=1)[1]),
        lambda net, a, b: net.third(torch.cat(tensors=[a], dim=1)),
    ],
)
def test_maps_may_be_taken_in_any_way(use, unit):
    network = torch.fx.symbolic_trace(Own(use, padding_mode="reflect").eval())
    made = rewrite(network, Plan("x", {2: unit}), EXAMPLE)
    images = noise((32, 32))
    with torch.no_grad():
        torch.testing.assert_close(made.network(images), network(images), rtol=1e-5, atol=1e-5)


def test_what_needs_its_order_keeps_it():
    graph = torch.fx.symbolic_trace(Odd().eval())
    made, images = rewrite(graph, PLAN, torch.zeros(1, 3, 8, 8)), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        for new, old in zip(made.network(images), graph(images), strict=True):
            torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 6])  # of each channel by itself, too
def test_a_map_that_stays_may_hold_a_channel_twice(groups):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(6, 6, 1, groups=groups), nn.Conv2d(6, 5, 1)

        def forward(self, x):
            return self.second(self.first(torch.cat((x, x), 1)))

    graph, images = torch.fx.symbolic_trace(Twice().eval()), noise((16, 16))
    made = rewrite(graph, PLAN, images)
    with torch.no_grad():
        torch.testing.assert_close(made.network(images), graph(images), rtol=1e-5, atol=1e-6)


def test_a_plan_survives_its_json_form():
    assert Plan.from_dict(PLAN.to_dict(), "m.json") == PLAN
    assert [PLAN.unit(stride) for stride in (1, 2, 4, 8, 16, 64)] == [8, 8, 8, 8, 4, 4]


WHOLE = PLAN.to_dict()


@pytest.mark.parametrize(
    "wrong",
    [None, [], {}, {"for": "x"}, WHOLE | {"units": {}}, WHOLE | {"units": {"8": 0}},
     WHOLE | {"units": {"8": 1.5}}, WHOLE | {"units": {"a": 8}}, WHOLE | {"units": {"8": [8]}},
     WHOLE | {"units": {"8": "88"}}, WHOLE | {"units": {"8": 65}}, WHOLE | {"units": [8]},
     WHOLE | {"keep": -1}, WHOLE | {"keep": True}],
)  # fmt: skip
def test_a_wrong_plan_is_one_line(wrong):
    with pytest.raises(NanodetError, match=r"^m\.json: rewriting: does not say how"):
        Plan.from_dict(wrong, "m.json")


def test_a_network_is_not_changed(small):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    rewrite(small, dataclasses.replace(PLAN, target="other"), EXAMPLE)
    assert all(torch.equal(before[name], value) for name, value in small.state_dict().items())
