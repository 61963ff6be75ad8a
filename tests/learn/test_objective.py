"""Assignment and losses of whole batches, against the original's and in corner cases."""

import numpy as np
import pytest
import torch
from objectives import NONE, SIZE, objective, random_outputs, truth

from nanodet.config import load_config
from nanodet.learn.assigners.atss import Atss
from nanodet.learn.objective import build_objective
from nanodet.learn.points import level_points
from nanodet.learn.targets import LEFT_OUT, NEGATIVE, GroundTruth
from nanodet.model.network import build_network

KINDS = ["m", "plus"]
LOSSES = ("loss_qfl", "loss_bbox", "loss_dfl")
FILES = {
    "m": ("nanodet-m_320_losses.npz", "nanodet-m.yml", ["model.arch.head.ignore_iof_thr=-1"]),
    "plus": ("zoo/nanodet-plus-m_320_losses.npz", "nanodet-plus-m_320.yml", []),
}


@pytest.fixture(scope="module", params=KINDS)
def reference(request, shared, root):
    """What the original does: "m" or "plus", its arrays, and the objective of our config."""
    file, config, overrides = FILES[request.param]
    arch = load_config(root / "config" / config, overrides).model.arch
    learns = build_objective(build_network(arch), arch)
    return request.param, np.load(shared / "reference" / file), learns


