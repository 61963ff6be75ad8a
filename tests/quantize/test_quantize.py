"""`nanodet quantize` on real models: what it writes, what it promises, what it refuses."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from found_objects import write_found

from nanodet import Detector, NanodetError
from nanodet.compare.tensors import generated_picture
from nanodet.data.reading import Reading
from nanodet.export.stages import FP16, FP32
from nanodet.files.files import sha256
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.weights import load_weights, weights_to_bytes
from nanodet.quantize.quantize import quantize
from nanodet.runtime.spec import Spec
from nanodet.verify.verify import verify

PICTURES = 10


@pytest.fixture(scope="module")
def model(exported_small):
    return exported_small.files[FP32]


@pytest.fixture(scope="module")
def data(model, tmp_path_factory):
    """Images, and annotations that are what the floating-point model finds in them."""
    return write_found(tmp_path_factory.mktemp("data"), model, PICTURES)


@pytest.fixture(scope="module")
def quantised(exported_small, model, data, tmp_path_factory):
    """Everything in int8 that a drop of 20 AP allows, and the lines that were told.

    The model has scores per class.
    """
    out, lines = tmp_path_factory.mktemp("int8") / "new", []
    model = Path(shutil.copy(model, tmp_path_factory.mktemp("scored")))
    shutil.copy(exported_small.files[FP32].with_suffix(".bin"), model.parent)
    spec = Spec.load(exported_small.files[FP32].with_suffix(".json"))
    scored = {"class_scores": (0.3, 0.4, 0.5), "measured": {"class_scores": {"wish": "f1"}}}
    dataclasses.replace(spec, **scored).save(model.with_suffix(".json"))
    result = quantize(
        model, data / "images", out, data / "annotations.json", max_drop=20, layers="all",
        method="mse", report=lines.append,
    )  # fmt: skip
    return result, lines


def test_the_files_appear_and_nothing_else(quantised):
    result, _ = quantised
    folder = result.files[0].parent
    assert sorted(p.name for p in folder.iterdir()) == [
        "small-int8-layers.txt", "small-int8.bin", "small-int8.json", "small-int8.param",
    ]  # fmt: skip
    spec = Spec.load(folder / "small-int8.json")
    assert spec.files == {p.name: sha256(p) for p in result.files[:2]}
    assert spec.source["quantized_from"] == "small.param"
    assert spec.class_names == ("disc", "square", "Dreieck ü")


def test_scores_per_class_are_kept_and_told(quantised):
    result, lines = quantised
    spec = Spec.load(result.files[2])
    assert spec.class_scores == (0.3, 0.4, 0.5)
    assert spec.measured["class_scores"] == {"found_with": "small.param", "wish": "f1"}
    assert sum("nanodet eval --wish finds those of the int8 model" in line for line in lines) == 1


def test_it_detects_what_the_source_detects(quantised, model, data):
    result, _ = quantised
    ours, full = Detector(result.files[0], score=0.3), Detector(model, score=0.3)
    picture = generated_picture(3)
    assert len(full(picture)) > 0
    assert abs(len(ours(picture)) - len(full(picture))) <= max(3, len(full(picture)) // 3)


def test_the_files_hold_what_the_table_says(quantised):
    result, _ = quantised
    graph = Graph.load(result.files[0])
    weights = load_weights(result.files[1], graph, result.files[0])
    by_name = {layer.name: layer for layer in graph.layers}
    kinds = set()
    for report in result.layers:
        stored = weights[report.name]["weight"].storage
        assert stored == report.precision
        assert (by_name[report.name].whole(8) > 0) == (stored == "int8")
        kinds.add(stored)
    assert "int8" in kinds
    assert any(layer.whole(8) > 100 for layer in graph.layers)  # requantised in between


def test_a_summary_is_told_and_the_table_is_a_file(quantised):
    result, lines = quantised
    table = result.table.read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in table] == ["layer", *(one.name for one in result.layers)]
    assert len(lines) < 20 and lines[-1] == f"each layer  {result.table}"
    count = sum(one.precision == "int8" for one in result.layers)
    (layers,) = (line for line in lines if line.startswith("layers "))
    assert f" {count} of {len(result.layers)} convolutions in int8" in layers
    assert ("costs accuracy" in layers) == (count < len(result.layers))


def test_the_spec_keeps_the_measurements(quantised):
    result, _ = quantised
    kept = Spec.load(result.files[2]).measured["int8"]
    assert kept == json.loads(json.dumps(result.to_dict()))
    assert (kept["calibration_pictures"], kept["measuring_pictures"]) == (5, 5)
    assert kept["max_drop"] == 20
    assert kept["ap"]["fp32"] > 50
    assert kept["ap"]["drop"] == pytest.approx(kept["ap"]["fp32"] - kept["ap"]["int8"], abs=2e-3)
    assert kept["ap"]["drop"] <= 20
    assert kept["bytes"]["after"] < 0.45 * kept["bytes"]["before"]
    assert kept["bytes"]["after"] == sum(p.stat().st_size for p in result.files[:2])
    assert set(kept["network_ms_one_thread"]) >= {"fp32", "int8", "bf16"}
    layer = kept["layers"][0]
    assert layer["scale"] == pytest.approx(127 / layer["threshold"], rel=1e-3)
    assert all(one["sensitivity"] >= 0 for one in kept["layers"])
    assert max(one["sensitivity"] for one in kept["layers"]) > 1e-3


def test_the_same_seed_gives_the_same_files(quantised, model, data, tmp_path):
    again = quantize(
        model, data / "images", tmp_path, data / "annotations.json", max_drop=20, layers="all",
        method="mse", report=lambda line: None,
    )  # fmt: skip
    for ours, other in zip(again.files[:2], quantised[0].files[:2], strict=True):
        assert ours.read_bytes() == other.read_bytes()


def test_a_smaller_budget_gives_layers_back(quantised, model, data, tmp_path):
    """The budget is measured, not assumed: with next to none, layers return to floating point.

    One image calibrates: what several do costs this model nothing on some CPUs.
    """
    lines = []
    strict = quantize(
        model, data / "images", tmp_path, data / "annotations.json", max_drop=0.5, layers="all",
        method="max", limit=1, report=lines.append,
    )  # fmt: skip
    assert strict.to_dict()["ap"]["drop"] <= 0.5
    back = [one for one in strict.layers if one.reason == "costs accuracy"]
    assert back
    tried = [int(line.split()[0]) for line in lines if " layers in int8: " in line]
    kept = sum(one.precision == "int8" for one in strict.layers)
    assert tried[0] == kept + len(back) and tried[-1] == kept
    # those that were given back cost more than those that stay, on the whole
    stay = [one.sensitivity for one in strict.layers if one.precision == "int8"]
    assert not stay or min(one.sensitivity for one in back) >= max(stay)


def command(root, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "nanodet.cli.main", "quantize", *map(str, arguments)], cwd=root,
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip


def test_without_annotations_detections_are_compared(root, exported_small, data, tmp_path):
    """Through the command, from 16-bit weights; layers by time are this machine's matter."""
    half = exported_small.files[FP16]
    done = command(
        root, half, "--images", data / "images", "--method", "mse", "--layers", "all", "--limit", 4,
        "--out", tmp_path / "o",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "calibrating on 4 images" in done.stdout
    assert "have a twin" in done.stdout
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "small-int8-layers.txt", "small-int8.bin", "small-int8.json", "small-int8.param",
    ]  # fmt: skip
    kept = Spec.load(tmp_path / "o" / "small-int8.json").measured["int8"]
    assert kept["ap"] == {}
    assert 0.9 <= kept["twins"] <= 1


