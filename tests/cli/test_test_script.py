"""``python tools/test.py``: AP and result files of an exported model, as real processes."""

import json
import os
import subprocess
import sys

import cv2
import pytest
from box_model import write_box_model
from moving_pictures import grey

from nanodet.config import load_config, save_config

pytest.importorskip("pycocotools")


@pytest.fixture
def project(root, tmp_path):
    """A function: COCO content and changes to the config to a folder with model, config, data."""
    write_box_model(tmp_path / "box.onnx")
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), grey(150))
    content = {
        "images": [{"id": 9, "file_name": "a.png", "width": 128, "height": 96}],
        "categories": [{"id": 4, "name": "lamp"}, {"id": 2, "name": "dark"}],
    }

    def write(*overrides, **more):
        (tmp_path / "a.json").write_text(json.dumps(content | more))
        data = {
            "name": "CocoDataset",
            "img_path": f"{tmp_path}/images",
            "ann_path": f"{tmp_path}/a.json",
        }
        changes = [f"data.val.{key}={value}" for key, value in data.items()]
        changes += ["model.arch.head.num_classes=2", "class_names=[dark, lamp]"]
        config = load_config(
            root / "config" / "nanodet-m.yml", [*changes, f"save_dir={tmp_path}/out", *overrides]
        )
        save_config(config, tmp_path / "c.yml")
        return tmp_path

    return write


def script(root, folder, task):
    done = subprocess.run(
        [sys.executable, str(root / "tools/test.py"), "--task", task, "--config", "c.yml",
         "--model", "box.onnx", "--save_result"],
        cwd=folder, capture_output=True, text=True, timeout=120, env=dict(os.environ),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_pictures_without_annotations_get_results(root, project):
    folder = project()
    done = script(root, folder, "test")
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = json.loads((folder / "out" / "results_test.json").read_text())
    assert (found["image_id"], found["category_id"]) == (9, 4)
    assert found["bbox"] == pytest.approx([24, 18, 64, 48], abs=0.01)
    done = script(root, folder, "val")
    assert done.returncode == 1 and "no list 'annotations'" in done.stderr


def test_val_prints_ap(root, project):
    folder = project(
        annotations=[{"id": 1, "image_id": 9, "category_id": 4, "bbox": [24, 18, 64, 48]}]
    )
    done = script(root, folder, "val")
    assert done.returncode == 0, done.stderr
    assert "100.0" in done.stdout and "lamp" in done.stdout
    lines = (folder / "out" / "eval_results.txt").read_text().splitlines()
    values = dict(line.split(": ") for line in lines)
    assert list(values) == ["mAP", "AP_50", "AP_75", "AP_small", "AP_m", "AP_l"]
    assert float(values["mAP"]) == pytest.approx(1) and float(values["AP_small"]) == -1


@pytest.mark.parametrize("task", ["val", "test"])
def test_classes_must_be_the_models(root, project, task):
    names = [{"id": n, "name": str(n)} for n in range(3)]
    folder = project(
        "model.arch.head.num_classes=3", "class_names=[a, b, c]", categories=names, annotations=[]
    )
    done = script(root, folder, task)
    assert done.returncode == 1
    assert done.stderr == (
        f"nanodet: error: {folder}/a.json: none of its classes (0, 1, 2) is in box.onnx (dark, lamp): "
        "give both the same names\n"
    )
    assert not (folder / "out").exists()


def test_the_output_is_tried_first(root, project):
    folder = project(images=[])
    (folder / "out").touch()
    done = script(root, folder, "test")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"{folder}/out is a file" in done.stderr
