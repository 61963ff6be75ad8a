"""What each kind of quality teaches: the targets of scores and branches, in both families."""

import pytest
import torch
from objectives import SIZE, truth
from small_arch import arch
from torch.nn import functional as F

from nanodet.config.build import build
from nanodet.config.check import failing
from nanodet.config.follow import check_section
from nanodet.config.model_sections import Model
from nanodet.learn.iou import overlap
from nanodet.learn.objective import build_objective
from nanodet.learn.points import boxes_around, centerness, edge_distances, level_points
from nanodet.model.network import build_network

TRUTHS = [truth([[20, 30, 150, 170], [160, 40, 300, 300]], [0, 2])]


def learned(kind, **loss):
    """Return losses, the prediction at the positives, their targets and the objective of a network."""
    section = arch(quality={"name": kind}, loss=loss)
    torch.manual_seed(0)
    network = build_network(section)
    objective = build_objective(network, section)
    image = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    outputs = network.training_outputs(image, 0)
    targets = objective.targets(outputs, TRUTHS, SIZE)
    return objective(outputs, TRUTHS, SIZE), outputs["main"][0], targets, objective


@pytest.mark.parametrize("kind", ["CenternessBranch", "IoUBranch"])
def test_a_branch_learns_its_target_at_the_positives_alone(kind):
    losses, rows, targets, objective = learned(kind)
    found, at = objective.predict(rows), targets.positive
    points = level_points(SIZE, objective.strides, 0.5, "cpu")
    unit = points.strides[at][:, None]
    position, wanted = points.positions[at] / unit, targets.boxes / unit
    if kind == "IoUBranch":
        boxes = boxes_around(position, objective.code.distances(found.edges[at]))
        wish = overlap(boxes, wanted).iou
    else:
        wish = centerness(edge_distances(position, wanted))
    expected = F.binary_cross_entropy_with_logits(found.quality[at, 0], wish.detach())
    assert losses["loss_quality"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert list(losses) == ["loss_qfl", "loss_quality", "loss_bbox", "loss_dfl"]


def test_centerness_is_1_in_the_middle_and_0_at_an_edge():
    distances = torch.tensor([[2.0, 3, 2, 3], [1, 2, 4, 2], [0, 2, 4, 2], [-1, 2, 4, 2]])
    assert centerness(distances).tolist() == [1, 0.5, 0, 0]


@pytest.mark.parametrize("kind", ["Joint", "DGQP", "NoQuality", "IoUBranch", "CenternessBranch"])
def test_the_score_of_the_true_class_learns_the_iou_or_one(kind):
    losses, rows, targets, objective = learned(kind)
    found, at = objective.predict(rows), targets.positive
    joint = kind in ("Joint", "DGQP")
    logits = found.scores if joint else found.classes
    wish = torch.zeros_like(logits)
    points = level_points(SIZE, objective.strides, 0.5, "cpu")
    boxes = points.boxes(objective.code.distances(found.edges))[at]
    wish[at, targets.labels] = overlap(boxes, targets.boxes).iou if joint else 1
    expected = objective.scores.loss(logits, wish.detach()).sum() / len(at)
    assert losses["loss_qfl"].item() == pytest.approx(expected.item(), rel=1e-4)
    assert ("loss_quality" in losses) == kind.endswith("Branch")


@pytest.mark.parametrize("quality", ["DGQP", "IoUBranch"])
def test_both_heads_of_nanodet_plus_have_the_quality_of_the_head(quality):
    mapping = {
        "name": "NanoDetPlus", "backbone": {"model_size": "0.5x", "pretrain": False},
        "fpn": {"out_channels": 32}, "aux_head": {"feat_channels": 32, "stacked_convs": 1},
        "head": {"num_classes": 3, "feat_channels": 32, "quality": {"name": quality}},
    }  # fmt: skip
    section = build(Model, {"arch": mapping}, "config").arch
    check_section(section, "model.arch", failing("config"))
    network = build_network(section)
    outputs = network.training_outputs(torch.randn(1, 3, *SIZE), 0)
    objective = build_objective(network, section)
    losses = objective(outputs, TRUTHS, SIZE)
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    for head in (network.head, network.aux_head):
        own = head.quality if quality == "DGQP" else head.gfl_quality
        assert any(p.grad is not None and p.grad.any() for p in own.parameters())