def test_a_network_rewritten_for_x86(exported_rewritten, data, tmp_path):
    """Maps stay maps, and convolutions that pick channels stay in floating point."""
    model = exported_rewritten.files[FP32]
    param, _, json_file = quantize(
        model, data / "images", tmp_path, data / "annotations.json", limit=2, layers="all",
        method="mse", max_drop=50, report=lambda line: None,
    ).files  # fmt: skip
    source, spec = Spec.load(model.with_suffix(".json")), Spec.load(json_file)
    assert spec.layout == "maps" and spec.rewriting == source.rewriting
    graph = Graph.load(model)
    weights = load_weights(model.with_suffix(".bin"), graph, model)
    picks = {n for n, parts in weights.items() if np.isin(parts["weight"].values, (0, 1)).all()}
    int8 = {one.name for one in Graph.load(param).layers if "Conv" in one.kind and one.whole(8)}
    assert picks and int8 and not picks & int8
    assert len(Detector(param, score=0.3)(generated_picture(3))) > 0


class TestConfig:
    """Without --images: data.train calibrates, data.val measures."""

    @pytest.fixture
    def write(self, model, data, tmp_path):
        """Return a function that writes the config that an export leaves, with other data."""

        def write(path, **val):
            exported = model.parent / "intermediate" / "small-config.yml"
            config = yaml.safe_load(exported.read_text(encoding="utf-8"))
            section = {
                "name": "coco", "img_path": str(data / "images"),
                "ann_path": str(data / "annotations.json"), "input_size": [160, 96],
            }  # fmt: skip
            for name, part in (("train", range(6)), ("val", range(4, 10))):
                listed = tmp_path / f"{name}.txt"
                listed.write_text("".join(f"{n}.png\n" for n in part))
                config["data"][name] = {**section, "list_path": str(listed)}
            config["data"]["val"] |= val
            path.parent.mkdir(exist_ok=True)
            path.write_text(yaml.safe_dump(config), encoding="utf-8")
            return path

        return write

    def test_that_of_the_export_is_found(self, model, write, tmp_path):
        for suffix in (".param", ".bin", ".json"):
            shutil.copy(model.with_suffix(suffix), tmp_path)
        config, lines = write(tmp_path / "intermediate" / "small-config.yml"), []
        result = quantize(
            tmp_path / "small.param", None, tmp_path / "out", limit=5, max_drop=50, layers="all",
            method="max", report=lines.append,
        )  # fmt: skip
        assert lines[0].startswith(f"5 of 6 images calibrate, data.train of {config}: ")
        # of the two in both lists, those that calibrate do not measure
        both = int(lines[1][0])
        assert lines[1] == f"{both} of 6 images measure, {lines[1].partition(', ')[2]}"
        assert 4 <= both <= 5 and f"data.val of {config}: " in lines[1]
        assert (result.calibration, result.measured) == (5, both)
        assert result.accuracy["fp32"] > 50

    def test_what_cannot_be_taken_is_one_line(self, model, write, tmp_path):
        shutil.copytree(model.parent, tmp_path / "alone")
        shutil.rmtree(tmp_path / "alone" / "intermediate")
        alone, options = tmp_path / "alone" / "small.param", {"report": lambda line: None}
        with pytest.raises(NanodetError, match="no config says what data belongs to it; give --im"):
            quantize(alone, None, tmp_path / "o", **options)
        config = write(tmp_path / "c.yml", img_path="/no/such")
        with pytest.raises(
            NanodetError, match=r"c\.yml: data\.val\.img_path: /no/such does not exist"
        ):
            quantize(alone, None, tmp_path / "o", config=config, **options)
        train = yaml.safe_load(config.read_text())["data"]["train"]
        (tmp_path / "link").symlink_to(Path(train["img_path"]).absolute())
        for folder in (train["img_path"], str(tmp_path / "link")):  # however the paths are written
            same = write(tmp_path / "c.yml", list_path=str(tmp_path / "train.txt"), img_path=folder)
            with pytest.raises(
                NanodetError, match=r"data\.val: has no image other than those used to cal"
            ):
                quantize(alone, None, tmp_path / "o", config=same, **options)
        with pytest.raises(NanodetError, match="--list: needs --images"):
            quantize(alone, None, tmp_path / "o", config=same, reading=Reading(list_path="l"),
                     **options)  # fmt: skip
        assert not (tmp_path / "o").exists()


