"""Networks of one input size: what their config may say of images."""

import pytest

from nanodet.config import load_config
from nanodet.errors import NanodetError

CONFIG = "config/nanodet-t_320.yml"


def test_images_are_put_into_the_only_size(root):
    config = load_config(root / CONFIG)
    assert [config.data.train.fit, config.data.val.fit] == ["letterbox"] * 2
    config = load_config(root / CONFIG, ["data.val.keep_ratio=false"])
    assert config.data.val.effective_fit == "stretch"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("data.val.input_size=[416, 320]",
         "data.val.input_size: is [416, 320], but TAN only takes [320, 320]"),
        ("model.arch.fpn.feature_hw=[20, 26]",
         "data.train.input_size: is [320, 320], but TAN only takes [416, 320]"),
        ("data.train.multi_scale=[0.8, 1.2]",
         "data.train.multi_scale: TAN only takes [320, 320]: remove it"),
        ("data.train.fit=own",
         "data.train.fit: own makes images of many sizes, but TAN only takes [320, 320]: remove it"),
        ("model.arch.fpn.feature_hw=[20]",
         "model.arch.fpn.feature_hw: must be [height, width], not [20]"),
        ("model.arch.fpn.feature_hw=[20, 21]",
         "model.arch.fpn.feature_hw: must be even, not [20, 21]: the coarsest map is half as large"),
        ("model.arch.fpn.num_heads=7",
         "model.arch.fpn.num_heads: 7 do not divide out_channels, 128"),
        ("model.arch.fpn={name: TAN, out_channels: 8, mlp_ratio: 0.1}",
         "model.arch.fpn.mlp_ratio: 0.1: gives no hidden value for 8 channels"),
        ("model.arch.backbone.out_stages=[3, 4]",
         "model.arch.fpn: TAN joins three maps, and the backbone gives 2"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(root, override, line):
    with pytest.raises(NanodetError) as caught:
        load_config(root / CONFIG, [override, "model.arch.fpn.in_channels=null"])
    assert str(caught.value) == f"{root / CONFIG}: {line}"
