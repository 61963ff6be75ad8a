"""Assignment and losses of whole batches, against the original's and in corner cases."""

import numpy as np
import pytest
import torch

from nanodet.model.assigner import LEFT_OUT, NEGATIVE, assign_atss, cells_around, level_points
from nanodet.model.criterion import Criterion

SIZE = (320, 320)
NONE = torch.zeros(0, 4)


@pytest.fixture(scope="module")
def reference(shared):
    return np.load(shared / "reference" / "nanodet-m_320_losses.npz")


@pytest.mark.parametrize("batch", ["a", "b"])
def test_assignment_losses_and_gradients_equal_the_originals(reference, batch):
    def per_picture(name):
        return [torch.from_numpy(reference[f"{batch}_{name}{i}"]) for i in range(3)]

    criterion = Criterion(num_classes=80, ignore_iof_thr=-1)
    output = torch.from_numpy(reference["preds"]).requires_grad_()
    points = output.shape[1]
    targets = criterion.targets(
        per_picture("boxes"), per_picture("labels"), [NONE] * 3, SIZE, "cpu"
    )
    expected = torch.cat([p + i * points for i, p in enumerate(per_picture("positive"))])
    assert torch.equal(targets.positive, expected)
    assert torch.equal(targets.labels, torch.cat(per_picture("positive_label")))
    assert torch.equal(targets.boxes, torch.cat(per_picture("positive_box")))
    losses = criterion(output, targets, SIZE)
    found = [losses[name].item() for name in ("loss_qfl", "loss_bbox", "loss_dfl")]
    np.testing.assert_allclose(found, reference[f"{batch}_losses"], rtol=1e-4)
    sum(losses.values()).backward()
    gradient = output.grad.flatten(0, 1)[targets.positive]
    expected = torch.cat(per_picture("grad_positive"))
    assert (gradient - expected).abs().max() <= 1e-4 * expected.abs().max()
    assert output.grad.norm().item() == pytest.approx(
        float(reference[f"{batch}_grad_norm"]), rel=1e-4
    )


def criterion_and_output(seed=0, pictures=2):
    torch.manual_seed(seed)
    output = torch.randn(pictures, 2100, 3 + 32)
    output[..., :3] -= 3
    return Criterion(num_classes=3), output.requires_grad_()


def test_a_batch_without_boxes_teaches_the_background():
    criterion, output = criterion_and_output()
    labels = torch.zeros(0, dtype=torch.int64)
    targets = criterion.targets([NONE] * 2, [labels] * 2, [NONE] * 2, SIZE, "cpu")
    losses = criterion(output, targets, SIZE)
    assert losses["loss_qfl"] > 0
    assert losses["loss_bbox"] == losses["loss_dfl"] == 0
    sum(losses.values()).backward()
    gradient = output.grad
    assert torch.isfinite(gradient).all()
    assert (gradient[..., :3] > 0).all()  # every class score is pushed down
    assert (gradient[..., 3:] == 0).all()


def test_ignored_regions_teach_nothing():
    criterion, output = criterion_and_output(pictures=1)
    region = torch.tensor([[0.0, 0, 320, 160]])
    labels = torch.zeros(0, dtype=torch.int64)
    targets = criterion.targets([NONE], [labels], [region], SIZE, "cpu")
    sum(criterion(output, targets, SIZE).values()).backward()
    points, _, _ = level_points(SIZE, criterion.strides, 0.5, "cpu")
    silent = (output.grad[0, :, :3] == 0).all(dim=1)
    assert silent.any()
    # cells reach two and a half strides beyond their point, hence the band between
    assert not silent[points[:, 1] > 240].any()
    deep = (points[:, 1] < 80) & (points[:, 0] > 80) & (points[:, 0] < 240)
    assert silent[deep].all()


def test_a_region_smaller_than_any_cell_is_left_out_too():
    points, units, counts = level_points(SIZE, (8, 16, 32), 0.5, "cpu")
    cells = cells_around(points, units, 5)
    region = torch.tensor([[100.0, 100, 112, 112]])
    silent = points[assign_atss(cells, counts, NONE, region, ignore_iof_thr=0.5) == LEFT_OUT]
    assert len(silent)
    assert ((silent > 100) & (silent < 112)).all()


def test_autocast_does_not_reach_the_losses():
    criterion, output = criterion_and_output(pictures=1)
    boxes, labels = [torch.tensor([[10.0, 10, 200, 200]])], [torch.tensor([1])]
    targets = criterion.targets(boxes, labels, [NONE], SIZE, "cpu")
    plain = criterion(output, targets, SIZE)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = criterion(output, targets, SIZE)
    for name in plain:
        assert mixed[name].dtype == torch.float32
        assert mixed[name].item() == plain[name].item()


def test_an_explicit_minus_one_keeps_the_originals_behaviour():
    cells = torch.tensor([[0.0, 0, 40, 40]])
    region = torch.tensor([[0.0, 0, 320, 320]])
    assert assign_atss(cells, [1], NONE, region, ignore_iof_thr=-1).tolist() == [NEGATIVE]
    assert assign_atss(cells, [1], NONE, region, ignore_iof_thr=0.5).tolist() == [LEFT_OUT]


def test_a_box_is_learned_inside_itself_by_the_level_of_its_size():
    points, units, counts = level_points(SIZE, (8, 16, 32), 0.5, "cpu")
    cells = cells_around(points, units, 5)
    boxes = torch.tensor([[100.0, 100, 140, 140], [20, 20, 300, 300]])
    assigned = assign_atss(cells, counts, boxes, NONE)
    for i, box in enumerate(boxes):
        chosen = points[assigned == i]
        assert len(chosen)
        assert (chosen > box[:2]).all()
        assert (chosen < box[2:]).all()
    # the cell of stride 8 measures 40 pixels, that of stride 32 160
    assert set(units[assigned == 0].tolist()) == {8.0}
    assert 32.0 in set(units[assigned == 1].tolist())


def test_losses_do_not_depend_on_the_order_of_boxes():
    criterion, output = criterion_and_output(pictures=1)
    boxes = torch.tensor([[10.0, 10, 60, 90], [100, 50, 250, 200], [30, 200, 90, 280]])
    labels = torch.tensor([0, 1, 2])
    order = torch.tensor([2, 0, 1])
    results = []
    for some_boxes, some_labels in ((boxes, labels), (boxes[order], labels[order])):
        targets = criterion.targets([some_boxes], [some_labels], [NONE], SIZE, "cpu")
        results.append([v.item() for v in criterion(output, targets, SIZE).values()])
    assert results[0] == pytest.approx(results[1], rel=1e-6)


def test_huge_logits_stay_finite():
    criterion, output = criterion_and_output(pictures=1)
    output = (output.detach() * 1e4).requires_grad_()
    targets = criterion.targets(
        [torch.tensor([[10.0, 10, 200, 200]])], [torch.tensor([1])], [NONE], SIZE, "cpu"
    )
    loss = sum(criterion(output, targets, SIZE).values())
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(output.grad).all()