class TestRefusals:
    """One line, and no output."""

    def refused(self, tmp_path, words, *arguments, **options):
        out = tmp_path / "out"
        with pytest.raises(NanodetError, match=words) as caught:
            quantize(*arguments, out, report=lambda line: None, **options)
        assert "\n" not in str(caught.value)
        assert not out.exists() or not any(out.iterdir())

    def test_no_pictures(self, model, data, tmp_path):
        self.refused(tmp_path, "--images: there is no such folder", model, tmp_path / "none")
        (tmp_path / "empty").mkdir()
        self.refused(tmp_path, "--images: holds no image", model, tmp_path / "empty")
        (tmp_path / "one").mkdir()
        shutil.copy(data / "images" / "0.png", tmp_path / "one")
        self.refused(tmp_path, "needs at least 2 images", model, tmp_path / "one")

    def test_what_is_no_ncnn_model(self, model, data, tmp_path):
        self.refused(tmp_path, "is a folder", model.parent, data / "images")
        self.refused(tmp_path, "only an ncnn model", model.with_suffix(".onnx"), data / "images")
        self.refused(tmp_path, "there is no such model file", "nanodet-m_999", data / "images")
        self.refused(tmp_path, "--seed: must not be negative", model, data / "images", seed=-1)

    def test_a_model_in_int8(self, quantised, data, tmp_path):
        self.refused(tmp_path, "quantised already", quantised[0].files[0], data / "images")

    def test_annotations_of_other_classes(self, model, data, tmp_path):
        text = json.loads((data / "annotations.json").read_text())
        text["categories"].append({"id": 4, "name": "fourth"})
        text["annotations"].append({**text["annotations"][0], "id": 999, "category_id": 4})
        (tmp_path / "four.json").write_text(json.dumps(text))
        self.refused(
            tmp_path, "four.json: .*fourth", model, data / "images",
            annotations=tmp_path / "four.json",
        )  # fmt: skip

    def test_a_broken_picture(self, model, data, tmp_path):
        shutil.copytree(data / "images", tmp_path / "images")
        for path in (tmp_path / "images").iterdir():
            path.write_bytes(path.read_bytes()[:500])
        self.refused(tmp_path, "png: this image is truncated", model, tmp_path / "images")

    def test_annotations_without_objects(self, model, data, tmp_path):
        text = json.loads((data / "annotations.json").read_text())
        text["annotations"] = []
        (tmp_path / "none.json").write_text(json.dumps(text))
        self.refused(
            tmp_path, "none.json: nothing to measure", model, data / "images",
            annotations=tmp_path / "none.json",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--max-drop", "-1"], "'-1' is not a number from 0 to 100"),
            (["--seed", "x"], "invalid int value: 'x'"),
            (["--limit", "0"], "'0' is not a whole number above 0"),
            (["--method", "guess"], "invalid choice: 'guess'"),
        ],
    )
    def test_arguments(self, root, model, tmp_path, arguments, words):
        done = command(root, model, "--images", tmp_path, "--out", tmp_path / "o", *arguments)
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr


