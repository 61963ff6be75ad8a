"""What the network is taught: targets of a batch and the three losses (paper eq. 15)."""

from dataclasses import dataclass

import torch
from torch import distributed

from nanodet.model.assigner import LEFT_OUT, assign_atss, cells_around, level_points
from nanodet.model.losses import aligned_iou_giou, distribution_focal_loss, quality_focal_loss


@dataclass
class Targets:
    """What each point of a batch of B pictures with P points learns.

    Attributes:
        positive: int64 (K,), indices into the flattened (B P) points.
        labels: int64 (K,), class of each positive.
        boxes: float32 (K, 4) xyxy in network pixels.
        left_out: bool (B P,), points that teach nothing; ``None`` where there are none.
        count: positives, a picture without any counting as one.
    """

    positive: torch.Tensor
    labels: torch.Tensor
    boxes: torch.Tensor
    left_out: torch.Tensor | None
    count: float


@dataclass(frozen=True)
class Criterion:
    """QFL + GIoU + DFL over ATSS's positives.

    QFL is divided by the number of positives. GIoU and DFL are weighted by the detached highest
    class score of their point and divided by the sum of those weights. Both denominators are means
    over all processes, so that averaging the gradients of the processes equals one process on
    the union of their batches.

    Attributes:
        num_classes, strides, reg_max, point_offset: the head's.
        octave_base_scale: side of a point's cell in strides.
        ignore_iof_thr: see `assign_atss`.
        beta: QFL's exponent.
        weight_qfl, weight_bbox, weight_dfl: factors of the three losses.
    """

    num_classes: int
    strides: tuple = (8, 16, 32)
    reg_max: int = 7
    point_offset: float = 0.5
    octave_base_scale: float = 5
    ignore_iof_thr: float = 0.5
    beta: float = 2.0
    weight_qfl: float = 1.0
    weight_bbox: float = 2.0
    weight_dfl: float = 0.25

    def targets(self, boxes, labels, ignored, input_size, device):
        """Assign every picture of a batch.

        Args:
            boxes: per picture float32 (N, 4) xyxy in network pixels; labels: int64 (N,);
            ignored: float32 (M, 4).
            input_size: (width, height) of the network's input.
        """
        points, units, counts = level_points(input_size, self.strides, self.point_offset, device)
        cells = cells_around(points, units, self.octave_base_scale)
        positive, positive_labels, positive_boxes, left_out = [], [], [], []
        count = 0
        for i, (picture_boxes, picture_labels, regions) in enumerate(
            zip(boxes, labels, ignored, strict=True)
        ):
            assigned = assign_atss(
                cells, counts, picture_boxes, regions, ignore_iof_thr=self.ignore_iof_thr
            )
            chosen = (assigned >= 0).nonzero().squeeze(1)
            positive.append(chosen + i * len(points))
            positive_labels.append(picture_labels[assigned[chosen]])
            positive_boxes.append(picture_boxes[assigned[chosen]])
            left_out.append(assigned == LEFT_OUT)
            count += max(len(chosen), 1)
        any_left_out = any(len(regions) for regions in ignored) and self.ignore_iof_thr >= 0
        return Targets(
            torch.cat(positive),
            torch.cat(positive_labels),
            torch.cat(positive_boxes),
            torch.cat(left_out) if any_left_out else None,
            float(count),
        )

    def __call__(self, output, targets, input_size, alone=False):
        """Return the losses of a batch as they are added up.

        Args:
            output: (B, P, C + 4 (n + 1)) logits of the network.
            targets: `Targets` of the same batch.
            input_size: (width, height) of the network's input.
            alone: whether this process is not to wait for the others of a distributed run, whose
                positives count in the means else.

        Returns:
            dict of scalars ``loss_qfl``, ``loss_bbox``, ``loss_dfl``.
        """
        # half precision can hold neither the sums over all points nor the edges to a pixel
        with torch.autocast(output.device.type, enabled=False):
            return self._losses(output.float().flatten(0, 1), targets, input_size, alone)

    def _losses(self, output, targets, input_size, alone):
        logits, edges = output[:, : self.num_classes], output[:, self.num_classes :]
        positive = targets.positive
        quality = torch.zeros_like(logits)
        points, units, _ = level_points(input_size, self.strides, self.point_offset, output.device)
        at = positive % len(points)
        unit = units[at][:, None]
        point = points[at] / unit
        wanted = targets.boxes / unit
        bins = edges[positive].view(-1, 4, self.reg_max + 1)
        predicted = _boxes_around(point, _expectation(bins))
        iou, giou = aligned_iou_giou(predicted, wanted)
        quality[positive, targets.labels] = iou.detach()
        weight = logits[positive].detach().sigmoid().amax(dim=1) if len(positive) else iou.detach()
        count, weight_sum = _mean_over_processes(targets.count, weight.sum(), alone)

        qfl = quality_focal_loss(logits, quality, self.beta)
        if targets.left_out is not None:
            qfl = qfl.masked_fill(targets.left_out[:, None], 0)
        sides = torch.cat((point - wanted[:, :2], wanted[:, 2:] - point), dim=1)
        # below reg_max, so that the bin to the right of the target exists
        sides = sides.clamp(0, self.reg_max - 0.1)
        dfl = distribution_focal_loss(bins.flatten(0, 1), sides.flatten()).view(-1, 4).mean(dim=1)
        weight_sum = weight_sum.clamp(min=1e-6)
        return {
            "loss_qfl": self.weight_qfl * qfl.sum() / count,
            "loss_bbox": self.weight_bbox * ((1 - giou) * weight).sum() / weight_sum,
            "loss_dfl": self.weight_dfl * (dfl * weight).sum() / weight_sum,
        }


def build_criterion(head):
    """Build the `Criterion` of a config's ``model.arch.head``."""
    return Criterion(
        num_classes=head.num_classes,
        strides=tuple(head.strides),
        reg_max=head.reg_max,
        octave_base_scale=head.octave_base_scale,
        ignore_iof_thr=head.ignore_iof_thr,
        beta=head.loss.loss_qfl.beta,
        weight_qfl=head.loss.loss_qfl.loss_weight,
        weight_bbox=head.loss.loss_bbox.loss_weight,
        weight_dfl=head.loss.loss_dfl.loss_weight,
    )


def _expectation(bins):
    """Return the mean of each distribution (eq. 4): (N, 4, n + 1) logits to (N, 4)."""
    values = torch.arange(bins.shape[-1], dtype=bins.dtype, device=bins.device)
    return bins.softmax(dim=-1) @ values


def _boxes_around(point, distances):
    """Return xyxy (N, 4) from points (N, 2) and distances left, top, right, bottom (N, 4)."""
    return torch.cat((point - distances[:, :2], point + distances[:, 2:]), dim=1)


def _mean_over_processes(count, weight_sum, alone):
    """Return both numbers averaged over the processes of a distributed run, or as they are ``alone``."""
    numbers = torch.stack((weight_sum.new_tensor(count), weight_sum))
    if not alone and distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(numbers)
        numbers = numbers / distributed.get_world_size()
    return numbers.unbind()
