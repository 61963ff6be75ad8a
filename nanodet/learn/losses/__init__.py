"""The losses of scores, boxes and edges, elementwise; weights and denominators are the objective's.

A loss of scores takes logits and qualities (P, C) and gives (P, C); one of boxes takes predicted and true
boxes (K, 4), xyxy in strides, and gives (K,); one of edges takes the values of a box code (K, channels)
and distances (K, 4) in the code's units, 0 to its ``target_max``, and gives (K,). Each section has
``loss_weight``, the factor in the sum of the losses.
"""

from nanodet.learn.losses import (
    ciou,
    diou,
    distribution_focal,
    focal,
    gaussian_kl,
    giou,
    iou_loss,
    l2_edges,
    l2_scores,
    quality_focal,
)
from nanodet.model.part import Part

SCORE_LOSSES: dict[str, Part] = {
    "QualityFocalLoss": quality_focal.PART,
    "FocalLoss": focal.PART,
    "L2Loss": l2_scores.PART,
}
BOX_LOSSES: dict[str, Part] = {
    "GIoULoss": giou.PART,
    "IoULoss": iou_loss.PART,
    "DIoULoss": diou.PART,
    "CIoULoss": ciou.PART,
}
EDGE_LOSSES: dict[str, Part] = {
    "DistributionFocalLoss": distribution_focal.PART,
    "EdgeL2Loss": l2_edges.PART,
    "GaussianKLLoss": gaussian_kl.PART,
}
