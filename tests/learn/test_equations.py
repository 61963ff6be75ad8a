"""Every equation of the paper (Generalized Focal Loss, TPAMI 2023) against its definition."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from objectives import NONE, SIZE, objective, random_outputs, truth
from torch.autograd import gradcheck
from torch.nn import functional as F

from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.losses.distribution_focal import distribution_focal_loss
from nanodet.learn.losses.focal import focal_loss
from nanodet.learn.losses.generalized_focal import generalized_focal_loss
from nanodet.learn.losses.quality_focal import quality_focal_loss
from nanodet.learn.objective import Weighted
from nanodet.learn.points import level_points
from nanodet.learn.targets import Assignment
from nanodet.model.box_codes.dirac import Dirac
from nanodet.model.box_codes.general import General
from nanodet.model.part import Prediction
from nanodet.model.quality.dgqp import DGQP
from nanodet.runtime.box_codes import BOX_CODES, Bins

inner = st.floats(0.001, 0.999)
unit = st.floats(0, 1)
betas = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])


def double(value):
    return torch.tensor(value, dtype=torch.float64)


def logit(p):
    return double(math.log(p / (1 - p)))


def gfocal(p_left, p_right, y, y_left, y_right, beta):
    """The right side of equation 11, of plain numbers."""
    distance = abs(y - (y_left * p_left + y_right * p_right))
    entropy = (y_right - y) * math.log(p_left) + (y - y_left) * math.log(p_right)
    return -(distance**beta) * entropy


def of_scores(logits, target, beta):
    """GFocal of two values 0 and 1 whose probabilities come from a logit."""
    return generalized_focal_loss(F.logsigmoid(-logits), F.logsigmoid(logits), target, beta=beta)


def test_eq_01_the_target_of_the_true_class_is_the_iou_of_its_box_and_0_elsewhere():
    learns, outputs = objective("m"), random_outputs("m", images=1)
    seen = {}

    def remember(logits, quality):
        seen["quality"] = quality
        return torch.zeros_like(logits)

    learns = dataclasses.replace(learns, scores=Weighted(remember, 1.0))
    box = [40.0, 60, 200, 260]
    truths = [truth([box], [2])]
    targets = learns.targets(outputs, truths, SIZE)
    learns(outputs, truths, SIZE)
    points = level_points(SIZE, learns.strides, learns.point_offset, "cpu")
    expected = np.zeros((len(points.strides), 3))
    for i in targets.positive.tolist():
        shares = outputs["main"][0, i, 3:].detach().numpy().astype(np.float64).reshape(4, 8)
        shares = np.exp(shares) / np.exp(shares).sum(axis=1, keepdims=True)
        left, top, right, bottom = shares @ np.arange(8) * points.strides[i].item()
        x, y = points.positions[i].tolist()
        found = [x - left, y - top, x + right, y + bottom]
        width, height = (
            max(0, min(found[k + 2], box[k + 2]) - max(found[k], box[k])) for k in (0, 1)
        )
        both = (left + right) * (top + bottom) + 160 * 200 - width * height
        expected[i, 2] = width * height / both
    assert len(targets.positive) > 3
    np.testing.assert_allclose(seen["quality"].numpy(), expected, atol=1e-5)


@given(st.lists(st.floats(-20, 20), min_size=4, max_size=4))
def test_eq_02_a_dirac_delta_gives_its_place_and_has_no_spread(values):
    """The integral of delta(x - y) x is y: an edge is its value, made positive."""
    raw = torch.tensor([values])
    expected = [math.log1p(math.exp(v)) for v in values]
    assert Dirac(7).distances(raw)[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert (BOX_CODES["distances"].variances(raw.numpy(), Bins(7)) == 0).all()
    # a distribution all of whose mass is on one bin
    for i in range(8):
        one = F.one_hot(torch.tensor([i] * 4), 8).reshape(1, 32).double() * 1e4
        assert General(7).distances(one).tolist() == [[i] * 4]


@pytest.mark.parametrize(("low", "high", "peak"), [(0, 8, 2.5), (1, 4, 3.5), (5, 8, 5.5)])
def test_eq_03_the_expectation_over_fine_bins_is_the_integral_over_the_range(low, high, peak):
    """Of a triangular density, whose integral of P(x) x is (low + peak + high) / 3."""
    errors = []
    for spacing in (1.0, 0.5, 0.125, 1 / 64):
        code = General(8, spacing)
        x = torch.arange(code.bins, dtype=torch.float64) * spacing
        density = torch.minimum((x - low) / (peak - low), (high - x) / (high - peak)).clamp(min=0)
        raw = density.log().clamp(min=-1e4).repeat(4)[None]
        errors.append(abs(code.distances(raw)[0, 0].item() - (low + peak + high) / 3))
    assert errors[-1] < 1e-3
    assert errors[-1] <= errors[0]


@given(
    st.sampled_from([(7, 1.0), (4, 0.5), (6, 2.0), (1, 0.1), (3, 0.25)]),
    st.integers(0, 10**6),
)
def test_eq_04_expectation_of_the_softmax_over_even_intervals(size, seed):
    reg_max, spacing = size
    code = General(reg_max, spacing)
    raw = torch.randn(2, code.channels, generator=torch.Generator().manual_seed(seed)) * 3
    bins = Bins(reg_max, spacing)
    assert code.channels == 4 * (round(reg_max / spacing) + 1) == 4 * bins.count
    expected = []
    for point in raw.double().tolist():
        for e in range(4):
            shares = [math.exp(v) for v in point[e * code.bins : (e + 1) * code.bins]]
            expected.append(sum(p * i * spacing for i, p in enumerate(shares)) / sum(shares))
    found = code.distances(raw)
    assert found.flatten().tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    decoded = BOX_CODES[code.form].distances(raw.numpy(), bins)
    assert decoded.flatten().tolist() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    shares = code.probabilities(raw)
    assert shares.shape == (2, 4, code.bins)
    assert torch.allclose(shares.sum(dim=-1), torch.ones(2, 4))
    assert torch.allclose(shares @ torch.from_numpy(bins.values()), found, atol=1e-5)


def predictor(k, d, seed):
    """Return a DGQP over 8 bins with weights that matter, and values of the edges of 3 points."""
    made = DGQP(General(7), k, d).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(generator=generator)
    return made, torch.randn(3, 32, generator=generator, dtype=torch.float64) * 2


def topkm(edge, k):
    """The k largest probabilities of logits, descending, and their mean; plain numbers."""
    shares = [math.exp(v) for v in edge]
    largest = sorted((v / sum(shares) for v in shares), reverse=True)[:k]
    return [*largest, sum(largest) / k]


@pytest.mark.parametrize("k", [1, 4, 8])
def test_eq_05_features_are_the_top_k_of_each_edge_and_their_mean(k):
    made, edges = predictor(k, 6, seed=k)
    expected = [
        [v for e in range(4) for v in topkm(point[8 * e : 8 * e + 8], k)]
        for point in edges.tolist()
    ]
    found = made.statistics(edges)
    assert found.shape == (3, 4 * (k + 1))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("k", "d"), [(4, 64), (1, 8)])
def test_eq_06_quality_is_sigmoid_of_two_layers_with_a_relu_between(k, d):
    made, edges = predictor(k, d, seed=d)
    hidden, output = ([p.tolist() for p in one.parameters()] for one in (made.hidden, made.output))
    expected = []
    for features in made.statistics(edges).tolist():
        units = [
            max(0.0, bias + sum(w * f for w, f in zip(row, features, strict=True)))
            for row, bias in zip(*hidden, strict=True)
        ]
        last = output[1][0] + sum(w * u for w, u in zip(output[0][0], units, strict=True))
        expected.append(1 / (1 + math.exp(-last)))
    np.testing.assert_allclose(made(edges).detach().sigmoid()[:, 0], expected, rtol=1e-9)
    decoded = made.float().deployed_weights()(edges.float().numpy())
    np.testing.assert_allclose(decoded, expected, rtol=1e-3, atol=1e-6)
    if d == 8:
        assert gradcheck(made.double(), edges[:1].clone().requires_grad_())


@given(inner, inner)
def test_eq_07_the_joint_score_is_the_class_score_times_the_quality(c, i):
    found = Prediction(logit(c)[None], double([0.0]), logit(i)[None])
    assert found.scores.sigmoid().item() == pytest.approx(c * i, rel=1e-9)


@given(inner, st.sampled_from([0.0, 1.0]), betas, st.sampled_from([None, 0.25, 0.75]))
def test_eq_08_focal_loss(p, y, gamma, alpha):
    p_t = p if y == 1 else 1 - p
    expected = -((1 - p_t) ** gamma) * math.log(p_t)
    if alpha is not None:
        expected *= alpha if y == 1 else 1 - alpha
    found = focal_loss(logit(p), double(y), gamma, alpha)
    assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(inner, unit, betas)
def test_eq_09_quality_focal_loss(s, y, beta):
    expected = -(abs(y - s) ** beta) * ((1 - y) * math.log(1 - s) + y * math.log(s))
    found = quality_focal_loss(logit(s), double(y), beta)
    assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-8)


@given(inner, inner, st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_eq_09_is_least_where_the_score_is_the_label(y, s, beta):
    at_label = quality_focal_loss(logit(y), double(y), beta).item()
    assert at_label == pytest.approx(0, abs=1e-6)
    if abs(s - y) > 1e-3:
        assert quality_focal_loss(logit(s), double(y), beta).item() > at_label


@given(st.floats(0, 6.9), st.lists(st.floats(-5, 5), min_size=8, max_size=8))
def test_eq_10_distribution_focal_loss(y, values):
    logits = double([values])
    p, i = logits.softmax(-1)[0], int(y)
    expected = -((i + 1 - y) * math.log(p[i]) + (y - i) * math.log(p[i + 1]))
    found = distribution_focal_loss(logits, double([y]))
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(
    st.integers(0, 6), st.floats(0.001, 0.999), st.lists(st.floats(-9, 9), min_size=8, max_size=8)
)
def test_eq_10_is_least_at_the_papers_distribution_whose_mean_is_the_label(i, fraction, others):
    """P_i = y_(i+1) - y and P_(i+1) = y - y_i: no other distribution has a lower loss."""
    y = i + fraction
    best = torch.full((1, 8), -1e3, dtype=torch.float64)
    best[0, i], best[0, i + 1] = math.log(1 - fraction), math.log(fraction)
    best.requires_grad_()
    least = distribution_focal_loss(best, double([y]))
    least.sum().backward()
    assert best.grad.abs().max() < 1e-9
    assert distribution_focal_loss(double([others]), double([y])) >= least
    assert General(7).distances(best.detach().repeat(1, 4))[0, 0].item() == pytest.approx(y)


@given(inner, unit, st.floats(-5, 5), st.floats(0.1, 4), betas)
def test_eq_11_generalized_focal_loss(p_right, fraction, y_left, width, beta):
    y_right, p_left = y_left + width, 1 - p_right
    y = min(y_left + fraction * width, y_right)
    # roundings of 1e-15 decide the whole distance next to 0, and a root makes them 3e-8; the next test has 0
    assume(beta != 0.5 or abs(y - (y_left * p_left + y_right * p_right)) > 1e-8)
    found = generalized_focal_loss(
        double(p_left).log(), double(p_right).log(), double(y), y_left, y_right, beta
    )
    expected = gfocal(p_left, p_right, y, y_left, y_right, beta)
    assert found.item() == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert found >= 0


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("loss", [of_scores, quality_focal_loss])
def test_eq_11_to_13_have_no_gradient_where_the_target_is_reached(loss, beta):
    """Nor close to it, where powers of the distance overflow and the rest of the product underflows."""
    logits = torch.tensor([0.0, -104, -95, -90, -60, 30, 104], requires_grad=True)
    target = torch.tensor([0.5, 0, 0, 0, 0, 1, 1])
    found = loss(logits, target, beta)
    found.sum().backward()
    at_half = math.log(2) if beta == 0 else 0
    assert found.tolist() == pytest.approx([at_half, 0, 0, 0, 0, 0, 0], abs=1e-8)
    assert logits.grad.tolist() == pytest.approx([0] * 7, abs=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_eq_11_stays_finite_for_huge_logits(beta):
    logits = torch.tensor([-1e4, -90.0, 90.0, 1e4]).repeat(3, 1).requires_grad_()
    target = torch.tensor([[0.0], [0.5], [1.0]]).expand(3, 4)
    loss = of_scores(logits, target, beta)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()


@given(inner, st.sampled_from([0.0, 1.0]), betas)
def test_eq_12_focal_loss_is_the_general_form(p, y, gamma):
    expected = focal_loss(logit(p), double(y), gamma, None).item()
    assert of_scores(logit(p), double(y), gamma).item() == pytest.approx(expected, abs=1e-6)
    assert gfocal(1 - p, p, y, 0, 1, gamma) == pytest.approx(expected, abs=1e-6)


@given(inner, unit, betas)
def test_eq_13_quality_focal_loss_is_the_general_form(s, y, beta):
    expected = quality_focal_loss(logit(s), double(y), beta).item()
    assert of_scores(logit(s), double(y), beta).item() == pytest.approx(expected, abs=1e-6)
    assert gfocal(1 - s, s, y, 0, 1, beta) == pytest.approx(expected, abs=1e-6)


@given(inner, unit, st.integers(0, 6))
def test_eq_14_distribution_focal_loss_is_the_general_form(p_right, fraction, i):
    y = min(i + fraction, i + 0.999)
    logits = torch.full((1, 8), -1e3, dtype=torch.float64)
    logits[0, i], logits[0, i + 1] = math.log(1 - p_right), math.log(p_right)
    expected = distribution_focal_loss(logits, double([y])).item()
    left, right = logits[0, i], logits[0, i + 1]
    general = generalized_focal_loss(left, right, double(y), i, i + 1, 0).item()
    assert general == pytest.approx(expected, abs=1e-6)
    assert gfocal(1 - p_right, p_right, y, i, i + 1, 0) == pytest.approx(expected, abs=1e-6)


class Given(Assigner):
    """Gives every image the same assignment."""

    def __init__(self, matched):
        self.matched = torch.tensor(matched)

    def assign(self, points, truth, logits=None, boxes=None):
        return Assignment(self.matched)


def test_eq_15_the_objective_of_three_points_by_hand():
    """Two positives and one negative of two classes, strides of 8 pixels, bins at 0, 1, 2.

    As in the public code, losses of boxes and edges are weighted by the score of their point.
    """
    rows = torch.tensor(
        [
            [0.5, -1.0, *([0.0, 1.0, 2.0] * 4)],
            [-2.0, 0.3, *([2.0, 0.5, 0.0] * 4)],
            [-0.7, 0.1, *([0.0] * 12)],
        ]
    )
    boxes = [[-6.0, -8, 14, 12], [3, -2, 16, 8]]
    learns = dataclasses.replace(
        objective("m", classes=2, assigner=Given([0, 1, -1])), strides=(8,), code=General(2)
    )
    losses = learns({"main": rows[None]}, [truth(boxes, [0, 1])], (24, 8))

    sigmoid = [[1 / (1 + math.exp(-v)) for v in row[:2]] for row in rows.tolist()]
    qualities = [[0.0, 0.0] for _ in rows]
    weights, loss_boxes, loss_edges = [], [], []
    for i, (box, label) in enumerate(zip(boxes, (0, 1), strict=True)):
        x, y = (i + 0.5), 0.5  # in strides
        box = [v / 8 for v in box]
        shares = [math.exp(v) for v in rows[i, 2:5].tolist()]
        shares = [v / sum(shares) for v in shares]
        edge = shares[1] + 2 * shares[2]  # equation 4
        found = [x - edge, y - edge, x + edge, y + edge]
        both = [max(0, min(found[k + 2], box[k + 2]) - max(found[k], box[k])) for k in (0, 1)]
        hull = [max(found[k + 2], box[k + 2]) - min(found[k], box[k]) for k in (0, 1)]
        union = 4 * edge**2 + (box[2] - box[0]) * (box[3] - box[1]) - both[0] * both[1]
        iou = both[0] * both[1] / union
        qualities[i][label] = iou
        area = hull[0] * hull[1]
        loss_boxes.append(1 - iou + (area - union) / area)
        each = []
        for distance in (x - box[0], y - box[1], box[2] - x, box[3] - y):
            distance = min(max(distance, 0), 2 - 0.1)
            j = int(distance)
            each.append(gfocal(shares[j], shares[j + 1], distance, j, j + 1, 0))
        loss_edges.append(sum(each) / 4)
        weights.append(max(sigmoid[i]))
    qfl = sum(
        gfocal(1 - s, s, q, 0, 1, 2)
        for scores, row in zip(sigmoid, qualities, strict=True)
        for s, q in zip(scores, row, strict=True)
    )
    mean = [
        sum(w * v for w, v in zip(weights, some, strict=True)) / sum(weights)
        for some in (loss_boxes, loss_edges)
    ]
    expected = {"loss_qfl": qfl / 2, "loss_bbox": 2 * mean[0], "loss_dfl": mean[1] / 4}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_eq_15_without_positives_is_the_loss_of_the_scores():
    rows = random_outputs("m", images=1)
    losses = objective("m")(rows, [truth(NONE)], SIZE)
    logits = rows["main"][0, :, :3]
    expected = quality_focal_loss(logits, torch.zeros_like(logits)).sum().item()
    assert losses["loss_qfl"].item() == pytest.approx(expected, rel=1e-5)
    assert losses["loss_bbox"] == losses["loss_dfl"] == 0


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 2.5])
def test_gradients_of_equations_8_to_14(beta):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    quality = torch.rand(4, 3, generator=generator, dtype=torch.float64)
    bins = torch.randn(5, 8, generator=generator, dtype=torch.float64).requires_grad_()
    target = torch.rand(5, generator=generator, dtype=torch.float64) * 6.9
    hard = (quality > 0.5).double()
    assert gradcheck(lambda x: focal_loss(x, hard, beta), logits)  # 8
    assert gradcheck(lambda x: quality_focal_loss(x, quality, beta), logits)  # 9
    assert gradcheck(lambda x: distribution_focal_loss(x, target), bins)  # 10
    assert gradcheck(lambda x: of_scores(x, quality, beta), logits)  # 11, 12, 13

    def two_bins(x):  # 11, 14
        log_left, log_right = x.log_softmax(dim=1)[:, 3:5].unbind(dim=1)
        return generalized_focal_loss(log_left, log_right, target.clamp(3, 4), 3, 4, beta)

    assert gradcheck(two_bins, bins)
