"""Dynamic soft label assignment against a plain one, its properties, and NanoDet-Plus's numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objectives import NONE, STRIDES, objective, truth

from nanodet.learn.assigners.dsla import Dsla
from nanodet.learn.points import inside, level_points
from nanodet.learn.targets import LEFT_OUT, NEGATIVE

SIZE = (96, 64)
CLASSES = 3
POINTS = level_points(SIZE, STRIDES["plus"], 0.0, "cpu")
COUNT = len(POINTS.strides)
seeds = st.integers(0, 2**32 - 1)
numbers = st.integers(0, 9)


def image(seed, boxes):
    """Return a `GroundTruth` of random boxes, and predictions of which some fit them."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(2, 50, (boxes, 2))
    corner = rng.uniform(-4, 1, (boxes, 2)) + rng.uniform(0, 1, (boxes, 2)) * (SIZE - size)
    shown = truth(np.concatenate((corner, corner + size), 1), rng.integers(0, CLASSES, boxes))
    logits = torch.tensor(rng.normal(-2, 2, (COUNT, CLASSES)), dtype=torch.float32)
    distances = torch.tensor(rng.uniform(0, 4, (COUNT, 4)), dtype=torch.float32)
    predicted = POINTS.boxes(distances)
    if boxes:
        near = shown.boxes[torch.tensor(rng.integers(0, boxes, COUNT))]
        fits = torch.tensor(rng.uniform(0, 1, (COUNT, 1)) ** 2, dtype=torch.float32)
        predicted = fits * near + (1 - fits) * predicted
    return shown, logits, predicted


def plain_assignment(shown, logits, predicted, topk=13, factor=3.0):
    """The same, box by box and point by point, in double precision: list of (box or None, IoU)."""
    points, truths = POINTS.positions.tolist(), shown.boxes.double().tolist()
    boxes, logits = predicted.double().tolist(), logits.double().numpy()
    candidates = [
        p for p, (x, y) in enumerate(points)
        if any(box[0] < x < box[2] and box[1] < y < box[3] for box in truths)
    ]  # fmt: skip

    def area(box):
        return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

    def iou(a, b):
        inner = area([*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:])])
        return inner / max(area(a) + area(b) - inner, 1e-6)

    ious = [[iou(boxes[p], box) for p in candidates] for box in truths]
    costs = []
    for label, row in zip(shown.labels.tolist(), ious, strict=True):
        costs.append([])
        for p, quality in zip(candidates, row, strict=True):
            y = np.eye(CLASSES)[label] * quality
            score = 1 / (1 + np.exp(-logits[p]))
            entropy = -(y * np.log(score) + (1 - y) * np.log(1 - score))
            costs[-1].append((entropy * (y - score) ** 2).sum() - factor * np.log(quality + 1e-7))
    wanted = {p: [] for p in candidates}
    for box, (row, cost) in enumerate(zip(ious, costs, strict=True)):
        count = max(int(sum(sorted(row)[-topk:])), 1)
        for i in np.argsort(cost)[:count]:
            wanted[candidates[i]].append(box)
    found = [(None, 0.0)] * COUNT
    for i, p in enumerate(candidates):
        if wanted[p]:
            every = range(len(truths)) if len(wanted[p]) > 1 else wanted[p]
            best = min(every, key=lambda box: costs[box][i])
            found[p] = best, ious[best][i]
    return found


# the same images each time: of costs that are equal to six digits, single precision may choose another
@settings(max_examples=80, derandomize=True)
@given(seeds, numbers)
def test_is_what_a_plain_one_finds(seed, boxes):
    shown, logits, predicted = image(seed, boxes)
    expected = plain_assignment(shown, logits, predicted)
    found = Dsla().assign(POINTS, shown, logits, predicted)
    assert found.matched.tolist() == [NEGATIVE if box is None else box for box, _ in expected]
    assert found.quality.tolist() == pytest.approx([iou for _, iou in expected], abs=1e-5)


@given(seeds, numbers)
def test_only_points_in_boxes_learn_and_no_more_than_wanted(seed, boxes):
    shown, logits, predicted = image(seed, boxes)
    found = Dsla(topk=5).assign(POINTS, shown, logits, predicted)
    within = inside(POINTS.positions[:, None], shown.boxes)
    positive = found.matched >= 0
    assert not (positive & ~within.any(dim=1)).any()
    assert (found.matched[~positive] == NEGATIVE).all()
    assert (found.quality >= 0).all() and (found.quality <= 1).all()
    assert (found.quality[~positive] == 0).all()
    for box in range(boxes):
        assert (found.matched == box).sum() <= 5


