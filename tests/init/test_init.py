"""`nanodet init`: from folders as tools lay them out to a training, without an edit."""

import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from layouts import LAYOUTS, SPLITS, TRAIN, VAL, coco_cameras, state, voc_image_folders

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.config.data_sections import Pipeline
from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError
from nanodet.init import start
from nanodet.init.machine import Machine
from nanodet.init.models import template
from nanodet.model.checkpoint import KEY, carried
from nanodet.train.trainer import train


def images_of(section, names):
    found = read_annotations(
        section.name, section.img_path, section.ann_path, section.list_path, names
    )
    return [int(picture.path.stem) for picture in found.pictures]


# tests/data/test_discover.py reads all layouts; those with a split of their own need nothing else of init
DIVIDED = [one for one, (_, _, val) in LAYOUTS.items() if val is not None]


@pytest.mark.parametrize(
    "layout",
    [pytest.param(one, marks=[pytest.mark.slow] if one in DIVIDED[2:] else []) for one in LAYOUTS],
)
def test_every_layout_gets_a_config_whose_sets_are_apart(layout, written):
    config = written(layout)
    train_set, val_set = (
        images_of(section, config.class_names) for section in (config.data.train, config.data.val)
    )
    assert not set(train_set) & set(val_set)
    if LAYOUTS[layout][2] is None:
        assert sorted(train_set + val_set) == list(range(LAYOUTS[layout][1]))
        assert config.data.val.list_path == "shapes-val.txt"
    else:
        assert sorted(val_set) == list(VAL)


@pytest.mark.parametrize(
    "layout",
    ["voc", *(pytest.param(one, marks=pytest.mark.slow) for one in LAYOUTS if one != "voc")],
)
def test_it_trains(layout, written, tmp_path):
    config = written(layout, "--size", "64")
    config.schedule.total_epochs = 1
    train(config, "shapes.yml")
    assert (tmp_path / "workspace" / "shapes" / "model_best" / "model_best.ckpt").is_file()


def test_what_is_written_is_short_and_says_why(written, capsys, tmp_path):
    written("voc", "--size", "96", "--seed", "7")
    text = (tmp_path / "shapes.yml").read_text()
    assert len(text.splitlines()) < 60
    for words in (
        "# 8 images, ",
        "class_names: [circle, square, star, triangle]",
        "input_size: [96, 96]",
        "list_path: shapes-train.txt # split by nanodet init, seed 7",
        "of decoded images",
        "for 4 or more batches of 8 images",
    ):
        assert words in text
    said = capsys.readouterr().out
    assert said.rstrip().endswith("next: nanodet train shapes.yml")
    assert "shapes-val.txt" in said
    assert "circle" in said


def test_images_of_the_same_name_in_two_folders_are_told_apart(written, drawn, tmp_path):
    coco_cameras(tmp_path / "shapes", drawn)
    assert main(["init", "shapes", "--model", "small.yml"]) == 0
    config = load_config("shapes.yml")
    both = [
        read_annotations(one.name, one.img_path, one.ann_path, one.list_path).pictures
        for one in (config.data.train, config.data.val)
    ]
    assert len({picture.path for part in both for picture in part}) == 10
    assert config.data.train.img_path == "shapes/images"


def test_a_split_by_the_folders_of_images_is_taken(written, capsys, tmp_path, drawn):
    config = written("voc_image_folders")
    assert images_of(config.data.val, config.class_names) == list(VAL)
    assert "test set" not in capsys.readouterr().out
    voc_image_folders(tmp_path / "shapes", drawn, SPLITS)
    assert main(["init", "shapes", "--model", "small.yml", "--force"]) == 0
    assert images_of(load_config("shapes.yml").data.train, config.class_names) == list(TRAIN)
    assert "shapes/images: 1 image in folders of a test set" in capsys.readouterr().out


def test_an_input_that_does_not_fit_the_memory_is_told(written, capsys, monkeypatch):
    monkeypatch.setattr("nanodet.init.init.this_machine", lambda: Machine(0, 4, 10**9))
    written("voc", "--size", "16384")
    assert "warning: a training with an input of 16384 x 16384 needs" in capsys.readouterr().out
    written("voc", "--force", "--size", "320")
    assert "warning" not in capsys.readouterr().out


def test_one_image_is_too_few(written, capsys, tmp_path, drawn):
    drawn.images(tmp_path / "one", [0])
    drawn.voc(tmp_path / "one", [0])
    assert main(["init", "one", "--model", "small.yml"]) == 1
    assert "one: 1 image is too few to split into a training and a " in capsys.readouterr().err


