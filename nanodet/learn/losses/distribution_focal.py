"""Distribution Focal Loss: trains distributions of edges that are narrow around the ground truth.

From "Generalized Focal Loss: Towards Efficient Representation Learning for Dense Object Detection"
(TPAMI 2023).
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import MUCH, key
from nanodet.learn.losses.generalized_focal import generalized_focal_loss
from nanodet.model.part import Part


@dataclass
class Section:
    name: str = key("DistributionFocalLoss", "the loss of the edges' distributions")
    loss_weight: float = key(0.25, "its factor in the sum of the losses", 0, MUCH)


def distribution_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Distribution Focal Loss (eq. 10): cross entropy with the two bins around the target.

    Args:
        logits: (N, n + 1), the edge's distribution before softmax.
        target: (N,), distance in spacings of the bins, 0 <= target < n.

    Returns:
        (N,), >= 0.
    """
    left = target.long()
    log_p = F.log_softmax(logits, dim=-1)
    log_left = log_p.gather(-1, left[:, None]).squeeze(-1)
    log_right = log_p.gather(-1, left[:, None] + 1).squeeze(-1)
    return generalized_focal_loss(log_left, log_right, target - left, beta=0)  # eq. 14


def mean_over_edges(raw: Tensor, distances: Tensor) -> Tensor:
    """Return the mean of the losses of a point's four edges.

    Args:
        raw: (K, 4 (n + 1)), values of the box code `General`.
        distances: (K, 4) left, top, right, bottom in spacings of the bins, 0 <= distance < n.

    Returns:
        (K,), >= 0.
    """
    bins = raw.reshape(-1, raw.shape[1] // 4)
    return distribution_focal_loss(bins, distances.flatten()).view(-1, 4).mean(dim=1)


PART = Part(Section, lambda section: mean_over_edges)
