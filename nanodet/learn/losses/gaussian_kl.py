"""The loss of normally distributed edges (He et al., CVPR 2019; paper Table 1)."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from nanodet.config.keys import MUCH, key
from nanodet.model.part import Part

# of the log variance in squared strides, a standard deviation of 0.7 % of a stride: boxes are not
# annotated more precisely, and a variance near 0 would make the loss of an edge arbitrarily large
LEAST_LOG_VARIANCE = -10.0


@dataclass
class Section:
    name: str = key(
        "GaussianKLLoss",
        "the loss of the edges of the box code Gaussian: (x - y)^2 / (2 variance) + log(variance) / 2",
        ours=True,
    )
    loss_weight: float = key(0.25, "its factor in the sum of the losses", 0, MUCH)


def gaussian_kl_loss(raw: Tensor, distances: Tensor) -> Tensor:
    """Return the mean of ``(x - y)^2 / (2 s^2) + log(s^2) / 2`` of a point's four edges.

    That is the Kullback-Leibler divergence of the normal distribution (x, s^2) from the ground truth y,
    without its constants; it may be negative. Its minimum is at x = y and, for a given x, at
    s^2 = (x - y)^2.

    Args:
        raw: (K, 8), values of the box code `Gaussian`: x is the softplus of the first four, log s^2 the
            others, at least `LEAST_LOG_VARIANCE`.
        distances: (K, 4) left, top, right, bottom in strides, y >= 0.

    Returns:
        (K,).
    """
    mean, log_variance = raw.split(4, dim=1)
    log_variance = log_variance.clamp(min=LEAST_LOG_VARIANCE)
    error = (F.softplus(mean) - distances).square()
    return (error * (-log_variance).exp() + log_variance).mean(dim=1) / 2


PART = Part(Section, lambda section: gaussian_kl_loss)
