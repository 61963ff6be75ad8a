"""Every architecture of the original against its names, shapes and outputs."""

import json

import numpy as np
import pytest
import torch
from named_weights import fill, noise

from nanodet.config.build import build
from nanodet.config.model_sections import Model
from nanodet.model.network import build_network

NAMES = (
    *(f"legacy_v0.x_configs/EfficientNet-Lite/nanodet-EfficientNet-Lite{size}.yml"
      for size in ("0_320", "1_416", "2_512")),
    "legacy_v0.x_configs/RepVGG/nanodet-RepVGG-A0_416.yml",
    "legacy_v0.x_configs/Transformer/nanodet-t.yml",
    *(f"legacy_v0.x_configs/nanodet-{name}.yml"
      for name in ("g", "m-0.5x", "m-1.5x-416", "m-1.5x", "m-416", "m")),
    *(f"nanodet-plus-m{name}.yml" for name in ("-1.5x_320", "-1.5x_416", "_320", "_416-yolo", "_416")),
    "nanodet_custom_xml_dataset.yml",
    *(f"made/{name}-PAN-NanoDetHead" for name in ("GhostNet", "MobileNetV2", "ResNet18", "ResNet50")),
    "made/ResNet18-FPN-GFLHead",
)  # fmt: skip


@pytest.fixture(scope="module")
def zoo(shared):
    folder = shared / "reference" / "zoo"
    entries = json.loads((folder / "zoo.json").read_text())
    assert set(entries) == set(NAMES)
    return entries, np.load(folder / "zoo.npz")


@pytest.mark.parametrize("name", NAMES)
def test_names_shapes_and_outputs_are_the_originals(zoo, name):
    entry, outputs = zoo[0][name], zoo[1]
    arch = build(Model, {"arch": entry["arch"]}, name).arch
    network = build_network(arch, name)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == entry["state"]
    kept = [child for name, child in network.named_children() if name not in network.auxiliary]
    for modules, count in (([network], "parameters_total"), (kept, "parameters_without_aux")):
        assert sum(p.numel() for m in modules for p in m.parameters()) == entry[count]
    with torch.no_grad():
        found = fill(network)(noise(entry["input"])).numpy()
    wanted = outputs[name.replace("/", "__")]
    assert list(found.shape) == entry["output_shape"]
    assert np.abs(found[0] - wanted.reshape(found[0].shape)).max() < 1e-4 * np.abs(wanted).max()
