"""The snippets of docs/representations.md: each gives a network whose losses train it."""

import re
from pathlib import Path

import pytest
import torch
import yaml
from objectives import truth
from small_arch import arch

from nanodet.learn.objective import build_objective
from nanodet.model.network import build_network

PAGE = Path(__file__).parents[2] / "docs" / "representations.md"
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
HEADS = [yaml.safe_load(text)["model"]["arch"]["head"] for text in SNIPPETS]


def test_the_page_has_every_kind():
    assert {one["quality"]["name"] for one in HEADS if "quality" in one} == {
        "Joint", "NoQuality", "CenternessBranch", "IoUBranch", "DGQP",
    }  # fmt: skip
    assert {one["box_code"]["name"] for one in HEADS if "box_code" in one} == {
        "General", "Dirac", "Gaussian",
    }  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=str)
def test_a_snippet_makes_a_network_and_its_losses(head):
    torch.manual_seed(0)
    chosen = arch(**head)
    network = build_network(chosen)
    with torch.no_grad():
        rows = network.training_outputs(torch.randn(1, 3, 64, 64), 0)["main"].requires_grad_()
    losses = build_objective(network, chosen)({"main": rows}, [truth([[8.0, 8, 50, 50]])], (64, 64))
    sum(losses.values()).backward()
    assert all(torch.isfinite(one) for one in losses.values())
    assert torch.isfinite(rows.grad).all()
    assert (rows.grad != 0).any(dim=1).all()  # no value is left untrained
