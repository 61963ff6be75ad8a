"""The form in which a network is exported."""

from types import SimpleNamespace

import pytest
import torch
from named_weights import fill, noise
from small_arch import arch
from torch import nn

from nanodet.errors import NanodetError
from nanodet.export.graph import ExportGraph
from nanodet.model.network import build_network
from nanodet.runtime.spec import Spec
from nanodet.verify import trace_torch

SPEC = Spec(("a", "b", "c"), strides=(8, 16, 32), reg_max=7, point_offset=0.5, any_size=True)


class Branching(nn.Module):
    """A backbone whose code asks for the size of what flows through it, as some of timm's do."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone, self.channels, self.strides = backbone, backbone.channels, backbone.strides

    def forward(self, x):
        return self.backbone(x if x.shape[0] > 1 else x.clone())


@pytest.fixture()
def network():
    return fill(build_network(arch()))


def norms(module):
    return sum(isinstance(one, nn.BatchNorm2d) for one in module.modules())


@pytest.mark.parametrize("branches", [False, True])
def test_norms_are_folded_where_the_code_can_be_read(network, branches):
    count = norms(network)
    if branches:
        network.backbone = Branching(network.backbone)
    graph, images = ExportGraph(network), noise((96, 64))
    with torch.no_grad():
        logits, found = network(images), graph(images)
    torch.testing.assert_close(found[..., :3], logits[..., :3].sigmoid(), rtol=0, atol=1e-5)
    torch.testing.assert_close(found[..., 3:], logits[..., 3:], rtol=1e-4, atol=1e-4)
    assert norms(graph) == (count if branches else 0)
    assert norms(network) == count > 0  # which is not changed


def test_maps_are_the_rows_before_sigmoid_and_transposition(network):
    images = noise((96, 64))
    with torch.no_grad():
        rows, maps = (ExportGraph(network, layout)(images) for layout in ("rows", "maps"))
        logits = network(images)
    assert [tuple(one.shape[1:]) for one in maps] == [(35, 8, 12), (35, 4, 6), (35, 2, 3)]
    joined = torch.cat([one.flatten(2) for one in maps], dim=2).transpose(1, 2)
    torch.testing.assert_close(joined, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(joined[..., :3].sigmoid(), rows[..., :3], rtol=0, atol=1e-6)
    torch.testing.assert_close(joined[..., 3:], rows[..., 3:], rtol=1e-6, atol=1e-6)


def test_scores_that_are_products_have_no_maps():
    network = build_network(arch(quality={"name": "IoUBranch"}))
    with pytest.raises(NanodetError, match=r"^layout: maps hold the logits of scores, and"):
        ExportGraph(network, "maps")


def test_layers_of_code_that_cannot_be_read_are_one_line(network):
    network.backbone = Branching(network.backbone)
    with pytest.raises(
        NanodetError, match=r"^torch cannot trace the code of its parts: .*control flow"
    ):
        trace_torch.convolutions(SimpleNamespace(network=network, spec=SPEC, path="m.ckpt"))
