"""Any backbone of timm (PyTorch Image Models), an optional package."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from nanodet.config.keys import REQUIRED
from nanodet.errors import NanodetError
from nanodet.model.backbones import keys
from nanodet.model.part import Fail, Part, on_meta

_SIZE = 96, 160  # height and width that no model was made for


@dataclass
class Section:
    name: str = keys.key("TIMMWrapper", "the backbone", known=("TIMMWrapper",))
    model_name: str = keys.size(REQUIRED, "timm's name of the model, such as `convnext_nano`")
    features_only: bool = keys.key(True, "feature maps, not classes", known=(True,))
    pretrained: bool = keys.key(
        True,
        "start from the weights that timm publishes (true) or random weights (false); not needed, and not "
        "downloaded, if `schedule.load_model` is given",
        alike=("pretrain",),
    )
    checkpoint_path: str = keys.key("", "start from the weights of the whole model in this file")
    in_channels: int = keys.key(3, "channels of the images", known=(3,))
    out_indices: list[int] | None = keys.key(
        None, "feature maps that the neck gets, counted from 0; all by default", 0, 64,
        alike=("out_stages",),
    )  # fmt: skip
    output_stride: int | None = keys.key(
        None, "largest stride, for models that have the setting; by default the model's",
        known=(8, 16, 32),
    )  # fmt: skip

    @property
    def pretrain(self) -> bool | str:
        """``pretrain`` as in the other backbones: true, false or a file."""
        return self.checkpoint_path or self.pretrained

    @property
    def pretrain_key(self) -> str:
        """The name of the key that sets `pretrain`."""
        return "checkpoint_path" if self.checkpoint_path else "pretrained"

    def check(self, fail: Fail) -> None:
        try:
            timm = _timm()
        except NanodetError as error:
            fail("name", str(error))
        if not timm.is_model(self.model_name):
            near = difflib.get_close_matches(self.model_name[:100], timm.list_models())
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            fail("model_name", f"timm {timm.__version__} has no model of this name{hint}")
        if self.out_indices is not None and sorted({*self.out_indices}) != self.out_indices:
            fail("out_indices", f"{self.out_indices}: must ascend")
        height, width = _SIZE
        try:
            backbone = on_meta(build, self).eval()
            maps = backbone(torch.empty(1, 3, height, width, device="meta"))
        except Exception as error:  # of any class: timm's models do their own checks
            why = f"not a backbone for images of {width} x {height} pixels: {_first_line(error)}"
            fail("model_name", why)
        strides = backbone.strides
        shapes = [
            (channels, -(-height // stride), -(-width // stride))
            for channels, stride in zip(backbone.channels, strides, strict=True)
        ]
        if [tuple(one.shape[1:]) for one in maps] != shapes:
            fail("model_name", f"its maps do not have the strides {list(strides)} that timm states")
        if sorted({*strides}) != [*strides]:
            fail("out_indices", f"its maps have the strides {list(strides)}: choose one of each")


class TIMMWrapper(nn.Module):
    """A model of timm without its classifier.

    Shapes: images (B, 3, H, W) to one map (B, channels[i], H / strides[i], W / strides[i]) per entry
    of ``out_indices``.

    Args:
        model_name: timm's name.
        out_indices: which of the model's maps are returned, ascending; None: all.
        output_stride: largest stride, None for the model's default.

    Raises:
        NanodetError: timm cannot be imported.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int] | None = None,
        output_stride: int | None = None,
    ) -> None:
        super().__init__()
        given: dict[str, Any] = {"out_indices": out_indices, "output_stride": output_stride}
        self._options = {name: value for name, value in given.items() if value is not None}
        self._options |= {"model_name": model_name, "features_only": True}
        self.timm = _timm().create_model(**self._options, pretrained=False)
        self.channels = tuple(self.timm.feature_info.channels())
        self.strides = tuple(self.timm.feature_info.reduction())
        # some transformers give channels last
        self._last = str(getattr(self.timm, "output_fmt", "")).endswith("NHWC")

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps = self.timm(images)
        return tuple(x.permute(0, 3, 1, 2) for x in maps) if self._last else tuple(maps)

    def load_published(self, state: Mapping[str, Tensor] | None = None) -> None:
        """Load the weights that timm publishes for the model; timm downloads and caches them.

        Args:
            state: weights to load instead: those of the whole model, with timm's names.

        Raises:
            NanodetError: they cannot be downloaded, or do not fit.
        """
        if state is None:
            try:
                model = _timm().create_model(**self._options, pretrained=True)
            except Exception as error:  # of any class: the network's, the server's, timm's
                raise NanodetError(f"timm cannot load the weights: {_first_line(error)}") from None
            state = model.state_dict()
        found = {}
        for name, own in self.timm.state_dict().items():
            # if single maps are taken from a list, its items become separate children
            value = state.get(name, state.get(re.sub(r"^(\w+)_(\d+)\.", r"\1.\2.", name)))
            if not isinstance(value, Tensor) or value.shape != own.shape:
                raise NanodetError(f"{name} is missing there, or has a different shape")
            found[name] = value
        self.timm.load_state_dict(found)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _timm() -> ModuleType:
    try:
        import timm
    except Exception as error:  # a torchvision for another torch fails with any class
        raise NanodetError(
            f"TIMMWrapper needs timm, which cannot be imported ({error}): pip install timm"
        ) from None
    return timm


def build(section: Section) -> TIMMWrapper:
    """Build the backbone with random weights."""
    return TIMMWrapper(section.model_name, section.out_indices, section.output_stride)


PART = Part(Section, build)
