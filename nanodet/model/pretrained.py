"""A backbone's published weights: downloaded once, checked by hash, or read from a file."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from nanodet.errors import NanodetError
from nanodet.files.files import sha256
from nanodet.hub.download import address, cache_folder, download
from nanodet.model.backbones import BACKBONES
from nanodet.model.load_plain import load_plain
from nanodet.model.part import Pretrained


def load_pretrained(backbone: nn.Module, section: Any, file: str = "config") -> str:
    """Load weights into ``backbone`` as set by ``model.arch.backbone.pretrain``.

    Args:
        backbone: a `nanodet.model.part.Backbone`.
        section: the config's ``model.arch.backbone``; its ``pretrain``, if it has one, is true (the
            published weights), false (nothing is done) or the path of a weight file.
        file: names the config in messages.

    Returns:
        one line of text that says what was loaded.

    Raises:
        NanodetError: no network and no cached file, a wrong hash, weights that do not fit.
    """
    key = f"{file}: model.arch.backbone.{getattr(section, 'pretrain_key', 'pretrain')}"
    wanted = getattr(section, "pretrain", False)
    find = BACKBONES[section.name].pretrained
    published = find(section) if find else None
    library = getattr(backbone, "load_published", None)
    if wanted is False:
        return "backbone: random weights"
    if wanted is not True:
        path = Path(wanted)
    elif published is not None:
        path = fetch(published, key)
    elif library is not None:
        path = None
    else:
        return f"backbone: random weights (there are no published ones for this {section.name})"
    try:
        state = _read(path) if path else None
        if library is not None:
            library(state)
            return f"backbone: weights of {path or f'{section.name}, downloaded by its library'}"
    except NanodetError as error:
        raise NanodetError(f"{key}: {error}") from None
    rename = published.rename if published else str
    given = (state or {}).items()
    state = {rename(name.removeprefix("module.")): value for name, value in given}
    _fill(backbone, state, key, path)
    return f"backbone: ImageNet weights of {path}"


def _read(path):
    state = load_plain(path)
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    return {str(name): value for name, value in state.items()}


def _fill(backbone, state, key, path):
    own = backbone.state_dict()
    fitting = {
        name: value for name, value in state.items()
        if name in own and isinstance(value, torch.Tensor) and own[name].shape == value.shape
    }  # fmt: skip
    optional = tuple(getattr(backbone, "not_pretrained", ()))
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    missing = [name for name in wanted if name not in fitting and not name.startswith(optional)]
    if missing:
        raise NanodetError(
            f"{key}: {path} does not fit: {missing[0]} is missing or has a different shape"
        )
    backbone.load_state_dict(fitting, strict=False)


def fetch(published: Pretrained, key: str) -> Path:
    """Return the file of published weights in the cache, downloaded if it is not there.

    Raises:
        NanodetError: it cannot be downloaded, or has a wrong hash; ``key`` begins the message.
    """
    path = cache_folder() / Path(published.url).name
    if path.is_file():
        if published.digits and not sha256(path).startswith(published.digits):
            raise NanodetError(f"{key}: {path} is not the published file (wrong hash): delete it")
        return path
    try:
        download(address(path.name, published.url), path, published.digits or "", label=path.name)
    except NanodetError as error:
        raise NanodetError(
            f"{key}: {error}; put that file at {path}, or set pretrain to the path of a file, or "
            f"to false to start from random weights"
        ) from None
    return path
