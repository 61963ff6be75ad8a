"""The backbone's ImageNet weights: fetched once, checked by hash, or read from a file."""

from pathlib import Path

import torch

from nanodet.errors import NanodetError
from nanodet.files.files import sha256
from nanodet.hub.download import address, cache_folder, download
from nanodet.model.load_plain import load_plain

# published by torchvision; the file's name ends in the first digits of its SHA-256
URLS = {
    "0.5x": "https://download.pytorch.org/models/shufflenetv2_x0.5-f707e7126e.pth",
    "1.0x": "https://download.pytorch.org/models/shufflenetv2_x1-5666bf0f80.pth",
    "1.5x": "https://download.pytorch.org/models/shufflenetv2_x1_5-3c479a10.pth",
    "2.0x": "https://download.pytorch.org/models/shufflenetv2_x2_0-8be3c8ee.pth",
}


def load_pretrained(backbone, section, file="config"):
    """Fill ``backbone`` as ``model.arch.backbone.pretrain`` says.

    Args:
        backbone: a `ShuffleNetV2`.
        section: the config's ``model.arch.backbone``; ``pretrain`` is true (torchvision's
            ImageNet weights), false (nothing is done) or the path of a weight file.
        file: names the config in messages.

    Returns:
        one line of text: what was loaded.

    Raises:
        NanodetError: no network and no cached file, a wrong hash, weights that do not fit.
    """
    key = f"{file}: model.arch.backbone.pretrain"
    if section.pretrain is False:
        return "backbone: random weights"
    if section.pretrain is True:
        path = _cached(section.model_size, key)
    else:
        path = Path(section.pretrain)
    try:
        state = load_plain(path)
    except NanodetError as error:
        raise NanodetError(f"{key}: {error}") from None
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    state = {str(name).removeprefix("module."): value for name, value in state.items()}
    own = backbone.state_dict()
    fitting = {
        name: value for name, value in state.items()
        if name in own and isinstance(value, torch.Tensor) and own[name].shape == value.shape
    }  # fmt: skip
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    # the ImageNet network ends in conv5, which lies outside stage 4 there
    missing = [name for name in wanted if name not in fitting and ".conv5." not in name]
    if missing:
        raise NanodetError(
            f"{key}: {path} does not fit: {missing[0]} is missing or of another shape"
        )
    backbone.load_state_dict(fitting, strict=False)
    return f"backbone: ImageNet weights of {path}"


def _cached(model_size, key):
    url = URLS[model_size]
    path = cache_folder() / Path(url).name
    digits = path.stem.rsplit("-", 1)[1]
    if path.is_file():
        if not sha256(path).startswith(digits):
            raise NanodetError(f"{key}: {path} is not the published file (wrong hash): delete it")
        return path
    try:
        download(address(path.name, url), path, digits, label=path.name)
    except NanodetError as error:
        raise NanodetError(
            f"{key}: {error}; put that file at {path}, or set pretrain to the path of a file, or "
            f"to false to start from random weights"
        ) from None
    return path
