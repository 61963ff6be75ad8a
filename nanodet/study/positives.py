"""Predicted scores and true IoU at the positives of a validation set (paper Table 10, Fig. 2b)."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from nanodet.config.data_sections import Dataset
from nanodet.config.schema import Config
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import Batch, build_loader
from nanodet.data.records import Annotations
from nanodet.files import StrPath
from nanodet.learn.iou import overlap
from nanodet.learn.objective import MAIN, Objective, build_objective
from nanodet.learn.points import boxes_around, level_points
from nanodet.model.checkpoint import load_network
from nanodet.train.device import trainer_devices
from nanodet.train.module import ground_truths, normalised


def scores_at_positives(
    checkpoint: StrPath, annotations: Annotations, config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """Return the final score of the true class, and the IoU of the predicted box, at every positive.

    Positives are the points that the training's assigner chooses on the images of ``data.val``, which
    are not augmented.

    Args:
        checkpoint: of a training; its averaged weights count if it has any.
        annotations: of ``data.val``, with the classes of the checkpoint.
        config: the training's.

    Returns:
        float32 (K,) scores and (K,) IoU, both 0..1.
    """
    network, _, _ = load_network(str(checkpoint), config)
    device = device_of(trainer_devices(config.device)[0])
    network = network.to(device)
    section = config.data.val
    loader = build_loader(
        DetectionSet(annotations, section, False),
        # fit own is defined for one image at a time
        batch_size=1 if section.effective_fit == "own" else config.device.batchsize_per_gpu,
        workers=0,
        training=False,
        seed=0,
        input_size=section.input_size,
    )
    objective = build_objective(network, config.model.arch)
    return at_positives(network, objective, loader, section, device)


def device_of(chosen: Mapping[str, Any]) -> torch.device:
    """Return the device of a run, or its first one, from what `trainer_devices` chose."""
    kind, devices = chosen["accelerator"], chosen["devices"]
    return torch.device(kind, devices[0]) if isinstance(devices, list) else torch.device(kind)


@torch.inference_mode()
def at_positives(
    network: Any,
    objective: Objective,
    batches: Iterable[Batch],
    section: Dataset,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and IoU as `scores_at_positives` does, of batches; ``section`` is their data set's."""
    scores, ious = [torch.zeros(0)], [torch.zeros(0)]
    for one in batches:
        batch = one.to(device)
        images = normalised(batch, section)
        size = (images.shape[3], images.shape[2])
        outputs = network.training_outputs(images, 0)
        targets = objective.targets(outputs, ground_truths(batch), size)
        points = level_points(size, objective.strides, objective.point_offset, device)
        rows = outputs[MAIN].float().flatten(0, 1)[targets.positive]
        found = objective.predict(rows)
        at = targets.positive % len(points.strides)
        distances = objective.code.distances(found.edges)
        predicted = boxes_around(points.positions[at], distances * points.strides[at][:, None])
        true = found.scores.gather(1, targets.labels[:, None]).squeeze(1)
        scores.append(true.sigmoid().cpu())
        ious.append(overlap(predicted, targets.boxes).iou.cpu())
    return torch.cat(scores).numpy(), torch.cat(ious).numpy()