def test_images_are_normalized_as_the_model_and_the_weights_were(written, tmp_path):
    grey, other = [[127, 127, 127], [128, 128, 128]], [[1, 2, 3], [4, 5, 6]]
    model = str(CONFIGS / "nanodet-efficientnet-lite0_320.yml")
    config = load_config(model)
    for part in (config.data.train, config.data.val):
        part.pipeline.normalize = other
    torch.save({"state_dict": {"head.x": torch.zeros(1)}, KEY: carried(config)}, "own.ckpt")
    (tmp_path / "bare.ckpt").touch()
    for options, wanted in (
        (["--model", model, "--weights", "bare.ckpt"], grey),
        (["--model", model, "--weights", "own.ckpt"], other),
        (["--weights", "own.ckpt"], other),
        ([], Pipeline().normalize),
    ):
        data = written("voc", "--force", *options).data
        assert data.train.pipeline.normalize == data.val.pipeline.normalize == wanted
        assert data.train.pipeline.flip == 0.5
    assert Path("shapes.yml").read_text().count("normalize") == 0


def test_choices_of_reading_and_weights_are_written(written, tmp_path):
    (tmp_path / "own.ckpt").touch()
    config = written("voc", "--missing-images", "skip", "--weights", "own.ckpt")
    assert config.schedule.load_model == "own.ckpt"
    assert config.data.train.missing_images == config.data.val.missing_images == "skip"


def test_existing_files_are_replaced_only_by_force(written, capsys, tmp_path, monkeypatch):
    # whose free memory, which the config names, stays the same
    monkeypatch.setattr("nanodet.init.init.this_machine", lambda: Machine(0, 4, 10**10))
    written("voc")
    before = state(tmp_path)
    assert main(["init", "shapes", "--model", "small.yml"]) == 1
    assert "shapes.yml: exists already; --force" in capsys.readouterr().err
    assert main(["init", "shapes", "--model", "small.yml", "--out", "shapes-train.yml"]) == 0
    (tmp_path / "shapes.yml").unlink()
    assert main(["init", "shapes", "--model", "small.yml"]) == 1
    assert "shapes-train.txt: exists already" in capsys.readouterr().err
    assert main(["init", "shapes", "--model", "small.yml", "--force"]) == 0
    assert before.items() <= state(tmp_path).items()


