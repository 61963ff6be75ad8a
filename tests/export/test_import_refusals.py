"""What `nanodet import` refuses."""

import shutil

import numpy as np
import pytest

from nanodet import NanodetError
from nanodet.config import save_config
from nanodet.data.reading import Reading
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP32
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import Stored, load_weights, weights_to_bytes


def silent(line):
    pass


class TestRefusals:
    """One line that names file and key, and nothing written."""

    @pytest.fixture
    def out(self, tmp_path):
        path = tmp_path / "out" / "old.ckpt"
        path.parent.mkdir()
        path.write_bytes(b"an earlier one")
        yield path
        assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == {
            "old.ckpt": b"an earlier one"
        }

    def changed(self, config, tmp_path, **values):
        """A config with other values, by dotted keys."""
        from nanodet.config import load_config

        path = tmp_path / "changed.yml"
        overrides = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
        save_config(load_config(config, overrides), path)
        return path

    @pytest.mark.parametrize(
        ("values", "words"),
        [
            (
                {"class_names": "[a, b]", "model__arch__head__num_classes": 2},
                r"has num_classes 3, but model\.arch\.head\.num_classes of \S+ is 2",
            ),
            ({"model__arch__head__reg_max": 8}, r"has reg_max 7, but model\.arch\.head\.reg_max"),
            ({"model__arch__head__stacked_convs": 3}, "has 73 convolutions, but .* has 79: "),
            (
                {"model__arch__head__feat_channels": 64},
                r"layer \S+: is a convolution 96 to 96, 1 x 1, stride 1, but "
                r"head\.cls_convs\.0\.0\.pointwise is 96 to 64, .* by model\.arch\.head\.feat_chan",
            ),
            (
                {"model__arch__backbone__activation": "ReLU"},
                r"has LeakyReLU after it, but backbone\.conv1\.0 has ReLU by "
                r"model\.arch\.backbone\.activation",
            ),
            (
                {"model__arch__head__activation": "SiLU"},
                r"has SiLU by model\.arch\.head\.activation",
            ),
            (
                {
                    "model__arch__backbone__model_size": "1.0x",
                    "model__arch__fpn__in_channels": "[116, 232, 464]",
                },
                r"by model\.arch\.backbone\.model_size",
            ),
        ],
    )
    def test_another_config(self, model, config, out, tmp_path, values, words):
        other = self.changed(config, tmp_path, **values)
        with pytest.raises(NanodetError, match=words) as caught:
            import_model(model, other, out, report=silent)
        assert str(caught.value).startswith(str(model))
        assert "\n" not in str(caught.value)

    def test_classes_in_another_order(self, exported_small, config, out, tmp_path):
        other = self.changed(config, tmp_path, class_names="[square, Disc, Dreieck ü]")
        with pytest.raises(NanodetError, match=r"another order: disc, square, Dreieck ü$"):
            import_model(exported_small.files[FP32], other, out, report=silent)

    def test_no_nanodet(self, shared, config, out):
        with pytest.raises(NanodetError, match=r"FastestDet\.bin do not exist"):
            import_model(shared / "peers" / "FastestDet.param", config, out, report=silent)

    def test_another_network(self, config, out, tmp_path):
        param = tmp_path / "other.param"
        param.write_text("7767517\n2 2\nInput in 0 1 data\nSoftmax s 1 1 data x\n")
        param.with_suffix(".bin").write_bytes(b"")
        with pytest.raises(NanodetError, match="layer s: Softmax is not known in a NanoDet"):
            import_model(param, config, out, report=silent)

    def test_truncated_weights(self, model, config, out):
        weights = model.with_suffix(".bin")
        weights.write_bytes(weights.read_bytes()[:5000])
        with pytest.raises(NanodetError, match=r"model\.bin: layer .* truncated"):
            import_model(model, config, out, report=silent)

    def test_int8(self, model, config, out):
        graph = Graph.load(model)
        weights = load_weights(model.with_suffix(".bin"), graph, model)
        layer = next(one for one in graph.layers if one.kind == "Convolution")
        layer.values[8] = "2"
        parts = weights[layer.name]
        parts["weight"] = Stored("int8", np.zeros(len(parts["weight"].data), np.int8))
        parts["weight_scales"] = Stored("plain", np.ones(layer.whole(0), np.float32))
        parts["input_scale"] = Stored("plain", np.ones(1, np.float32))
        model.write_text(graph.to_text())
        model.with_suffix(".bin").write_bytes(weights_to_bytes(graph, weights))
        with pytest.raises(NanodetError, match=rf"layer {layer.name}: is int8, .* fp32 or fp16"):
            import_model(model, config, out, report=silent)

    def test_another_resize_is_found_by_comparing(self, model, config, out):
        """Nearest for bilinear: nothing but the numbers can tell."""
        graph = Graph.load(model)
        resize = next(layer for layer in graph.layers if layer.kind == "Interp")
        resize.values[0] = "1"
        model.write_text(graph.to_text())
        with pytest.raises(
            NanodetError, match=r"torch and ncnn differ by .* in what layer \S+ "
        ) as e:
            import_model(model, config, out, report=silent)
        assert "(head.cls_convs.1.0.depthwise)" in str(e.value) or (
            "(head.cls_convs.0.0.depthwise)" in str(e.value)
        )

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"images": "/no/such/folder"}, "/no/such/folder: --images: there is no such folder"),
            ({"out": "/tmp"}, "/tmp: --out: a checkpoint ends in"),
            ({"config": "/no/such.yml"}, "cannot read this config"),
            ({"reading": Reading(list_path="l.txt")}, "--list: needs --images"),
            ({"param": "/no/such.param"}, "/no/such.param: there is no such model file"),
        ],
    )
    def test_arguments(self, model, config, out, options, words):
        arguments = {"param": model, "config": config, "out": out, **options}
        with pytest.raises(NanodetError, match=words):
            import_model(**arguments, report=silent)

    def test_out_is_a_folder(self, model, config, tmp_path):
        (tmp_path / "folder.ckpt").mkdir()
        with pytest.raises(NanodetError, match="is a folder"):
            import_model(model, config, tmp_path / "folder.ckpt", report=silent)

    def test_a_damaged_picture(self, model, config, out, pictures, tmp_path):
        folder = tmp_path / "damaged"
        shutil.copytree(pictures, folder)
        (folder / "07.png").write_bytes(b"")
        with pytest.raises(NanodetError, match=r"07\.png: this image is an empty file"):
            import_model(model, config, out, folder, report=silent)
