"""Whole batches are assigned as their images are one by one, in parts that fit into memory."""

import pytest
import torch
from objectives import SIZE, objective, random_outputs, truth

from nanodet.learn import targets
from nanodet.learn.assigners import atss, ignored
from nanodet.learn.assigners.assigner import Assigner
from nanodet.learn.points import level_points
from nanodet.learn.targets import LEFT_OUT, GroundTruth, GroundTruths, batch_targets

KINDS = ["m", "plus"]
BOXES = [
    [40.0, 40, 120, 200],
    [48, 48, 112, 192],
    [0, 0, 320, 320],
    [0, 0, 320, 320],
    [8, 8, 10, 10],
]
TRUTHS = [
    truth(BOXES, [0, 1, 2, 0, 1]),
    truth([]),
    truth(BOXES[2:], ignored=[[100.0, 100, 200, 300], [5, 5, 7, 7]]),
    truth([], ignored=[[0.0, 0, 160, 160]]),
    truth(BOXES[:1], [2]),
]


def matched(kind, truths, assign_batch=None):
    """Return the `Assignment` of truths with random outputs."""
    learns, outputs = objective(kind), random_outputs(kind, images=len(truths))
    points = level_points(SIZE, learns.strides, learns.point_offset, "cpu")
    found = learns.predict(outputs["aux" if kind == "plus" else "main"].detach())
    distances = learns.code.distances(found.edges.flatten(0, 1)).view(len(truths), -1, 4)
    boxes = points.boxes(distances)
    assign = assign_batch or type(learns.assigner).assign_batch
    return assign(learns.assigner, points, GroundTruths.of(truths), found.scores, boxes)


def equal(one, other):
    assert torch.equal(one.matched, other.matched)
    assert (one.quality is None) == (other.quality is None)
    assert one.quality is None or torch.equal(one.quality, other.quality)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_assigned_as_its_images_are(kind):
    """One by one, as assigners are that know single images only."""
    found = matched(kind, TRUTHS)
    equal(found, matched(kind, TRUTHS, Assigner.assign_batch))
    positives = (found.matched >= 0).sum(dim=1).tolist()
    assert positives[1] == positives[3] == 0 and min(positives[0], positives[2], positives[4]) > 0
    left_out = (found.matched == LEFT_OUT).any(dim=1).tolist()
    assert left_out == [False, False, True, True, False]
    of_batch = batch_targets(found, GroundTruths.of(TRUTHS))
    assert of_batch.counts.tolist() == positives and len(of_batch.positive) == sum(positives)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [1, 5000])
def test_parts_of_a_batch_give_what_the_whole_does(kind, most, monkeypatch):
    whole = matched(kind, TRUTHS)
    for module in (atss, ignored, targets):
        monkeypatch.setattr(module, "MOST_PAIRS", most)
    equal(matched(kind, TRUTHS), whole)


def test_parts_hold_whole_images_and_all_of_them(monkeypatch):
    truths = GroundTruths.of(TRUTHS)
    for most, expected in [(1, 5), (60, 2), (1000, 1)]:
        monkeypatch.setattr(targets, "MOST_PAIRS", most)
        parts = list(truths.parts(10))
        assert len(parts) == expected
        assert [i for images, _ in parts for i in range(5)[images]] == list(range(5))
        for images, boxes in parts:
            assert set(truths.images[boxes].tolist()) <= set(range(5)[images])
        assert sum(boxes.stop - boxes.start for _, boxes in parts) == len(truths.boxes)


@pytest.mark.parametrize("kind", KINDS)
def test_assignment_asks_the_device_for_no_value(kind):
    """On a GPU every such question would wait for all that it was given to do; "meta" has no values."""
    learns = objective(kind)
    truths = [GroundTruth(*(x.to("meta") for x in vars(one).values())) for one in TRUTHS]
    outputs = random_outputs(kind, images=len(TRUTHS))["main"].to("meta")
    points = level_points(SIZE, learns.strides, learns.point_offset, "meta")
    found = learns.assigner.assign_batch(
        points, GroundTruths.of(truths), outputs[..., :3], outputs[..., 3:7]
    )
    assert found.matched.shape == outputs.shape[:2]
