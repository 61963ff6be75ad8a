"""The Distribution-Guided Quality Predictor of Generalized Focal Loss (paper eqs. 5 to 7)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nanodet.config.keys import key
from nanodet.errors import NanodetError
from nanodet.model.box_codes.general import General
from nanodet.model.part import BoxCode, Part
from nanodet.runtime.quality import QualityPredictor


@dataclass
class Section:
    name: str = key(
        "DGQP", "two small layers predict the quality of a box from its distributions", ours=True
    )
    topk: int = key(4, "largest probabilities of each edge that they read", 1, 256, ours=True)
    hidden: int = key(64, "hidden units", 1, 4096, ours=True)


class DGQP(nn.Module):
    """Quality logits from the distributions of the edges, which get a gradient from it, too.

    It is no part of the exported network: its weights go to the spec, and decoding evaluates them on the
    few points whose class score is above the threshold.

    Args:
        code: of the head; must be `General`.
        topk: largest probabilities read of each edge, k.
        hidden: hidden units, d.

    Shapes: values of the edges (..., code.channels) before softmax to logits (..., 1).
    """

    joint, branch = True, None

    def __init__(self, code: BoxCode, topk: int, hidden: int):
        super().__init__()
        if not isinstance(code, General):
            raise NanodetError("DGQP reads distributions: it needs the box code General")
        if topk > code.bins:
            raise NanodetError(f"topk is {topk}, but an edge has {code.bins} bins")
        self.topk, self.code = topk, code
        self.hidden = nn.Linear(4 * (topk + 1), hidden)
        self.output = nn.Linear(hidden, 1)
        for layer in (self.hidden, self.output):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def statistics(self, edges: Tensor) -> Tensor:
        """Return Topkm of each edge, concatenated (eq. 5): (..., channels) to (..., 4 (k + 1))."""
        largest = self.code.probabilities(edges.flatten(0, -2)).topk(self.topk, dim=-1).values
        features = torch.cat((largest, largest.mean(dim=-1, keepdim=True)), dim=-1)
        return features.reshape(*edges.shape[:-1], -1)

    def forward(self, edges: Tensor) -> Tensor:
        """Return the logits of I (eq. 6)."""
        # half precision has two or three digits of a probability, and decoding uses float32
        with torch.autocast(edges.device.type, enabled=False):
            statistics = self.statistics(edges.to(self.output.bias.dtype))
            return self.output(self.hidden(statistics).relu())

    def deployed_weights(self) -> QualityPredictor | None:
        """Return what a spec carries of it; None on the meta device, where there are no weights."""
        if self.output.bias.is_meta:
            return None
        flat = [one.detach().cpu().flatten() for one in self.parameters()]
        return QualityPredictor.of(self.topk, *(one.numpy() for one in flat))

    @torch.no_grad()
    def take(self, deployed: QualityPredictor) -> None:
        """Take the weights that a spec carries, of a predictor of the same size."""
        for name, parameter in self.named_parameters():
            values = torch.tensor(getattr(deployed, name.replace(".", "_")))
            parameter.copy_(values.reshape(parameter.shape))


PART = Part(Section, lambda section, code: DGQP(code, section.topk, section.hidden))
