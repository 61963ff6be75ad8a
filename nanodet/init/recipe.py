"""The training recipe for a few hundred to a few thousand images: every number of it.

Whoever tunes it changes this file alone; `nanodet.init.text` writes the values into a config.
"""

from dataclasses import dataclass, field
from typing import Any

VALIDATION = 0.2  # share of the images to evaluate on, if the data has no split
SEED = 0  # of the split, and of the training

# input size
SMALLEST = 8  # pixels that the shorter side of a box should have in the network's input
SHARE = 0.95  # of the boxes that should have them
PUBLISHED = (320, 416)  # sides of the squares whose areas the models were published for
LEAST_SIDE = 128  # of the input, for images that are smaller than the published sizes

PRECISION = "auto"  # half precision where it is faster: on CPUs in small batches

# batch
BATCH_CPU, BATCH_GPU = 8, 32  # images; more steps of fewer images reach an AP sooner on a CPU
LEAST_OBJECTS = 16  # of a CPU's batch: if it has fewer, it has twice as many images
LEAST_STEPS = 4  # of an epoch: smaller sets get smaller batches
TRAINING_BYTES = 800  # memory for each pixel of a batch, about what a NanoDet-Plus-m-1.5x needs
CACHE_SHARE = 0.3  # of the free memory, that decoded images may take


@dataclass(frozen=True)
class Recipe:
    """The values for one training.

    Attributes:
        epochs: passes over the images.
        lr, lr_end: AdamW's learning rate after the warm-up and at the end of the cosine.
        weight_decay: AdamW's.
        warmup_steps, warmup_ratio: linear, from ``warmup_ratio * lr``.
        ema_decay, ema_ramp: of the average of the weights: its decay, and the steps in which it rises.
        grad_clip: largest norm of the gradient.
        val_intervals: epochs between evaluations.
        log_interval: batches between rows of the log.
        detach_epoch: NanoDet-Plus: from then on the auxiliary head does not affect the rest.
        pipeline: augmentation, keys of a config's ``data.train.pipeline``.
    """

    epochs: int
    lr: float
    lr_end: float
    weight_decay: float
    warmup_steps: int
    warmup_ratio: float
    ema_decay: float
    ema_ramp: int
    grad_clip: float
    val_intervals: int
    log_interval: int
    detach_epoch: int
    pipeline: dict[str, Any] = field(hash=False)


def recipe(images: int, batch: int, fine_tuned: bool) -> Recipe:
    """Return the recipe.

    Args:
        images: to train on.
        batch: images in a batch.
        fine_tuned: whether the training starts from a trained detector, and not from random or ImageNet
            weights, which need longer.
    """
    per_epoch = -(-images // batch)
    epochs = _epochs(per_epoch, fine_tuned)
    steps = per_epoch * epochs
    lr = round(0.001 * (batch / 16) ** 0.5, 6)  # as the noise of Adam's steps falls with the batch
    return Recipe(
        epochs=epochs,
        lr=lr,
        lr_end=round(lr / 50, 8),
        weight_decay=0.05,
        # short ones spoil the trained weights: 30 steps instead of 50 cost the raccoons 3 points
        warmup_steps=min(50, max(steps // 6, 1)),
        warmup_ratio=0.01,
        # the average is over the last 1 / (1 - decay) steps, which must be a small part of all
        ema_decay=round(min(0.998, 1 - 1 / max(steps / 10, 10)), 4),
        ema_ramp=50,  # the average is the better network after a few epochs already
        grad_clip=35,
        val_intervals=max(epochs // 10, 1),
        log_interval=min(10, per_epoch),
        detach_epoch=min(10, max(epochs // 3, 1)),
        pipeline=augmentation(),
    )


def _epochs(per_epoch: int, fine_tuned: bool) -> int:
    """Return the number of epochs: so many steps, but not too few looks at each image."""
    steps, least, most = (300, 22, 100) if fine_tuned else (4500, 40, 300)
    return min(max(round(steps / per_epoch), least), most)


def augmentation() -> dict[str, Any]:
    """Return ``data.train.pipeline``."""
    return {
        "scale": [0.6, 1.4],
        "stretch": [[0.9, 1.1], [0.9, 1.1]],
        "translate": 0.2,
        "flip": 0.5,
        "brightness": 0.2,
        "contrast": [0.7, 1.3],
        "saturation": [0.6, 1.3],
    }
