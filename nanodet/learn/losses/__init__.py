"""The losses of scores, boxes and edges, elementwise; weights and denominators are the objective's.

A loss of scores takes logits and qualities (P, C) and gives (P, C); one of boxes takes predicted and true
boxes (K, 4), xyxy in strides, and gives (K,); one of edges takes the values of a box code (K, channels)
and distances in strides (K, 4), at least 0 and below the code's largest, and gives (K,). Each section has
``loss_weight``, the factor in the sum of the losses.
"""

from nanodet.learn.losses import ciou, diou, distribution_focal, giou, iou_loss, quality_focal
from nanodet.model.part import Part

SCORE_LOSSES: dict[str, Part] = {
    "QualityFocalLoss": quality_focal.PART,
}
BOX_LOSSES: dict[str, Part] = {
    "GIoULoss": giou.PART,
    "IoULoss": iou_loss.PART,
    "DIoULoss": diou.PART,
    "CIoULoss": ciou.PART,
}
EDGE_LOSSES: dict[str, Part] = {
    "DistributionFocalLoss": distribution_focal.PART,
}
