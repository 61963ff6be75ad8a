"""The losses against closed forms, their special cases, and numerical gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanodet.model.losses import (
    aligned_iou_giou,
    distribution_focal_loss,
    pairwise_iou,
    quality_focal_loss,
)

probabilities = st.floats(0.001, 0.999)
unit = st.floats(0, 1)


def generalized_focal_loss(p_left, p_right, target, y_left, y_right, beta):
    """The paper's equation 11, of which focal loss, QFL and DFL are special cases."""
    estimate = y_left * p_left + y_right * p_right
    entropy = (y_right - target) * p_left.log() + (target - y_left) * p_right.log()
    return -(target - estimate).abs().pow(beta) * entropy


def logit(p):
    return torch.tensor(math.log(p / (1 - p)), dtype=torch.float64)


@given(probabilities, unit, st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0]))
def test_qfl_is_equation_9(s, y, beta):
    expected = -(abs(y - s) ** beta) * ((1 - y) * math.log(1 - s) + y * math.log(s))
    found = quality_focal_loss(logit(s), torch.tensor(y, dtype=torch.float64), beta)
    assert found.item() == pytest.approx(expected, rel=1e-7, abs=1e-8)


@given(probabilities)
def test_qfl_is_least_where_the_score_is_the_quality(y):
    target = torch.tensor(y, dtype=torch.float64)
    here = quality_focal_loss(logit(y), target)
    assert here.item() == pytest.approx(0, abs=1e-12)
    for shift in (-0.5, 0.5):
        assert quality_focal_loss(logit(y) + shift, target) > here


@given(st.floats(0, 6.9), st.lists(st.floats(-5, 5), min_size=8, max_size=8))
def test_dfl_is_equation_10(y, values):
    logits = torch.tensor([values], dtype=torch.float64)
    p = logits.softmax(-1)[0]
    i = int(y)
    expected = -((i + 1 - y) * math.log(p[i]) + (y - i) * math.log(p[i + 1]))
    found = distribution_focal_loss(logits, torch.tensor([y], dtype=torch.float64))
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(probabilities, st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0, 2.0]))
def test_focal_loss_comes_out_of_equation_11(p, y, gamma):
    p_t = p if y == 1 else 1 - p
    focal = -((1 - p_t) ** gamma) * math.log(p_t)
    tensor = torch.tensor(p, dtype=torch.float64)
    general = generalized_focal_loss(1 - tensor, tensor, torch.tensor(y), 0, 1, gamma)
    assert general.item() == pytest.approx(focal, rel=1e-9)
    # with a label of 0 or 1 QFL is focal loss too
    assert quality_focal_loss(
        logit(p), torch.tensor(y, dtype=torch.float64), gamma
    ).item() == pytest.approx(focal, rel=1e-7)


@given(probabilities, unit, st.sampled_from([1.0, 2.0]))
def test_qfl_comes_out_of_equation_11(s, y, beta):
    p, target = torch.tensor(s, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)
    general = generalized_focal_loss(1 - p, p, target, 0, 1, beta)
    assert quality_focal_loss(logit(s), target, beta).item() == pytest.approx(
        general.item(), rel=1e-7, abs=1e-8
    )


@given(probabilities, unit, st.integers(0, 6))
def test_dfl_comes_out_of_equation_11(p_right, fraction, i):
    y = min(i + fraction, i + 0.999)
    p = torch.full((8,), -1e30, dtype=torch.float64)
    p[i], p[i + 1] = math.log(1 - p_right), math.log(p_right)
    target = torch.tensor([y], dtype=torch.float64)
    general = generalized_focal_loss(
        torch.tensor(1 - p_right, dtype=torch.float64), torch.tensor(p_right, dtype=torch.float64),
        target, i, i + 1, 0,
    )  # fmt: skip
    assert distribution_focal_loss(p[None], target).item() == pytest.approx(
        general.item(), rel=1e-6
    )


def test_giou_of_known_boxes():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]])
    b = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 3, 1]])
    iou, giou = aligned_iou_giou(a, b)
    assert iou.tolist() == pytest.approx([1, 1 / 7, 0])
    # union 7 in a hull of 9; union 2 in a hull of 3
    assert giou.tolist() == pytest.approx([1, 1 / 7 - 2 / 9, -1 / 3])


def test_pairwise_iou_and_iof():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 4, 4]])
    b = torch.tensor([[0.0, 0, 4, 4], [10, 10, 12, 12]])
    assert pairwise_iou(a, b).tolist() == [[0.25, 0], [1, 0]]
    assert pairwise_iou(a, b, iof=True).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("beta", [1.0, 2.0, 2.5])
def test_gradients_of_qfl(beta):
    torch.manual_seed(0)
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    quality = torch.rand(6, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: quality_focal_loss(x, quality, beta), logits)


def test_gradients_of_dfl_and_giou():
    torch.manual_seed(0)
    bins = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, dtype=torch.float64) * 6.9
    assert torch.autograd.gradcheck(lambda x: distribution_focal_loss(x, target), bins)
    corners = torch.rand(5, 4, dtype=torch.float64)
    a = torch.cat((corners[:, :2], corners[:, :2] + 0.5 + corners[:, 2:]), 1).requires_grad_()
    b = torch.rand(5, 4, dtype=torch.float64)
    b = torch.cat((b[:, :2], b[:, :2] + 0.5 + b[:, 2:]), 1)
    assert torch.autograd.gradcheck(lambda x: aligned_iou_giou(x, b)[1], a)
