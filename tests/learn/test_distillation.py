"""Learning from a teacher: the losses, and a teacher's output at the points of a student."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objectives import SIZE, objective, random_outputs, truth

from nanodet.config.distill_section import Distill
from nanodet.learn.distillation import (
    distillation_losses,
    edge_divergence,
    map_distance,
    valuable_region,
)
from nanodet.learn.grids import Grid, at_points, counterparts, rebinned
from nanodet.learn.iou import diou
from nanodet.learn.lesson import lesson_of
from nanodet.learn.points import edge_distances, level_points
from nanodet.learn.targets import GroundTruths
from nanodet.model.box_codes.general import General

ALL = Distill("teacher.ckpt", box_weight=1, region_weight=1, score_weight=1, feature_weight=1)
M, PLUS = (8, 16, 32), (8, 16, 32, 64)
TWO = [truth([[40, 50, 140, 190], [160, 90, 210, 130]], [0, 2]), truth([[100, 20, 300, 300]])]


class Head:
    """What a lesson needs to know of a head."""

    def __init__(self, strides=M, offset=0.5, classes=3, code=None):
        self.num_classes, self.strides, self.point_offset = classes, strides, offset
        self.code = code or General(7)


def lesson(rows, head=None, student=None, size=SIZE, own_size=SIZE, classes=None, maps=()):
    head = head or Head()
    classes = [(n, n) for n in range(head.num_classes)] if classes is None else classes
    return lesson_of(rows, maps, head, size, student or Head(), own_size, classes, True)


def losses(rows, said, section=ALL, maps=(), left_out=None):
    own = objective("m")
    targets = dataclasses.replace(
        own.targets({"main": rows.detach()}, TWO, SIZE), left_out=left_out
    )
    return distillation_losses(rows, said, section, own, targets, TWO, SIZE, maps)


logits = st.lists(st.floats(-20, 20), min_size=8, max_size=8)


@given(logits, logits, st.floats(0.5, 50))
@settings(deadline=None)
def test_the_divergence_is_that_of_the_softened_distributions(own, wanted, temperature):
    own = torch.tensor(own, dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor(wanted, dtype=torch.float64)
    p, q = (wanted / temperature).softmax(0), (own / temperature).softmax(0)
    found = edge_divergence(own, wanted, temperature)
    assert found.item() == pytest.approx(
        temperature**2 * float((p * (p / q).log()).sum().detach()), rel=1e-6, abs=1e-9
    )
    assert found >= -1e-9
    found.backward()
    assert torch.allclose(own.grad, temperature * (q - p), atol=1e-9)
    same = own.detach().clone().requires_grad_()
    nothing = edge_divergence(same, same.detach() + 3, temperature)  # a shift changes no softmax
    nothing.backward()
    assert nothing.abs() < 1e-9 and same.grad.abs().max() < 1e-9


def test_maps_that_differ_in_mean_and_deviation_are_alike():
    maps = torch.randn(2, 5, 4, 6)
    moved = maps * torch.rand(1, 5, 1, 1).add(0.5) + torch.randn(1, 5, 1, 1)
    assert map_distance(maps, moved) < 1e-4
    assert map_distance(maps, -maps).item() == pytest.approx(2, abs=1e-3)
    assert map_distance(maps[:1, :, :1, :1], maps[1:, :, :1, :1]) == 0


def test_a_teacher_that_is_the_student_teaches_nothing():
    rows = random_outputs("m")["main"]
    maps = [torch.randn(2, 6, *Grid(SIZE, M, 0.5).shape(i)) for i in range(3)]
    said = lesson(rows.detach(), maps=maps)
    assert said.known.all() and said.levels == [0, 1, 2]
    found = losses(rows, said, maps=maps)
    assert set(found) == {f"distill_{one}" for one in ("box", "region", "score", "feature")}
    assert all(abs(value.item()) < 1e-5 for value in found.values()), found
    sum(found.values()).backward()
    assert rows.grad.abs().max() < 1e-6


def test_edges_are_learned_where_the_teacher_has_the_better_box():
    rows = random_outputs("m")["main"]
    own = objective("m")
    targets = own.targets({"main": rows.detach()}, TWO, SIZE)
    points = level_points(SIZE, M, 0.5, "cpu")
    at = targets.positive % len(points.strides)
    sides = edge_distances(points.positions[at], targets.boxes) / points.strides[at, None]
    exact = rows.detach().clone()
    bins = -20 * (sides.clamp(0, 7)[..., None] - torch.arange(8)).abs()
    exact.flatten(0, 1)[targets.positive, 3:] = bins.flatten(1)
    section = dataclasses.replace(ALL, region_weight=0, score_weight=0, feature_weight=0)
    assert losses(rows, lesson(exact), section)["distill_box"] > 1
    assert losses(exact, lesson(rows.detach()), section)["distill_box"] == 0


def test_what_has_no_weight_is_left_out_and_each_teaches_its_own_part():
    rows = random_outputs("m")["main"]
    said = lesson(random_outputs("m", seed=1)["main"].detach())
    for name, part in (("box", slice(3, None)), ("region", slice(3, None)), ("score", slice(3))):
        alone = {f"{one}_weight": float(one == name) for one in ("box", "region", "score")}
        section = dataclasses.replace(ALL, **alone, feature_weight=0)
        found = losses(rows, said, section)
        assert list(found) == [f"distill_{name}"] and found[f"distill_{name}"] > 0
        rows.grad = None
        found[f"distill_{name}"].backward()
        taught = rows.grad.abs().amax(dim=(0, 1)) > 0
        assert taught[part].all() and taught.sum() == taught[part].sum()


def test_only_what_the_teacher_knows_and_what_is_trained_is_learned():
    rows = random_outputs("m")["main"]
    count = rows.shape[1]
    said = lesson(random_outputs("m", seed=1)["main"].detach())
    torch.manual_seed(0)
    known, left_out = torch.rand(count) > 0.3, torch.rand(2, count) > 0.7
    reached = torch.rand(2, count, 4) > 0.3
    positive = objective("m").targets({"main": rows.detach()}, TWO, SIZE).positive
    left_out.view(-1)[positive] = False  # as the assigner leaves them
    said = said._replace(known=known, reached=reached)
    sum(losses(rows, said, left_out=left_out.flatten()).values()).backward()
    scores, edges = rows.grad[..., :3], rows.grad[..., 3:].unflatten(2, (4, 8)).abs().amax(dim=3)
    used = known & ~left_out
    assert torch.equal(scores.abs().amax(dim=2) > 0, used)
    assert not edges[~reached].any() and not edges[~used].any() and edges[used].any()
    elsewhere = torch.zeros_like(left_out).view(-1).index_fill(0, positive, True).view_as(used)
    assert edges[elsewhere].any() and edges[~elsewhere].any()  # of boxes, and of the region


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.25])
def test_a_box_without_positives_has_no_region(share):
    own = objective("m")
    targets, points = (
        own.targets({"main": random_outputs("m")["main"].detach()}, TWO, SIZE),
        level_points(SIZE, M, 0.5, "cpu"),
    )
    half = points.strides[:, None] * 2.5
    cells = torch.cat((points.positions - half, points.positions + half), dim=1)
    mine = targets.owners != 1
    without = dataclasses.replace(
        targets,
        positive=targets.positive[mine],
        owners=targets.owners[mine],
        boxes=targets.boxes[mine],
    )
    owners = valuable_region(cells, without, GroundTruths.of(TWO), share)
    assert not (owners == 1).any() and (owners == 0).any() and (owners == 2).any()


def test_no_region_where_the_worst_positive_is_apart_from_its_box():
    own = objective("m")
    targets = own.targets({"main": random_outputs("m")["main"].detach()}, TWO, SIZE)
    points = level_points(SIZE, M, 0.5, "cpu")
    half = points.strides[:, None] * 2.5
    cells = torch.cat((points.positions - half, points.positions + half), dim=1)
    far = diou(cells, TWO[0].boxes[0]).argmin()
    apart = dataclasses.replace(
        targets,
        positive=torch.cat((targets.positive, far[None])),
        owners=torch.cat((targets.owners, targets.owners.new_zeros(1))),
        boxes=torch.cat((targets.boxes, TWO[0].boxes[:1])),
    )
    owners = valuable_region(cells, apart, GroundTruths.of(TWO), 0.25)
    assert not (owners == 0).any() and (owners == 2).any()


def test_the_region_lies_around_the_positives():
    own = objective("m")
    rows = random_outputs("m")["main"].detach()
    targets, points = own.targets({"main": rows}, TWO, SIZE), level_points(SIZE, M, 0.5, "cpu")
    half = points.strides[:, None] * 2.5
    cells = torch.cat((points.positions - half, points.positions + half), dim=1)
    sizes = []
    for share in (1.0, 0.5, 0.25, 0.0):
        owners = valuable_region(cells, targets, GroundTruths.of(TWO), share)
        region = owners >= 0
        assert not region[targets.positive].any()
        sizes.append(int(region.sum()))
        for at in region.nonzero().squeeze(1).tolist():  # slowly
            image, point = divmod(at, len(cells))
            good = []
            own = diou(cells[point], TWO[image].boxes)
            assert (
                owners[at] == own.argmax() + 2 * image or own[owners[at] - 2 * image] == own.max()
            )
            for n, box in enumerate(TWO[image].boxes):
                mine = targets.positive[targets.owners == n + 2 * image] % len(cells)
                least = min(diou(cells[p], box) for p in mine)
                good.append(least > 0 and diou(cells[point], box) >= share * least - 1e-6)
            assert any(good)
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_diou():
    a = torch.tensor([0.0, 0, 2, 2])
    assert diou(a, a) == 1
    # apart: centres 3, around both 5 x 2
    assert diou(a, a + torch.tensor([3.0, 0, 3, 0])).item() == pytest.approx(-9 / 29)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (Grid((320, 320), M, 0.5), Grid((320, 320), PLUS, 0.0), [0, 1, 2]),
        (Grid((320, 320), PLUS, 0.0), Grid((320, 320), M, 0.5), [0, 1, 2, None]),
        (Grid((320, 320), M, 0.5), Grid((640, 640), PLUS, 0.5), [1, 2, 3]),
        (Grid((320, 320), M, 0.5), Grid((640, 640), M, 0.5), [1, 2, None]),
        (Grid((320, 320), M, 0.5), Grid((416, 416), M, 0.5), [0, 1, 2]),
        (Grid((320, 320), M, 0.5), Grid((96, 96), M, 0.5), [None, None, 0]),
    ],
)
def test_levels_match_where_points_are_as_far_apart(own, other, expected):
    assert counterparts(own, other) == expected


def test_a_teacher_at_twice_the_size_has_our_points_on_its_next_level():
    own, other = Grid((64, 64), (8,), 0.5), Grid((128, 128), (8, 16), 0.5)
    values = torch.arange(64.0).view(1, 1, 8, 8)
    found, within = at_points(values, own, 0, other, 1)
    assert found is values and within.all()
    # an edge 16 of our pixels away: bin 2 of the student, and of the teacher, 32 of its pixels
    rows = torch.zeros(1, 256 + 64, 1 + 32)
    rows[:, 256:, 1:].view(1, 64, 4, 8)[..., 2] = 9
    said = lesson(
        rows, Head((8, 16), classes=1), Head((8,), classes=1), (128, 128), (64, 64), [(0, 0)]
    )
    assert torch.equal(said.edges, rows[:, 256:, 1:].unflatten(2, (4, 8)))
    assert said.reached.all() and said.known.all()


def test_a_point_between_four_of_the_teacher():
    own, other = Grid((32, 32), (8,), 0.5), Grid((32, 32), (8,), 0.0)
    columns = torch.arange(4.0).expand(1, 1, 4, 4)
    found, within = at_points(columns, own, 0, other, 0)
    assert torch.allclose(found[0, 0, 0, :3], torch.tensor([0.5, 1.5, 2.5]))
    assert within.tolist() == [[True, True, True, False]] * 3 + [[False] * 4]
    # the logits of a normal distribution around 3 and 4 strides: between them, around 3.5, as wide
    bins = torch.arange(8.0)
    near, far = (-((bins - centre) ** 2) for centre in (3.0, 4.0))
    maps = torch.stack((near, far))[None].transpose(1, 2)[:, :, None].expand(1, 8, 4, 2)
    found, _ = at_points(maps.repeat(1, 1, 1, 2), own, 0, other, 0)
    assert torch.allclose(
        found[0, :, 1, 0].softmax(0), (-((bins - 3.5) ** 2)).softmax(0), atol=1e-5
    )


def test_bins_that_lie_elsewhere():
    edges = torch.tensor([0.0, 1, 4, 2]).expand(2, 4, 4)
    assert rebinned(edges, [1.0] * 4, 4) is edges
    found = rebinned(edges, [0.5, 1.0, 2.0, 1.0], 5)
    assert found[0, 0].tolist() == [0, 0.5, 1, 2.5, 4]
    assert found[0, 1].tolist() == [0, 1, 4, 2, 0]  # no such bin: the lowest
    assert found[0, 2].tolist() == [0, 4, 0, 0, 0]


def test_other_bins_and_other_classes_of_a_teacher():
    teacher, student = Head(classes=5, code=General(8, 0.5)), Head()
    rows = torch.randn(2, 2100, 5 + teacher.code.channels)
    said = lesson(rows, teacher, student, classes=[(0, 4), (2, 1)])
    assert torch.equal(said.scores, rows[..., [4, 1]])
    assert said.classes.tolist() == [0, 2]
    assert torch.equal(said.edges, rows[..., 5:].unflatten(2, (4, 17))[..., 0:15:2])
    # an edge at 8 strides is none that a student with bins to 7 can learn
    rows[..., 5:].unflatten(2, (4, 17))[..., 16] = 99
    assert not lesson(rows, teacher, student, classes=[(0, 4)]).reached.any()


def test_points_without_a_teacher_learn_nothing():
    rows = random_outputs("m")["main"]
    small = Grid((96, 96), M, 0.5)
    count = sum(h * w for h, w in (small.shape(i) for i in range(3)))
    said = lesson(torch.randn(2, count, 35), size=(96, 96))
    assert not said.known[:2000].any() and said.known[2000:].any()
    sum(losses(rows, said).values()).backward()
    assert not rows.grad[:, :2000].any() and rows.grad[:, 2000:].any()