def test_without_a_network_it_starts_from_random_weights_and_says_so(written, capsys, monkeypatch):
    def offline(*args, **more):
        raise NanodetError("there is no network")

    monkeypatch.setattr(start, "fetch_model", offline)
    monkeypatch.setattr(start, "fetch", offline)
    config = written("voc", "--model", "nanodet-plus-m")
    assert config.schedule.load_model is None
    assert config.model.arch.backbone.pretrain is False
    assert "there is no network" in capsys.readouterr().out
    monkeypatch.setattr(start, "fetch_model", lambda *args: None)
    config = written("voc", "--model", "nanodet-m", "--force")
    assert config.schedule.load_model == "nanodet-m_320"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "none"], "--model none: is none of nanodet-m, "),
        (["--size", "100x96"], "multiples of 32 up to 16384, such as 96x96"),
        (["--size", "99999"], "multiples of 32 up to 16384, such as 16384x16384"),
        (
            ["--model", "small.yml", "--yolo-labels", "boxes"],
            "--yolo-labels: XMLDataset has no such",
        ),
        (["--model", "small.yml", "--box", "head"], "--box: XMLDataset has no such setting"),
        (["--weights", "none.ckpt"], "--weights none.ckpt: there is no such file"),
        (["--out", "shapes"], "is a folder"),
        (["--seed", "-1"], "--seed: must be from 0 to 2147483648, not -1"),
        (["--seed", "99999999999"], "--seed: must be from 0 to"),
    ],
)
def test_wrong_options_are_one_line_and_nothing_is_written(
    options, words, written, capsys, tmp_path
):
    written("voc")
    before = state(tmp_path)
    assert main(["init", "shapes", "--force", *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert state(tmp_path) == before


def test_a_file_without_a_model_is_none(tmp_path):
    file = tmp_path / "export.json"
    file.write_text('{"images": []}')
    with pytest.raises(NanodetError, match=r"--model .*export.json: is no config"):
        template(str(file))


def test_a_fault_of_the_data_names_its_file_and_nothing_is_written(written, capsys, tmp_path):
    written("voc")
    before = state(tmp_path)
    xml = tmp_path / "shapes" / "annotations" / "0003.xml"
    for text, words in (
        ("<annotation><object>", "0003.xml: not valid XML"),
        (xml.read_text().replace("<xmax>", "<xmax>a"), "0003.xml: object 1"),
    ):
        xml.write_text(text)
        assert main(["init", "shapes", "--model", "small.yml", "--force"]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    del before[xml]
    assert before.items() <= state(tmp_path).items()


@pytest.mark.parametrize(
    ("layout", "file"),
    [
        ("coco_alone", "result.json"),
        ("roboflow_coco", "valid/_annotations.coco.json"),
        ("cvat", "annotations.xml"),
        ("labelstudio", "project-1.json"),
        ("labelme", "0004.json"),
        ("via", "via_project.json"),
        ("createml", "train/_annotations.createml.json"),
        ("csv", "train_labels.csv"),
        ("yolo_classes", "labels/0003.txt"),
    ],
)
def test_a_half_written_file_is_one_line_that_names_it(
    layout, file, written, drawn, capsys, tmp_path
):
    LAYOUTS[layout][0](tmp_path / "shapes", drawn)
    path = tmp_path / "shapes" / file
    text = path.read_text()
    half = text[: len(text) // 2]
    if path.suffix in (".csv", ".txt"):  # a number cut short would be another number
        half = re.sub("[, ][^, ]*$", "", half)
    path.write_text(half)
    before = state(tmp_path)
    assert main(["init", "shapes", "--model", "small.yml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert file in line
    assert state(tmp_path) == before


@pytest.mark.parametrize("name", ["new\nline", "separator\u2028", "latin\udce4"])
def test_a_name_that_no_list_can_hold_is_named(name, written, drawn, capsys, tmp_path):
    LAYOUTS["labelme"][0](tmp_path / "shapes", drawn)
    for suffix in (".jpg", ".json"):
        (path,) = (tmp_path / "shapes").rglob(f"0003{suffix}")
        path.rename(path.with_stem(name))
    text = path.with_stem(name).read_text()
    path.with_stem(name).write_text(text.replace("0003.jpg", ""))
    assert main(["init", "shapes", "--model", "small.yml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match("[a-z]+", name)[0] in line and "rename it" in line
    assert not list(tmp_path.glob("shapes*.*"))


def test_an_image_in_both_sets_is_refused(written, capsys, tmp_path):
    written("voc_lists")
    file = tmp_path / "shapes" / "ImageSets" / "Main" / "val.txt"
    file.write_text(file.read_text() + "0001\n")
    assert main(["init", "shapes", "--model", "small.yml", "--force"]) == 1
    assert "val.txt: 1 image to evaluate on, but also to train on: " in capsys.readouterr().err


def test_what_roboflow_made_of_one_image_stays_together(written, capsys, tmp_path, drawn):
    """Rotated copies look unlike, but have the name of their source."""
    LAYOUTS["voc_beside"][0](tmp_path / "shapes", drawn)
    for n in range(10):
        for suffix in (".jpg", ".xml"):
            path = tmp_path / "shapes" / f"{n:04d}{suffix}"
            path.rename(path.with_stem(f"img{n // 2}_jpg.rf.{n:032x}"))
    assert main(["init", "shapes", "--model", "small.yml"]) == 0
    assert "10 images have near-duplicates" in capsys.readouterr().out
    val = (tmp_path / "shapes-val.txt").read_text().split()
    assert set(Counter(name[:4] for name in val).values()) == {2}


def test_copies_stay_together_and_one_scene_is_cut(written, capsys, tmp_path, drawn):
    copies = tmp_path / "shapes" / "images"
    LAYOUTS["voc"][0](tmp_path / "shapes", drawn)
    for n in range(3):
        (copies / f"{n + 10:04d}.jpg").write_bytes((copies / f"{n:04d}.jpg").read_bytes())
        xml = tmp_path / "shapes" / "annotations" / f"{n:04d}.xml"
        xml.with_stem(f"{n + 10:04d}").write_text(xml.read_text().replace(f"{n:04d}.jpg", ""))
    config = written("voc")
    val = set(images_of(config.data.val, config.class_names))
    assert all((n in val) == (n + 10 in val) for n in range(3))
    assert "6 images have near-duplicates" in capsys.readouterr().out
    for n in range(13):
        (copies / f"{n:04d}.jpg").write_bytes((copies / "0000.jpg").read_bytes())
    assert main(["init", "shapes", "--model", "small.yml", "--force"]) == 0
    assert "13 of 13 images look like one scene" in capsys.readouterr().out


CONFIGS = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize(
    ("model", "weights", "size"),
    [
        ("nanodet-m-1.5x", None, [224, 224]),
        (str(CONFIGS / "nanodet-m_bccd.yml"), "nanodet-m_320", [224, 224]),  # names no arch
        (str(CONFIGS / "nanodet-plus-m_416.yml"), "nanodet-plus-m_320", [224, 224]),
        (str(CONFIGS / "nanodet-t_320.yml"), None, [320, 320]),
        (str(CONFIGS / "nanodet-repvgg-a0_416.yml"), None, [224, 224]),
    ],
)
def test_every_config_can_be_the_model(model, weights, size, written, monkeypatch):
    monkeypatch.setattr(start, "fetch_model", lambda *args: None)
    monkeypatch.setattr(start, "fetch", lambda *args: None)
    config = written("voc", "--model", model)
    assert config.schedule.load_model == weights
    assert config.data.train.input_size == config.data.val.input_size == size
    assert config.model.arch.head.num_classes == 4