@given(seeds)
def test_a_box_alone_is_learned_inside_itself(seed):
    shown, logits, predicted = image(seed, 1)
    found = Dsla().assign(POINTS, shown, logits, predicted)
    within = inside(POINTS.positions, shown.boxes[0])
    assert (within[found.matched == 0]).all()
    assert (
        found.matched == 0
    ).any() == within.any()  # it gets one at least, where there are points


@given(seeds, numbers, st.randoms())
def test_the_order_of_boxes_does_not_matter(seed, boxes, random):
    shown, logits, predicted = image(seed, boxes)
    order = list(range(boxes))
    random.shuffle(order)
    turned = truth(shown.boxes[order], shown.labels[order])
    here = Dsla().assign(POINTS, shown, logits, predicted)
    there = Dsla().assign(POINTS, turned, logits, predicted)
    back = torch.tensor([*order, NEGATIVE])  # -1 is the last
    assert torch.equal(here.matched, back[there.matched])
    assert torch.equal(here.quality, there.quality)


def test_a_point_between_two_boxes_goes_to_the_one_it_fits():
    shown = truth([[0, 0, 60, 60], [10, 10, 62, 62]], [0, 1])
    logits = torch.full((COUNT, CLASSES), -4.0)
    predicted = shown.boxes[torch.arange(COUNT) % 2]
    logits[torch.arange(COUNT), torch.arange(COUNT) % 2] = 2.0
    matched = Dsla().assign(POINTS, shown, logits, predicted).matched
    positive = (matched >= 0).nonzero()[:, 0]
    assert torch.equal(matched[positive], positive % 2)
    assert set(matched[positive].tolist()) == {0, 1}


def test_ignored_regions_are_left_out_where_predictions_lie_in_them():
    region = torch.tensor([[0.0, 0, 48, 64]])
    shown = truth([[56, 8, 90, 60]], ignored=region)
    logits = torch.zeros(COUNT, CLASSES)
    predicted = POINTS.boxes(torch.full((COUNT, 4), 0.5))
    with_them = Dsla(ignore_iof_thr=0.6).assign(POINTS, shown, logits, predicted).matched
    without = Dsla(ignore_iof_thr=-1).assign(POINTS, shown, logits, predicted).matched
    x, y = POINTS.positions.T
    assert (with_them[(x > 0) & (x < 48) & (y > 0)] == LEFT_OUT).all()
    assert torch.equal(with_them[x > 48], without[x > 48])
    assert (without >= 0).any() and not (without == LEFT_OUT).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
def test_predictions_that_are_no_numbers_are_assigned_somehow(value):
    """The loss is then none either, which ends the training with its line."""
    shown, logits, predicted = image(0, 4)
    for logit, box in ((value, None), (None, value), (value, value)):
        some_logits, some_boxes = logits.clone(), predicted.clone()
        if logit is not None:
            some_logits[::2] = logit
        if box is not None:
            some_boxes[::3] = box
        found = Dsla().assign(POINTS, shown, some_logits, some_boxes)
        assert ((found.matched >= NEGATIVE) & (found.matched < 4)).all()


def test_nanodet_plus_learns_these_numbers():
    """They are the original's, on outputs that need no file."""
    rng = np.random.default_rng(0)
    outputs = {}
    for name in ("main", "aux"):
        output = rng.normal(0, 1, (3, COUNT, CLASSES + 32)).astype(np.float32)
        output[..., :CLASSES] -= 3
        outputs[name] = torch.from_numpy(output).requires_grad_()
    truths = [image(1, 5)[0], truth(NONE), image(2, 2)[0]]
    losses = objective("plus", CLASSES)(outputs, truths, SIZE)
    sum(losses.values()).backward()
    norms = [output.grad.norm().item() for output in outputs.values()]
    expected = [0.279165, 1.521345, 0.646520, 0.392987, 1.513734, 0.589391]
    assert [loss.item() for loss in losses.values()] == pytest.approx(expected, rel=1e-5)
    assert norms == pytest.approx([0.103628, 0.142297], rel=1e-5)
