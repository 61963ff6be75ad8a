"""Faults planted into the 16-bit form alone, as small as rounding, are found by its weights."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from faults import edit_graph, edit_spec, edit_weights, swap_channels, update_hashes

from nanodet import NanodetError
from nanodet.export.ncnn_file import check_half
from nanodet.export.stages import FP16, FP32
from nanodet.verify.verify import verify


def scaled(layer, part, chosen, factor):
    """Return a change of some values of a layer by a factor."""

    def change(weights, graph):
        stored = weights[layer][part]
        data = stored.data.copy()
        data[chosen] = data[chosen] * data.dtype.type(factor)
        weights[layer][part] = replace(stored, data=data)

    return change


def as_bfloat16(weights, graph):
    """Round every weight to 8 instead of 11 bits."""
    for parts in weights.values():
        stored = parts["weight"]
        bits = (stored.values.view(np.uint32) + 0x8000) & 0xFFFF0000
        parts["weight"] = replace(stored, data=bits.view(np.float32).astype(np.float16))


# the last convolutions of each level have 3 classes and 32 bins
FAULTS = {
    "one": (scaled("convdwrelu_0", "weight", 4, 1.1), "1 of 864 weights differs"),
    "swapped": (swap_channels("convrelu_0", 24), "its input channels are swapped (2, 1, 0)"),
    "bias": (scaled("conv_111", "bias", 1, 1.02), "1 of 35 biases differs"),
    "level": (scaled("conv_114", "weight", slice(3 * 96, None), 1.05), "weights differ"),
    "bfloat16": (as_bfloat16, "layers differ"),
}


@pytest.fixture(scope="module")
def folder(exported_small, tmp_path_factory):
    """A copy of the 16-bit form for each fault, vouched for by its spec."""
    folder, source = tmp_path_factory.mktemp("halves"), exported_small.files[FP16]
    for stem, (change, _) in FAULTS.items():
        param = folder / f"{stem}.param"
        for suffix in (".param", ".bin", ".json"):
            shutil.copy(source.with_suffix(suffix), param.with_suffix(suffix))
        edit_spec(param.with_suffix(".json"), files={param.name: "", f"{stem}.bin": ""})
        edit_weights(param, change)
        update_hashes(param)
    return folder


@pytest.mark.parametrize("stem", FAULTS)
def test_export_finds_it(exported_small, folder, stem):
    full, half = exported_small.files[FP32], exported_small.files[FP16]
    check_half(full, half)
    with pytest.raises(NanodetError, match=r"values are not those of the 32-bit form, rounded"):
        check_half(full, folder / f"{stem}.param")


def test_export_finds_another_graph(exported_small, folder, tmp_path):
    half = tmp_path / "half.param"
    for suffix in (".param", ".bin"):
        shutil.copy(exported_small.files[FP16].with_suffix(suffix), half.with_suffix(suffix))
    edit_graph(half, lambda layers: layers["convrelu_36"].values.update({-23310: "1,0.4"}))
    with pytest.raises(NanodetError, match="its graph is not that of the 32-bit form"):
        check_half(exported_small.files[FP32], half)


def test_verify_finds_it(small_checkpoint, folder):
    report = verify(small_checkpoint, [folder], limit=2)
    rows = {row.path.stem: row for row in report.rows if row.kind == "fp16"}
    for stem, (_, words) in FAULTS.items():
        assert words in " | ".join(text for part, text in rows[stem].faults if part == "network"), (
            stem
        )