@pytest.mark.parametrize("batch", ["a", "b"])
def test_assignment_losses_and_gradients_equal_the_originals(reference, batch):
    kind, arrays, learns = reference

    def per_image(name):
        return [torch.from_numpy(arrays[f"{batch}_{name}{i}"]) for i in range(3)]

    if kind == "m":
        names = {"main": ("preds", "grad_positive", "grad_norm")}
    else:
        names = {
            one: (f"{batch}_{one}", f"grad_{one}_positive", f"grad_{one}_norm")
            for one in ("main", "aux")
        }
    outputs = {
        one: torch.from_numpy(arrays[name]).requires_grad_() for one, (name, *_) in names.items()
    }
    points = outputs["main"].shape[1]
    truths = [
        GroundTruth(*one, NONE) for one in zip(per_image("boxes"), per_image("labels"), strict=True)
    ]
    targets = learns.targets(outputs, truths, SIZE)
    expected = torch.cat([p + i * points for i, p in enumerate(per_image("positive"))])
    assert torch.equal(targets.positive, expected)
    assert torch.equal(targets.labels, torch.cat(per_image("positive_label")))
    assert torch.equal(targets.boxes, torch.cat(per_image("positive_box")))
    if kind == "plus":
        expected = torch.cat(per_image("positive_quality"))
        np.testing.assert_allclose(targets.quality, expected, rtol=0, atol=2e-6)

    losses = learns(outputs, truths, SIZE)
    assert list(losses) == [*LOSSES, *(f"aux_{name}" for name in LOSSES)][: 3 * len(outputs)]
    found = [loss.item() for loss in losses.values()]
    np.testing.assert_allclose(found, arrays[f"{batch}_losses"], rtol=1e-4)
    sum(losses.values()).backward()
    for one, (_, rows, norm) in names.items():
        gradient = outputs[one].grad
        expected = (
            torch.from_numpy(arrays[f"{batch}_{rows}"])
            if kind == "plus"
            else torch.cat(per_image(rows))
        )
        difference = gradient.flatten(0, 1)[targets.positive] - expected
        assert difference.abs().max() <= 1e-4 * expected.abs().max()
        expected = float(arrays[f"{batch}_{norm}"])
        assert gradient.norm().item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_without_boxes_teaches_the_background(kind):
    outputs = random_outputs(kind)
    losses = objective(kind)(outputs, [truth(NONE)] * 2, SIZE)
    for name, loss in losses.items():
        assert torch.isfinite(loss)
        assert loss > 0 if name.endswith("qfl") else loss == 0
    sum(losses.values()).backward()
    for output in outputs.values():
        assert torch.isfinite(output.grad).all()
        assert (output.grad[..., :3] > 0).all()  # every class score is pushed down
        assert (output.grad[..., 3:] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_regions_teach_nothing(kind):
    learns, outputs = objective(kind), random_outputs(kind, images=1)
    region = torch.tensor([[0.0, 0, 320, 160]])
    sum(learns(outputs, [truth(NONE, ignored=region)], SIZE).values()).backward()
    points = level_points(SIZE, learns.strides, learns.point_offset, "cpu").positions
    for output in outputs.values():
        silent = (output.grad[0, :, :3] == 0).all(dim=1)
        assert silent.any()
        # cells reach two and a half strides beyond their point, hence the band between
        assert not silent[points[:, 1] > 240].any()
        deep = (points[:, 1] > 0) & (points[:, 1] < 80) & (points[:, 0] > 80) & (points[:, 0] < 240)
        assert silent[deep].all()


def test_a_region_smaller_than_any_cell_is_left_out_too():
    points = level_points(SIZE, (8, 16, 32), 0.5, "cpu")
    region = torch.tensor([[100.0, 100, 112, 112]])
    matched = Atss(ignore_iof_thr=0.5).assign(points, truth(NONE, ignored=region)).matched
    silent = points.positions[matched == LEFT_OUT]
    assert len(silent)
    assert ((silent > 100) & (silent < 112)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_does_not_reach_the_losses(kind):
    learns, outputs = objective(kind), random_outputs(kind, images=1)
    truths = [truth([[10, 10, 200, 200]])]
    plain = learns(outputs, truths, SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = learns(outputs, truths, SIZE)
    for name in plain:
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == plain[name].item()


def test_an_explicit_minus_one_keeps_the_originals_behaviour():
    points = level_points((8, 8), (8,), 0.5, "cpu")
    one = truth(NONE, ignored=torch.tensor([[-16.0, -16, 320, 320]]))
    assert Atss(ignore_iof_thr=-1).assign(points, one).matched.tolist() == [NEGATIVE]
    assert Atss(ignore_iof_thr=0.5).assign(points, one).matched.tolist() == [LEFT_OUT]


def test_a_box_is_learned_inside_itself_by_the_level_of_its_size():
    points = level_points(SIZE, (8, 16, 32), 0.5, "cpu")
    boxes = torch.tensor([[100.0, 100, 140, 140], [20, 20, 300, 300]])
    matched = Atss().assign(points, truth(boxes)).matched
    for i, box in enumerate(boxes):
        chosen = points.positions[matched == i]
        assert len(chosen)
        assert (chosen > box[:2]).all()
        assert (chosen < box[2:]).all()
    # the cell of stride 8 measures 40 pixels, that of stride 32 160
    assert set(points.strides[matched == 0].tolist()) == {8.0}
    assert 32.0 in set(points.strides[matched == 1].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_losses_do_not_depend_on_the_order_of_boxes(kind):
    learns, outputs = objective(kind), random_outputs(kind, images=1)
    boxes = torch.tensor([[10.0, 10, 60, 90], [100, 50, 250, 200], [30, 200, 90, 280]])
    labels = torch.tensor([0, 1, 2])
    order = torch.tensor([2, 0, 1])
    results = []
    for some_boxes, some_labels in ((boxes, labels), (boxes[order], labels[order])):
        losses = learns(outputs, [truth(some_boxes, some_labels)], SIZE)
        results.append([v.item() for v in losses.values()])
    assert results[0] == pytest.approx(results[1], rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_huge_logits_stay_finite(kind):
    outputs = {
        name: (output.detach() * 1e4).requires_grad_()
        for name, output in random_outputs(kind, images=1).items()
    }
    loss = sum(objective(kind)(outputs, [truth([[10, 10, 200, 200]])], SIZE).values())
    loss.backward()
    assert torch.isfinite(loss)
    for output in outputs.values():
        assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_losses_fall_on_the_way_to_the_target(kind):
    """What is learned from a batch is learned: the losses of a few steps on its output."""
    learns, outputs = objective(kind), random_outputs(kind)
    truths = [truth([[10, 10, 120, 90], [150, 100, 310, 300]], [0, 2]), truth(NONE)]
    optimiser = torch.optim.Adam(outputs.values(), lr=0.3)
    history = []
    for _ in range(40):
        losses = learns(outputs, truths, SIZE)
        history.append([loss.item() for loss in losses.values()])
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    for first, last in zip(history[0], history[-1], strict=True):
        assert last < 0.6 * first