class TestVerify:
    """`nanodet verify` on what was really made: faults too small to move a tenth of the detections."""

    @pytest.fixture
    def copy(self, quantised, tmp_path):
        for path in quantised[0].files:
            shutil.copy(path, tmp_path)
        return tmp_path / quantised[0].files[0].name

    def verified(self, model, param, data):
        report = verify(model, [param], images=data / "images")
        return next(row for row in report.rows if row.kind == "int8")

    def change(self, param, part, edit):
        """Change an array of the first int8 layer with more than 1000 weights; make the hash right."""
        graph = Graph.load(param)
        weights = load_weights(param.with_suffix(".bin"), graph, param)
        name = next(
            name for name, parts in weights.items()
            if parts["weight"].storage == "int8" and len(parts["weight"].data) > 1000
        )  # fmt: skip
        edit(weights[name][part].data)
        param.with_suffix(".bin").write_bytes(weights_to_bytes(graph, weights))
        spec = Spec.load(param.with_suffix(".json"))
        files = {file: sha256(param.with_name(file)) for file in spec.files}
        dataclasses.replace(spec, files=files).save(param.with_suffix(".json"))
        return name

    def test_as_made(self, model, copy, data):
        assert not [
            text for part, text in self.verified(model, copy, data).faults if part == "network"
        ]

    def test_one_weight(self, model, copy, data):
        def flip(values):
            values[7] = -127 if values[7] > 0 else 127

        name = self.change(copy, "weight", flip)
        faults = self.verified(model, copy, data).faults
        assert any(part == "network" and name in text and "weight" in text for part, text in faults)

    def test_one_input_scale(self, model, copy, data):
        name = self.change(copy, "input_scale", lambda values: values.__imul__(1.6))
        faults = self.verified(model, copy, data).faults
        assert any(f"layer {name}: its input scale is" in text for _, text in faults)
