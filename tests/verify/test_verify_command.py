"""`nanodet verify` as a user runs it: the table, the JSON, the exit status, bad input."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys

import cv2
import pytest
from faults import edit_spec, edit_weights, one_weight, quantise, update_hashes

from nanodet import Detector, NanodetError
from nanodet.compare.outputs import BRAIN, FULL, HALF
from nanodet.compare.tensors import generated_picture
from nanodet.export import onnx_nms
from nanodet.export.export import export
from nanodet.export.stages import FP16, FP32, SIMPLIFIED
from nanodet.runtime.engines.ncnn import has_fp16_arithmetic
from nanodet.runtime.engines.onnx import OnnxBackend
from nanodet.verify.report import format_report
from nanodet.verify.verify import verify

# a user without torch: what is not in the bare install cannot be imported
WITHOUT_TORCH = """
import sys
for name in ("torch", "torchvision", "onnx", "pytorch_lightning", "pycocotools", "matplotlib"):
    sys.modules[name] = None
from nanodet.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(root, *arguments, start=("-m", "nanodet.cli.main")):
    return subprocess.run(
        [sys.executable, *start, "verify", *map(str, arguments)], cwd=root, capture_output=True,
        text=True, timeout=300, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip


def error_lines(done):
    """Return what a run wrote to stderr; a busy machine also tells how far it is."""
    return [line for line in done.stderr.splitlines() if not line.endswith("a second")]


@pytest.fixture
def copy(exported_small, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(exported_small.files[FP32].parent, folder)
    return folder


@pytest.fixture
def pictures(small_checkpoint, tmp_path):
    """Four images, annotated with what the checkpoint finds in them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    detector = Detector(small_checkpoint, fit="letterbox")
    names = detector.class_names
    truth = {
        "categories": [{"id": i, "name": name} for i, name in enumerate(names)],
        "images": [], "annotations": [],
    }  # fmt: skip
    for i in range(4):
        picture = generated_picture(i)
        cv2.imwrite(str(folder / f"{i}.png"), picture)
        height, width = picture.shape[:2]
        truth["images"].append({"id": i, "file_name": f"{i}.png", "width": width, "height": height})
        found = detector(picture)
        for box, label in zip(found.xyxy.tolist(), found.class_id.tolist(), strict=True):
            left, top, right, bottom = box
            truth["annotations"].append({
                "id": len(truth["annotations"]) + 1, "image_id": i, "category_id": label,
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top), "iscrowd": 0,
            })  # fmt: skip
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return folder, tmp_path / "truth.json"


@pytest.mark.slow
def test_not_square_through_every_stage(root, small_checkpoint, tmp_path):
    exported = export(
        small_checkpoint, tmp_path / "out", size=(512, 288), report=lambda line: None, nms=True
    )
    full = exported.files[FP32]
    assert exported.spec.source["size"] == [512, 288]
    quantise(full, tmp_path / "out" / "small-int8.param", only="convrelu_36")
    done = run(root, small_checkpoint, tmp_path / "out", "--json", tmp_path / "new" / "v.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert error_lines(done) == []
    report = json.loads((tmp_path / "new" / "v.json").read_text())
    assert report["agrees"] and report["reference"] == str(small_checkpoint)
    assert report["reference_ap"] == [{"input": "letterbox 512x288", "AP": None}]
    stages = {stage["name"]: stage for stage in report["stages"]}
    verdicts = {name: stage["verdict"] for name, stage in stages.items()}
    arithmetic = "agrees" if has_fp16_arithmetic() else "not run"
    openvino = verdicts.pop("openvino")
    assert openvino in ("agrees", "not run")
    assert verdicts == {
        "onnx as exported": "agrees", "onnx simplified": "agrees", "onnx with boxes": "agrees",
        "ncnn fp32": "agrees", "ncnn fp16 storage": "agrees", "ncnn int8": "agrees",
        "ncnn bf16 storage": "agrees", "ncnn fp16 arithmetic": arithmetic,
    }  # fmt: skip
    for name, tolerance in (("ncnn fp32", FULL), ("ncnn fp16 storage", HALF),
                            ("ncnn bf16 storage", BRAIN)):  # fmt: skip
        result = stages[name]["result"]
        assert result["tolerance"]["score"] == tolerance.score
        assert 0 < result["score_mean"] < result["score_max"] < tolerance.score
        assert 0 < result["edge_mean"] < result["edge_most"] <= result["edge_max"]
        assert stages[name]["twins"] > 0 and stages[name]["detections"] > 10
        assert stages[name]["input_max"] == 0
    assert stages["ncnn int8"]["result"]["tolerance"] is None
    agreeing = [*verdicts.values(), openvino].count("agrees")
    assert done.stdout.splitlines()[-1].startswith(f"{agreeing} stages agree with ")
    for name, verdict in verdicts.items():
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
        assert verdict in line


def test_a_fault_ends_in_one_line_and_status_1(root, small_checkpoint, copy, tmp_path):
    edit_weights(copy / "small.param", one_weight("conv_111"))
    edit_spec(copy / "small-fp16.json", output__strides=[8, 16, 64])
    out = tmp_path / "v.json"
    done = run(root, small_checkpoint, copy, "--json", out)
    assert done.returncode == 1
    (line,) = error_lines(done)
    assert line.startswith("nanodet: error: verify: 2 of 7 stages differ from ")
    assert "ncnn fp32 (files, network)" in line and "ncnn fp16 storage (decoding)" in line
    assert (
        "ncnn fp16 storage: decoding: output.strides: [8, 16, 64], but the checkpoint has "
        "[8, 16, 32]" in done.stdout
    )
    assert "at head.gfl_cls.0 (layer conv_111): 1 of 3360 weights differs, by 0.1" in done.stdout
    stages = {stage["name"]: stage for stage in json.loads(out.read_text())["stages"]}
    assert stages["ncnn fp16 storage"]["keys"] == ["output.strides"]
    assert stages["onnx simplified"]["verdict"] == "agrees"


def test_exported_files_without_torch(root, exported_small, tmp_path):
    files = exported_small.files
    script = tmp_path / "bare.py"
    script.write_text(WITHOUT_TORCH)
    done = run(root, files[FP32], files[FP32].parent, start=(script,))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reference, fp32, letterbox 160x96" in done.stdout
    for name in ("onnx simplified", "ncnn fp16 storage", "ncnn bf16 storage"):
        line = next(line for line in done.stdout.splitlines() if line.startswith(name))
        assert line.endswith("agrees")
    assert "ncnn fp32" not in done.stdout  # the reference beside itself proves nothing
    changed = tmp_path / "changed.param"
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(files[FP32].with_suffix(suffix), changed.with_suffix(suffix))
    edit_weights(changed, one_weight("conv_111", by=0.5))
    done = run(root, files[FP16], changed, start=(script,))
    assert done.returncode == 1
    assert "at conv_111: 1 of 3360 weights differs, by 0.5" in done.stdout


def test_average_precision_of_each_stage(exported_small, small_checkpoint, pictures, copy):
    folder, truth = pictures
    edit_spec(copy / "small-fp16.json", output__point_offset=0.0)
    models = [copy / name for name in ("small.onnx", "small.param", "small-fp16.param")]
    report = verify(small_checkpoint, models, images=folder, annotations=truth)
    rows = {row.name: row for row in report.rows}
    ((words, ap),) = report.groups
    assert words == "letterbox 160x96" and ap > 90
    for name in ("onnx simplified", "ncnn fp32"):
        assert rows[name].ap == pytest.approx(ap, abs=0.05) and rows[name].verdict == "agrees"
    half = rows["ncnn fp16 storage"]
    assert half.ap < ap and half.ap_change == pytest.approx(half.ap - ap)
    assert [part for part, _ in half.faults] == ["decoding", "decoding", "AP"]
    assert half.faults[1][1].endswith("boxes up to 16 px away")
    text = format_report(report)
    assert f"{ap:.2f}" in text and f"{half.ap:.2f}, but the reference has {ap:.2f}" in text
    limited = verify(small_checkpoint, models[:1], images=folder, annotations=truth, limit=2)
    assert limited.pictures == "2 annotated images"


def test_class_agnostic_nms_is_noted_and_compared_alike(
    exported_small, small_checkpoint, pictures, copy, tmp_path
):
    """A file whose graph has NMS over all classes is measured against the reference with the same."""
    edit_spec(copy / "small-fp16.json", format=3, thresholds__class_agnostic_nms=True,
              output__form="distributions")  # fmt: skip
    onnx = OnnxBackend(exported_small.files[SIMPLIFIED])
    over_all = dataclasses.replace(onnx.spec, class_agnostic_nms=True)
    onnx_nms.write(exported_small.files[SIMPLIFIED], tmp_path / "small-nms.onnx", over_all)
    models = [copy / "small.param", copy / "small-fp16.param", tmp_path / "small-nms.onnx"]
    folder, truth = pictures
    report = verify(small_checkpoint, models, images=folder, annotations=truth)
    assert report.agrees
    aps = dict(report.groups)
    assert set(aps) == {"letterbox 160x96", "letterbox 160x96, class-agnostic NMS"}
    rows = {row.path.name: row for row in report.rows}
    note = "thresholds.class_agnostic_nms: true, not false"
    assert {name for name, row in rows.items() if note in row.notes} == {
        "small-fp16.param", "small-nms.onnx"
    }  # fmt: skip
    boxes = rows["small-nms.onnx"]
    assert boxes.twins > 0.99
    assert boxes.ap == pytest.approx(aps["letterbox 160x96, class-agnostic NMS"], abs=0.05)


def test_nothing_to_judge_int8_by_is_said(exported_small, tmp_path):
    """Grey images, in which no model finds anything."""
    quantise(exported_small.files[FP32], tmp_path / "int8.param")
    (tmp_path / "grey").mkdir()
    strict = tmp_path / "reference.param"
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(exported_small.files[FP32].with_suffix(suffix), strict.with_suffix(suffix))

    def no_scores(weights, graph):
        for name in ("conv_111", "conv_114", "conv_117"):
            weights[name]["bias"].data[:3] = -20

    for param in (strict, tmp_path / "int8.param"):
        edit_weights(param, no_scores)
        mapping = json.loads(param.with_suffix(".json").read_text())
        from nanodet.files.files import sha256

        mapping["files"] = {path.name: sha256(path) for path in (param, param.with_suffix(".bin"))}
        param.with_suffix(".json").write_text(json.dumps(mapping))
    report = verify(strict, [tmp_path / "int8.param"])
    row = report.rows[0]
    assert (row.verdict, row.twins, report.agrees) == ("not judged", None, True)
    assert "give --images" in format_report(report)
    assert "1 not judged" in report.summary()


def test_exports_of_one_name_in_two_folders(exported_small, tmp_path):
    """The faults of the first are its own, whatever follows it."""
    for folder in ("arm", "x86"):
        shutil.copytree(exported_small.files[FP32].parent, tmp_path / folder)
    edit_weights(tmp_path / "arm" / "small.param", one_weight("conv_111"))
    models = [tmp_path / folder / "small.param" for folder in ("arm", "x86")]
    report = verify(exported_small.files[SIMPLIFIED], models)
    assert not report.agrees
    names = ["ncnn fp32 (arm/small)", "ncnn fp32 (x86/small)"]
    first, second = (next(row for row in report.rows if row.name == name) for name in names)
    assert (first.path, first.verdict) == (models[0], "differs")
    assert (second.path, second.verdict, second.faults) == (models[1], "agrees", [])
    assert "ncnn fp32 (arm/small) (files, network)" in report.summary()
    assert len({row.name for row in report.rows}) == len(report.rows) == 6


def test_images_without_objects_do_not_spare_int8_a_verdict(
    exported_small, small_checkpoint, pictures, tmp_path
):
    """Without AP it is judged by its detections."""
    folder, path = pictures
    truth = json.loads(path.read_text())
    truth["annotations"] = [one for one in truth["annotations"] if one["image_id"] > 0]
    path.write_text(json.dumps(truth))
    model = tmp_path / "int8.param"
    quantise(exported_small.files[FP32], model)

    def no_scores(weights, graph):
        for name in ("conv_111", "conv_114", "conv_117"):
            weights[name]["bias"].data[:3] = -20

    edit_weights(model, no_scores)
    update_hashes(model)
    report = verify(small_checkpoint, model, images=folder, annotations=path, limit=1)
    (row,) = report.rows
    assert (row.ap, row.twins, row.verdict) == (None, 0, "differs")
    assert next(part for part, _ in row.faults) == "detections"


class TestRefusals:
    @pytest.mark.parametrize(
        ("models", "options", "words"),
        [
            (["/no/such"], {}, "/no/such: there is no such file or folder"),
            (["empty"], {}, "empty: holds no exported model"),
            (["small.json"], {}, "small.json: not an exported model"),
            (["small.onnx"], {"annotations": "truth.json"}, "--annotations: needs --images"),
            (["small.onnx"], {"images": "/no/such"}, "/no/such: --images: there is no such folder"),
            (["small.onnx"], {"images": "empty"}, "--images: holds no image"),
            (["small.onnx"], {"images": ".", "annotations": "no.json"}, "no.json"),
            (["small.onnx"], {"json_path": "/proc/v.json"}, "/proc"),
            (["small.onnx"], {"config": "/no/such.yml"}, "/no/such.yml"),
        ],
    )
    def test_arguments(self, small_checkpoint, copy, monkeypatch, models, options, words):
        monkeypatch.chdir(copy)
        (copy / "empty").mkdir()
        with pytest.raises(NanodetError, match=words):
            verify(small_checkpoint, models, **options)

    def test_nothing_but_the_reference(self, copy):
        with pytest.raises(NanodetError, match="nothing to compare: no model but the reference"):
            verify(copy / "small.onnx", copy / "small.onnx")

    def test_reference(self, copy, tmp_path):
        broken = tmp_path / "broken.ckpt"
        broken.write_bytes(b"PK\x03\x04nonsense")
        with pytest.raises(NanodetError, match=r"broken\.ckpt: not a checkpoint, or damaged"):
            verify(broken, [copy])
        edit_weights(copy / "small.param", one_weight("conv_111"))
        with pytest.raises(NanodetError, match="SHA-256 differs"):
            verify(copy / "small.param", [copy])

    def test_command(self, root, small_checkpoint, tmp_path):
        done = run(root, small_checkpoint, tmp_path / "none", "--json", tmp_path / "v.json")
        assert done.returncode == 1
        assert done.stderr == (
            f"nanodet: error: {tmp_path / 'none'}: there is no such file or folder\n"
        )
        assert not (tmp_path / "v.json").exists()

    def test_another_size_than_a_fixed_reference(self, exported_small, copy):
        edit_spec(copy / "small.json", input__any_size=False)
        edit_spec(copy / "small-fp16.json", input__width=192)
        with pytest.raises(NanodetError, match=r"192x96, but .* was exported for 160x96 only"):
            verify(copy / "small.param", [copy / "small-fp16.param"])


@pytest.mark.slow
def test_nanodet_m_on_coco(shared, root, coco_mini, tmp_path):
    """The table of docs/verify.md: AP of each stage over 500 images."""
    checkpoint, config = (
        shared / "weights" / "nanodet-m_320.ckpt",
        root / "config" / "nanodet-m.yml",
    )
    export(checkpoint, tmp_path, config, report=lambda line: None)
    report = verify(
        checkpoint, [tmp_path], config, coco_mini / "images", coco_mini / "annotations.json"
    )
    assert report.agrees, format_report(report)
    rows = {row.name: row for row in report.rows}
    for name, allowed in (
        ("onnx as exported", 0.05), (SIMPLIFIED, 0.05), (FP32, 0.05), ("ncnn fp16 storage", 0.1),
        ("ncnn bf16 storage", 0.3),
    ):  # fmt: skip
        assert abs(rows[name].ap_change) <= allowed
        assert rows[name].twins > 0.98
    assert report.groups[0][1] == pytest.approx(19.44, abs=0.1)
