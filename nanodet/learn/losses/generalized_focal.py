"""Generalized Focal Loss (paper eq. 11), of which the losses of scores and distributions are special cases.

From "Generalized Focal Loss: Towards Efficient Representation Learning for Dense Object Detection"
(TPAMI 2023).
"""

from torch import Tensor


def generalized_focal_loss(
    log_left: Tensor,
    log_right: Tensor,
    target: Tensor,
    left: float = 0.0,
    right: float = 1.0,
    beta: float = 2.0,
) -> Tensor:
    """GFocal (eq. 11) of the probabilities of two values, whose mean is to be the target.

    ``-|y - (y_l p_l + y_r p_r)|^beta ((y_r - y) log p_l + (y - y_l) log p_r)``. Special cases:

    - Focal Loss (eq. 12): left 0, right 1, target 0 or 1;
    - Quality Focal Loss (eq. 13): left 0, right 1, target 0..1;
    - Distribution Focal Loss (eq. 14): two neighbouring bins, beta 0.

    It takes logarithms, because those of probabilities near 0 and 1 are only exact where they come from
    logits: ``logsigmoid(-x)`` and ``logsigmoid(x)``, or a ``log_softmax``.

    Args:
        log_left, log_right: (...), logarithms of p_l and p_r, <= 0 and finite; p_l + p_r = 1.
        target: (...), y, left <= y <= right.
        left, right: the values y_l < y_r.
        beta: how strongly easy examples are down-weighted, >= 0.

    Returns:
        (...), >= 0.
    """
    entropy = (left - target) * log_right - (right - target) * log_left
    if beta == 0:
        return entropy
    estimate = left * log_left.exp() + right * log_right.exp()
    distance = (target - estimate).abs()
    reached = distance == 0  # the loss is at its least; a power below 1 has an infinite slope there
    return distance.masked_fill(reached, 1).pow(beta).masked_fill(reached, 0) * entropy
