"""Runs a checkpoint with the interface of exported models."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanodet.config import Config
from nanodet.config.fixed_size import fixed_size
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import load_network
from nanodet.model.network import predicts_quality
from nanodet.model.part import Prediction
from nanodet.runtime.engines import Request
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.forks import is_inherited
from nanodet.runtime.spec import Spec
from nanodet.runtime.thresholds import Thresholds


def load(path: str | Path, request: Request) -> Backend:
    """See `nanodet.runtime.engines.load`."""
    _set_threads(request.threads)
    return TorchBackend(path, request.config)


def describe(backend: Backend) -> tuple[str, dict[str, Any]]:
    """See `nanodet.runtime.engines`."""
    return f"torch {torch.__version__}", {"threads": torch.get_num_threads()}


class TorchBackend:
    """A checkpoint as a `nanodet.runtime.engines.backend.Backend`.

    Attributes:
        spec: made from the config: input size and fit of ``data.val``.
        config: the `Config` the network was built from.
        network: the detector.
        checkpoint: the `Checkpoint` it was loaded from.

    Raises:
        NanodetError: as `load_network`, or the weights of its quality predictor are not finite.
    """

    def __init__(self, path: str | Path, config: Config | str | Path | None = None):
        self.path = str(path)
        self.network, self.config, self.checkpoint = load_network(path, config)
        self.spec = spec_of(self.network, self.config)
        quality = self.spec.quality
        problem = quality.problem(self.spec.bins.count) if quality else None
        if problem:  # it is no part of the output, whose values are checked
            raise NanodetError(f"{path}: output.quality.{problem[0]}: {problem[1]}")

    def run(self, tensor: np.ndarray) -> np.ndarray:
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(tensor).to(device))
            return exported_rows(logits, self.network.head)[0].cpu().numpy()

    def go_on(self) -> None:
        """Prepare to continue in a process that was forked from the one that loaded it."""
        _set_threads(None)


def _set_threads(threads: int | None) -> None:
    """Set torch's number of threads, None for its default: one if a parent's are lost."""
    if is_inherited("torch"):
        threads = 1
    if threads:
        torch.set_num_threads(threads)


def exported_rows(logits: torch.Tensor, head: Any) -> torch.Tensor:
    """Return what an exported network gives of a network's output: scores, and values of the edges.

    Args:
        logits: (B, P, C + code.channels, or one more), see `nanodet.model.part.Head`.
        head: that gave them.

    Returns:
        (B, P, C + code.channels): the sigmoid of the class logits, times that of the quality's branch if
        there is one; then the values of the edges.
    """
    found = Prediction.of(logits, head.num_classes, head.code.channels)
    scores = found.classes.sigmoid()
    if found.quality is not None:
        scores = scores * found.quality.sigmoid()
    return torch.cat((scores, found.edges), dim=-1)


def spec_of(network: Any, config: Config) -> Spec:
    """Return the `Spec` of a network before export, including what its config says about the data."""
    head, section = network.head, config.data.val
    mean, std = section.pipeline.normalize
    names = config.class_names or [str(i) for i in range(head.num_classes)]
    return Spec(
        class_names=tuple(names),
        input_size=(section.input_size[0], section.input_size[1]),
        fit=section.effective_fit,
        mean=tuple(mean),
        std=tuple(std),
        strides=tuple(head.strides),
        reg_max=head.code.reg_max,
        bin_spacing=head.code.unit,
        form=head.code.form,
        quality=head.quality.deployed_weights() if predicts_quality(network) else None,
        point_offset=head.point_offset,
        any_size=fixed_size(config.model.arch) is None,
        **asdict(Thresholds.of(config.evaluator, score=Thresholds.score)),
    )
