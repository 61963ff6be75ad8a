"""What is said of both sets before the first step, and what ends a training there."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from turned_pictures import annotate, write_turned

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.errors import NanodetError
from nanodet.train.sets import read_both_sets
from nanodet.train.trainer import train


def changed(annotations, path, change):
    """Write a copy of COCO annotations that ``change`` was called with."""
    content = json.loads(annotations.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return str(path)


def crowds(content):
    for entry in content["annotations"]:
        entry["iscrowd"] = 1


def test_each_set_is_one_line(small_config):
    lines = []
    read_both_sets(load_config(small_config()), "c.yml", lines.append)
    assert len(lines) == 2
    assert lines[0].startswith("data.train: 24 images, ")
    assert lines[1].startswith("data.val: 8 images, ")
    for name in ("circle", "square", "triangle", "star"):
        assert f"{name} " in lines[0]


def test_the_first_problems_of_a_set_are_told(small_config, tmp_path):
    config, lines = load_config(small_config()), []

    def outside(content):
        for entry in content["annotations"][:7]:
            entry["bbox"] = [500.0, 2, 9, 9]

    config.data.val.ann_path = changed(
        Path(config.data.val.ann_path), tmp_path / "outside.json", outside
    )
    read_both_sets(config, "c.yml", lines.append)
    start = lines.index("data.val: 7 problems in the annotations:")
    assert all("outside.json: " in line for line in lines[start + 1 : start + 6])
    assert lines[start + 6] == "  and 2 more"


def test_a_class_without_boxes_and_images_of_both_sets_are_told(small_config, tmp_path):
    config, lines = load_config(small_config()), []
    read_both_sets(config, "c.yml", lines.append)
    rare = config.class_names[0]

    def without_rare(content):
        (unwanted,) = (c["id"] for c in content["categories"] if c["name"] == rare)
        content["annotations"] = [a for a in content["annotations"] if a["category_id"] != unwanted]

    section = config.data.train
    section.ann_path = changed(Path(section.ann_path), tmp_path / "a.json", without_rare)
    config.data.val = dataclasses.replace(section)
    lines.clear()
    read_both_sets(config, "c.yml", lines.append)
    told = [line for line in lines if line.startswith("warning")]
    assert told[0] == f"warning: data.train: no boxes of {rare}, which will not be learned"
    assert told[1].startswith("warning: 24 of the 24 images of data.val are also in data.train")
    assert len(told) == 2


@pytest.mark.parametrize("change", [crowds, lambda content: content.update(annotations=[])])
def test_nothing_to_learn_ends_before_anything_is_written(
    small_config, shapes, tmp_path, capsys, change
):
    path = changed(shapes[0][1], tmp_path / "none.json", change)
    assert main(["train", str(small_config(**{"data.train.ann_path": path}))]) == 1
    assert "data.train: nothing to learn: " in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_bad_pictures_of_both_sets_are_named_before_the_first_step(
    small_config, tmp_path, shapes, capsys
):
    changes = {}
    for part, (pictures, _) in zip(("train", "val"), shapes, strict=True):
        folder = tmp_path / part
        shutil.copytree(pictures, folder)
        for number, keep in (("0001", 0.5), ("0003", 0)):
            file = folder / f"{number}.jpg"
            file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
        changes[f"data.{part}.img_path"] = str(folder)
    assert main(["train", str(small_config(**changes))]) == 1
    error = capsys.readouterr().err
    assert "4 images cannot be used: " in error
    for part in ("train", "val"):
        assert f"{tmp_path / part / '0001.jpg'}: this image is truncated" in error
        assert f"{tmp_path / part / '0003.jpg'}: this image is an empty file" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change", [crowds, lambda content: content.update(annotations=[])])
def test_without_objects_to_validate_on_no_checkpoint_is_called_best(
    small_config, shapes, tmp_path, change
):
    path = changed(shapes[1][1], tmp_path / "none.json", change)
    config = load_config(
        small_config(
            **{
                "data.val.ann_path": path, "schedule.val_intervals": 1,
                "schedule.early_stopping": {"patience": 0},
            }
        )
    )  # fmt: skip
    lines = []
    assert train(config, "c.yml", lines.append) is None
    text = "\n".join(lines)
    assert "warning: data.val: has no objects" in text
    assert "best checkpoint" not in text
    assert "AP" not in text.replace("mAP", "")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {
        "config.yml", "metrics.csv", "model_last.ckpt", "tensorboard", "train_samples.jpg",
    }  # fmt: skip
    assert "epoch 2/2" in text  # and nothing stopped early


def test_the_key_to_set_is_that_of_the_set(small_config, tmp_path):
    (tmp_path / "images").mkdir()
    write_turned(tmp_path / "images" / "a.jpg", 8)
    labels = annotate(tmp_path, "yolo", {"a.jpg": True})
    changes = {
        "name": "YoloDataset", "img_path": str(tmp_path / "images"), "ann_path": str(labels),
    }  # fmt: skip
    config = small_config(**{f"data.val.{key}": value for key, value in changes.items()})
    with pytest.raises(NanodetError, match=r"data\.val\.orientation: turned .* data\.val\.orient"):
        read_both_sets(load_config(config), "c.yml", print)
    right = load_config(config, ["data.val.orientation=turned"])
    ((x1, y1, x2, y2),) = read_both_sets(right, "c.yml", print)[1].pictures[0].boxes.tolist()
    assert (round(x2 - x1), round(y2 - y1)) == (12, 22)
