"""Every architecture at a small size: exported to ONNX and ncnn, and verified."""

import numpy as np
import pytest
import torch
from torch import nn

from nanodet.config import load_config
from nanodet.model.checkpoint import KEY, carried
from nanodet.model.network import build_network
from nanodet.model.torch_backend import spec_of

_GFL = [
    "model.arch.fpn={name: FPN, out_channels: 32}",
    "model.arch.head={name: GFLHead, feat_channels: 32, stacked_convs: 2}",
]
ARCHITECTURES = {
    **{f"ShuffleNetV2 {size}": ("m", [f"model.arch.backbone.model_size={size}"])
       for size in ("0.5x", "2.0x")},
    "EfficientNet-Lite": ("efficientnet-lite0_320", []),
    "RepVGG": ("repvgg-a0_416", []),
    "CustomCspNet": ("g_416", []),
    "TAN": ("t_320", ["model.arch.fpn.feature_hw=[4, 6]"]),
    "NanoDet-Plus": ("plus-m_320", []),
    "GhostPAN": (
        "plus-m_320",
        ["model.arch.fpn.num_blocks=2", "model.arch.fpn.use_res=true",
         "model.arch.fpn.use_depthwise=false", "model.arch.fpn.upsample_cfg={mode: nearest}",
         "model.arch.head.conv_type=Conv"],
    ),
    "FPN, GFLHead": ("m", _GFL),
    "ConvFPN, GFLHead": (
        "m",
        ["model.arch.fpn={name: ConvFPN, out_channels: 32, num_outs: 5}",
         "model.arch.head={name: GFLHead, feat_channels: 64, stacked_convs: 2}"],
    ),
    **{name: ("m", [f"model.arch.backbone={{name: {name}, pretrain: false}}"])
       for name in ("GhostNet", "MobileNetV2", "ResNet, depth: 18")},
    "separate towers, GN": (
        "m",
        ["model.arch.head.share_cls_reg=false", "model.arch.head.norm_cfg={type: GN}",
         "model.arch.fpn.activation=PReLU", "model.arch.head.activation=GELU"],
    ),
}  # fmt: skip


def lively(network, images):
    """Change norms and outputs of a network from what they are at the start, to fit images."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # its statistics are those of the images
    with torch.no_grad():
        network.train()(images)
    for name in network.head.output_layers:
        conv = network.head.get_submodule(name)
        nn.init.normal_(conv.weight, std=0.05 / conv.kernel_size[0])
        nn.init.normal_(conv.bias, mean=-1)
    for i, scale in enumerate(getattr(network.head, "scales", ())):
        nn.init.constant_(scale.scale, 0.5 + i)
    network.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_is_exported_and_verified(root, tmp_path, name):
    pytest.importorskip("pnnx")
    from nanodet.compare.tensors import picture_tensors
    from nanodet.export.export import export
    from nanodet.verify.verify import verify

    config, overrides = ARCHITECTURES[name]
    sizes = [f"data.{part}.input_size=[96, 64]" for part in ("train", "val")]
    config = load_config(root / "config" / f"nanodet-{config}.yml", [*overrides, *sizes])
    checkpoint = tmp_path / "small.ckpt"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(config.model.arch)
        spec = spec_of(network, config)
        # large ones, or statistics of few points would make other images huge in some channel
        images = picture_tensors(spec.at_size((320, 256)) if spec.any_size else spec)
        lively(network, torch.from_numpy(np.concatenate(list(images))))
    state = {f"model.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 0, KEY: carried(config)}, checkpoint)

    exported = export(checkpoint, tmp_path / "exported", report=lambda line: None)
    assert exported.left_out == {}
    assert exported.spec.any_size == (name != "TAN")
    assert verify(checkpoint, tmp_path / "exported").agrees
