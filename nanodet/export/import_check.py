"""The proof of an import: torch and the model file give the same, or the first layer that differs."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanodet.adopt.source import Source
from nanodet.compare.exact import difference, noise
from nanodet.compare.tensors import picture_tensors
from nanodet.errors import NanodetError
from nanodet.export.batch_norm import with_fixed_fit
from nanodet.export.graph import ExportGraph
from nanodet.export.match import Pair
from nanodet.export.rewriting.plan import Plan
from nanodet.model.torch_backend import TorchBackend
from nanodet.runtime.engines import load
from nanodet.runtime.engines.backend import Backend
from nanodet.runtime.spec import Spec

TOLERANCE = 1e-4  # of scores and logits, relative where they are above 1


def compare(
    ours: TorchBackend,
    source: Source,
    theirs: Backend,
    pairs: Sequence[Pair],
    images: str | Path | None,
    plan: Plan | None = None,
) -> float:
    """Return the largest difference of two backends on noise and on images, at two sizes.

    A file that is made for one size is compared at that.

    Args:
        ours: the `TorchBackend`.
        source: the file, as `nanodet.adopt.source.open_source` gives it; theirs: its backend.
        pairs: as `nanodet.export.match.match` gives them.
        images: folder of images, None for generated ones.
        plan: how the file's export rewrote the network, None if it did not.

    Raises:
        NanodetError: it is above `TOLERANCE`; names the first layer where they part.
    """
    width, height = theirs.spec.input_size
    sizes = [(width, height)]
    if theirs.spec.any_size:
        sizes.append((width + 64, height + 32))
    rng = np.random.default_rng(0)
    tensors = []
    for size in sizes:
        tensors.append(noise(size, rng))
        tensors += picture_tensors(with_fixed_fit(ours.spec).at_size(size), images, 2)
    network: Any = ours.network
    if plan is not None:
        network = ExportGraph(network, plan=plan, size=(width, height)).network
    largest = 0.0
    for tensor in tensors:
        off = difference(theirs.run(tensor), ours.run(tensor))
        if not off <= TOLERANCE:
            raise NanodetError(
                f"{source.path}: torch and {source.engine} differ by {off:.1e} in the output, "
                f"{_first_layer(network, source, theirs, pairs, tensor)}"
            )
        largest = max(largest, off)
    return largest


def _first_layer(
    network: Any, source: Source, theirs: Backend, pairs: Sequence[Pair], tensor: np.ndarray
) -> str:
    """Say before which convolution the maps of both networks begin to differ."""
    maps = {}

    def keep(name: str) -> Callable[[Any, Any], None]:
        return lambda conv, inputs: maps.update({name: inputs[0][0].clone().numpy()})

    hooks = [
        network.get_submodule(pair.conv).register_forward_pre_hook(keep(pair.conv))
        for pair in pairs
    ]
    with torch.inference_mode():
        network(torch.from_numpy(tensor))
    for hook in hooks:
        hook.remove()
    found = source.maps(theirs, tensor, [pair.theirs.source for pair in pairs])
    for pair, given in zip(pairs, found, strict=True):
        wanted = maps[pair.conv]
        if not difference(given.reshape(wanted.shape), wanted) <= TOLERANCE:
            return f"and first in what layer {pair.theirs.name} ({pair.conv}) is given"
    return "and not before its last layers"


def backend_of(source: Source, spec: Spec, folder: Path) -> Backend:
    """Return the backend of the file in the form that runs here."""
    size = spec.input_size if source.any_size else source.form.size or spec.input_size
    spec = dataclasses.replace(with_fixed_fit(spec), any_size=source.any_size, input_size=size)
    return load(source.write(folder, "model", spec))
