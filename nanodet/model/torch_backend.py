"""Runs a checkpoint with the interface of exported models."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanodet.config import Config
from nanodet.config.fixed_size import fixed_size
from nanodet.model.checkpoint import load_network
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
    """

    def __init__(self, path: str | Path, config: Config | str | Path | None = None):
        self.path = str(path)
        self.network, self.config, self.checkpoint = load_network(path, config)
        self.spec = spec_of(self.network, self.config)

    def run(self, tensor: np.ndarray) -> np.ndarray:
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(tensor).to(device))
            return scores_and_bins(logits, len(self.spec.class_names))[0].cpu().numpy()

    def go_on(self) -> None:
        """Prepare to continue in a process that was forked from the one that loaded it."""
        _set_threads(None)


def _set_threads(threads: int | None) -> None:
    """Set torch's number of threads, None for its default: one if a parent's are lost."""
    if is_inherited("torch"):
        threads = 1
    if threads:
        torch.set_num_threads(threads)


def scores_and_bins(logits: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Apply the sigmoid to the class logits: (B, P, C + 4 (n + 1)) to the same shape."""
    return torch.cat((logits[..., :num_classes].sigmoid(), logits[..., num_classes:]), dim=-1)


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
        point_offset=head.point_offset,
        any_size=fixed_size(config.model.arch) is None,
        **asdict(Thresholds.of(config.evaluator, score=Thresholds.score)),
    )
