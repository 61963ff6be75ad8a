"""Objectives of the two families, and what random outputs teach."""

import torch

from nanodet.learn.assigners.atss import Atss
from nanodet.learn.assigners.dsla import Dsla
from nanodet.learn.losses import BOX_LOSSES, EDGE_LOSSES, SCORE_LOSSES
from nanodet.learn.objective import Objective, Weighted
from nanodet.learn.targets import GroundTruth
from nanodet.model.box_codes.general import General

SIZE = (320, 320)
NONE = torch.zeros(0, 4)
NO_LABELS = torch.zeros(0, dtype=torch.int64)
STRIDES = {"m": (8, 16, 32), "plus": (8, 16, 32, 64)}


def objective(kind, classes=3, assigner=None):
    """Return the `Objective` of NanoDet-m ("m") or NanoDet-Plus ("plus") with its default losses."""
    losses = [
        Weighted(table[name].build(table[name].section()), table[name].section().loss_weight)
        for table, name in (
            (SCORE_LOSSES, "QualityFocalLoss"),
            (BOX_LOSSES, "GIoULoss"),
            (EDGE_LOSSES, "DistributionFocalLoss"),
        )
    ]
    assigner = assigner or (Atss() if kind == "m" else Dsla())
    offset = 0.5 if kind == "m" else 0.0
    return Objective(classes, STRIDES[kind], offset, General(7), assigner, *losses)


def random_outputs(kind, images=2, classes=3, seed=0):
    """Return outputs for `SIZE` that want gradients; of "plus" an auxiliary one, too."""
    generator = torch.Generator().manual_seed(seed)
    points = sum((SIZE[0] // stride) ** 2 for stride in STRIDES[kind])
    outputs = {}
    for name in ("main", "aux")[: 1 + (kind == "plus")]:
        output = torch.randn(images, points, classes + 32, generator=generator)
        output[..., :classes] -= 3
        outputs[name] = output.requires_grad_()
    return outputs


def truth(boxes, labels=None, ignored=NONE):
    """Return a `GroundTruth` of lists; every box has class 1 where no labels are given."""
    boxes = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.ones(len(boxes)) if labels is None else torch.as_tensor(labels)
    return GroundTruth(boxes, labels.long(), torch.as_tensor(ignored).float())
