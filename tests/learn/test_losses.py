"""The losses against closed forms, their special cases, and numerical gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanodet.learn.iou import overlap, pairwise_iou
from nanodet.learn.losses import BOX_LOSSES
from nanodet.learn.losses.ciou import ciou_loss
from nanodet.learn.losses.diou import diou_loss
from nanodet.learn.losses.distribution_focal import distribution_focal_loss, mean_over_edges
from nanodet.learn.losses.gaussian_kl import LEAST_LOG_VARIANCE, gaussian_kl_loss
from nanodet.learn.losses.giou import giou_loss
from nanodet.learn.losses.iou_loss import iou_loss
from nanodet.learn.losses.l2_edges import edge_l2_loss
from nanodet.learn.losses.l2_scores import l2_loss
from nanodet.learn.losses.quality_focal import quality_focal_loss

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
    assert overlap(a, b).iou.tolist() == pytest.approx([1, 1 / 7, 0])
    # union 7 in a hull of 9; union 2 in a hull of 3
    assert (1 - giou_loss(a, b)).tolist() == pytest.approx([1, 1 / 7 - 2 / 9, -1 / 3])


def test_other_box_losses_of_known_boxes():
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 4, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 3, 1], [0, 0, 2, 2]])
    assert iou_loss(a, b).tolist() == pytest.approx(
        [0, math.log(7), -math.log(1e-6), math.log(2)], abs=1e-6
    )
    # centres sqrt(2) apart in a square of 3 x 3; 2 apart in 3 x 1; 1 apart in 4 x 2
    distances = [0, 2 / 18, 4 / 10, 1 / 20]
    expected = [1 - iou + d for iou, d in zip([1, 1 / 7, 0, 1 / 2], distances, strict=True)]
    assert diou_loss(a, b).tolist() == pytest.approx(expected, abs=1e-6)
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    expected[3] += v * v / (1 - 0.5 + v)
    assert ciou_loss(a, b).tolist() == pytest.approx(expected, abs=1e-6)


sides = st.floats(0.5, 50)
corner = st.floats(-50, 50)
some_box = st.tuples(corner, corner, sides, sides).map(
    lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]]
)


@pytest.mark.parametrize("name", BOX_LOSSES)
@given(a=some_box, b=some_box)
def test_box_losses_are_least_at_the_target_and_do_not_know_the_unit(name, a, b):
    part = BOX_LOSSES[name]
    loss = part.build(part.section())
    a, b = (torch.tensor([one], dtype=torch.float64) for one in (a, b))
    assert loss(b, b).item() == pytest.approx(0, abs=1e-6)
    assert loss(a, b).item() >= -1e-6
    assert loss(a, b).item() == pytest.approx(loss(8 * a, 8 * b).item(), rel=1e-3, abs=1e-4)
    half = (a + b) / 2
    if loss(a, b) > 1e-3 and overlap(a, b).iou > 0:
        assert loss(half, b) < loss(a, b)


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


def test_gradients_of_dfl_and_box_losses():
    torch.manual_seed(0)
    bins = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, dtype=torch.float64) * 6.9
    assert torch.autograd.gradcheck(lambda x: distribution_focal_loss(x, target), bins)
    corners = torch.rand(5, 4, dtype=torch.float64)
    a = torch.cat((corners[:, :2], corners[:, :2] + 0.5 + corners[:, 2:]), 1).requires_grad_()
    b = torch.rand(5, 4, dtype=torch.float64)
    b = torch.cat((b[:, :2], b[:, :2] + 0.5 + b[:, 2:]), 1)
    for loss in (giou_loss, iou_loss, diou_loss):
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, b), a)


def test_the_trade_off_of_ciou_is_a_constant():
    """Its gradient is that of a numerical derivative in which the trade-off stays as it is."""
    a = torch.tensor([[0.0, 0, 4, 2]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[1.0, 0, 3, 3]], dtype=torch.float64)
    ciou_loss(a, b).sum().backward()

    def aspect(box):
        w, h = box[0, 2] - box[0, 0], box[0, 3] - box[0, 1]
        return 4 / math.pi**2 * (torch.atan(w / h) - math.atan(2 / 3)) ** 2

    v = aspect(a.detach())
    trade_off = v / (1 - overlap(a.detach(), b).iou + v)
    frozen = a.detach().clone().requires_grad_()
    (diou_loss(frozen, b) + trade_off * aspect(frozen)).sum().backward()
    assert a.grad.tolist()[0] == pytest.approx(frozen.grad.tolist()[0], rel=1e-9)


def test_dfl_of_a_point_is_the_mean_of_its_edges():
    torch.manual_seed(0)
    raw, target = torch.randn(3, 32), torch.rand(3, 4) * 6.9
    each = [distribution_focal_loss(raw[:, 8 * i : 8 * i + 8], target[:, i]) for i in range(4)]
    assert torch.allclose(mean_over_edges(raw, target), torch.stack(each).mean(dim=0))
    assert mean_over_edges(raw[:0], target[:0]).shape == (0,)


values = st.lists(st.floats(-6, 6), min_size=4, max_size=4)
distances = st.lists(st.floats(0, 8), min_size=4, max_size=4)


@given(values, values, distances)
def test_losses_of_edges_are_those_of_table_1(means, log_variances, y):
    x = [math.log1p(math.exp(v)) for v in means]
    target = torch.tensor([y], dtype=torch.float64)
    squares = [(a - b) ** 2 for a, b in zip(x, y, strict=True)]
    found = edge_l2_loss(torch.tensor([means], dtype=torch.float64), target)
    assert found.item() == pytest.approx(sum(squares) / 8, rel=1e-7, abs=1e-12)
    raw = torch.tensor([means + log_variances], dtype=torch.float64)
    expected = [s / (2 * math.exp(v)) + v / 2 for s, v in zip(squares, log_variances, strict=True)]
    assert gaussian_kl_loss(raw, target).item() == pytest.approx(sum(expected) / 4, rel=1e-7)


def test_the_variance_of_a_gaussian_edge_is_least_at_its_squared_error_and_bounded():
    target = torch.full((1, 4), 2.0)
    mean = torch.full((1, 4), math.log(math.expm1(3.0)))  # one stride too far

    def at(log_variance):
        return gaussian_kl_loss(torch.cat((mean, torch.full((1, 4), log_variance)), 1), target)

    assert at(0.0) < at(-0.3)
    assert at(0.0) < at(0.3)
    assert at(-1e4) == at(LEAST_LOG_VARIANCE)
    assert torch.isfinite(at(1e4))


def test_gradients_of_the_losses_of_tables_1_and_4():
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(3, 8, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.rand(3, 4, generator=generator, dtype=torch.float64) * 7
    assert torch.autograd.gradcheck(lambda x: gaussian_kl_loss(x, target), raw)
    assert torch.autograd.gradcheck(lambda x: edge_l2_loss(x[:, :4], target), raw)
    assert torch.autograd.gradcheck(lambda x: l2_loss(x[:, :4], target / 7), raw)


@given(probabilities, unit)
def test_l2_of_scores_is_the_squared_error(s, y):
    found = l2_loss(logit(s), torch.tensor(y, dtype=torch.float64))
    assert found.item() == pytest.approx((s - y) ** 2, abs=1e-12)
