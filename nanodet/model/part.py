"""The interfaces of a detector's parts: config section, module, and published weights."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from nanodet.config.keys import Fail as Fail

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class Pretrained(NamedTuple):
    """Where the weights of a backbone are published.

    Attributes:
        url: of a file that `torch.save` wrote.
        digits: first digits of the file's SHA-256; None if none is published.
        rename: maps the name of a tensor in the file to ours; None for one that is not used.
    """

    url: str
    digits: str | None
    rename: Callable[[str], str | None] = str


class Part(NamedTuple):
    """One entry of a table of parts, such as `nanodet.model.backbones.BACKBONES`.

    Attributes:
        section: dataclass of the config's keys (`nanodet.config.keys.key`), ``name`` first. It may have
            ``check(self, fail)``, which calls ``fail(key, why)`` for a value that cannot work. A head's
            also has ``box_code``, ``loss`` and ``assigner_cfg``, see `heads.points.AtssSection`.
        build: makes the module of a section; for a loss or an assigner, the callable. For necks and
            heads it also takes the channels and strides of the input maps.
        pretrained: returns the published weights of a section's backbone, None if there are none.
    """

    section: type
    build: Callable[..., Any]
    pretrained: Callable[[Any], Pretrained | None] | None = None


class Backbone(Protocol):
    """Images (B, 3, H, W) to one map (B, channels[i], H / strides[i], W / strides[i]) per level.

    It may have ``load_published(state)``, if a library provides its weights: loads those of a file, or
    downloads them if ``state`` is None; ``not_pretrained``: names that published weights may lack; and
    ``unused_layers``, like a `Head`.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]: ...


class Neck(Protocol):
    """Maps to maps of ``channels`` each, one for each of ``strides``."""

    channels: int
    strides: tuple[int, ...]

    def __call__(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]: ...


class BoxCode(Protocol):
    """How the values of a point encode the edges of its box.

    Attributes:
        channels: values per point.
        reg_max: the largest distance in strides, for a code that has one.
        unit: strides per unit of the distances that a loss of the edges takes; the spacing of a code
            of bins, and 1 for others.
        target_max: the largest distance that a loss of the edges takes, in units; inf for any.
        form: its name in `nanodet.runtime.box_codes.BOX_CODES`, and so in the spec.
    """

    channels: int
    reg_max: int
    unit: float
    target_max: float
    form: str

    def distances(self, raw: Tensor) -> Tensor:
        """Return the distances left, top, right, bottom in strides: (N, channels) to (N, 4)."""
        ...


class QualityBranch(NamedTuple):
    """A separate output of the head for the quality of a box, by whose sigmoid scores are multiplied.

    Attributes:
        learns: its target at a positive point: ``centerness`` (FCOS, Tian et al., ICCV 2019), or the
            ``iou`` of the predicted box with its ground truth.
        weight: factor of its loss.
    """

    learns: Literal["centerness", "iou"]
    weight: float


class Quality(Protocol):
    """How a point's scores say how well its box fits.

    Called with the values of the edges (..., channels), it returns logits (..., 1) of the quality, or
    None if the head or nothing gives them.

    Attributes:
        joint: whether the final score of the true class learns the IoU of its box; otherwise the score
            of the class learns 1.
        branch: the output that the head has for it, None for none.
    """

    joint: bool
    branch: QualityBranch | None

    def __call__(self, edges: Tensor) -> Tensor | None: ...


class Prediction(NamedTuple):
    """What a head gives for the points of a batch, all before the sigmoid.

    Attributes:
        classes: (..., num_classes) logits of the classes.
        edges: (..., code.channels) values of the box code.
        quality: (..., 1) logits of the quality of the box, None if there are none.
    """

    classes: Tensor
    edges: Tensor
    quality: Tensor | None

    @classmethod
    def of(cls, rows: Tensor, num_classes: int, channels: int) -> "Prediction":
        """Split rows (..., num_classes + channels, or one more) of a training output."""
        more = rows.shape[-1] - num_classes - channels
        classes, edges, quality = rows.split([num_classes, channels, more], dim=-1)
        return cls(classes, edges, quality if more else None)

    @property
    def scores(self) -> Tensor:
        """Logits of the final scores, the sigmoid of the class times that of the quality (eq. 7).

        ``log(p / (1 - p)) = -log(exp(-c) + exp(-q) + exp(-c - q))`` for ``p = sigmoid(c) sigmoid(q)``.
        """
        if self.quality is None:
            return self.classes
        classes, quality = -self.classes, (-self.quality).expand_as(self.classes)
        return -torch.stack((classes, quality, classes + quality)).logsumexp(dim=0)


class Head(Protocol):
    """Maps to logits (B, points, num_classes + code.channels), levels in the order of ``strides``.

    With a ``quality`` that has a branch there is one channel more, the branch's.

    Attributes:
        num_classes: number of classes.
        strides: network pixels per point of each level.
        point_offset: point (row i, column j) is at ((j + offset) s, (i + offset) s).
        code: how the values after the class logits encode edges.
        quality: how scores say how well their box fits.
        output_layers: name of an output convolution to the kinds of its rows, in order: "classes",
            "edges", "quality".
        unused_layers: kept for checkpoints only: no gradient, not counted, not exported.
    """

    num_classes: int
    strides: tuple[int, ...]
    point_offset: float
    code: BoxCode
    quality: Quality
    output_layers: Mapping[str, tuple[str, ...]]
    unused_layers: tuple[str, ...]

    def __call__(self, maps: tuple[Tensor, ...]) -> Tensor: ...

    def levels(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the same as one (B, channels, rows, columns) per level, for the layout ``maps``."""
        ...

    def training_rows(self, output: Tensor) -> Tensor:
        """Return an output with the quality logits that are no part of the exported network."""
        ...


def on_meta(build: Callable[..., AnyModule], *arguments: Any) -> AnyModule:
    """Build a module without memory for its weights, to read its attributes."""
    with torch.device("meta"):
        return build(*arguments)
