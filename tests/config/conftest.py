"""A folder of small data sets, and configs that use it."""

import copy
import json

import pytest
import torch
import yaml
from turned_pictures import annotate, write_turned

from nanodet.config import load_config
from nanodet.model.network import build_network
from nanodet.quickstart.shapes import CLASSES, draw_set


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """What is computed here is too little to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def odgt_lines(truth):
    """COCO's content as the lines of an .odgt file; the visible boxes are the upper halves."""
    names = {category["id"]: category["name"] for category in truth["categories"]}
    for image in truth["images"]:
        entries = [
            {"tag": names[a["category_id"]], "fbox": a["bbox"], "vbox": [*a["bbox"][:3], a["bbox"][3] / 2]}
            for a in truth["annotations"] if a["image_id"] == image["id"]
        ]  # fmt: skip
        yield json.dumps({"ID": image["file_name"].removesuffix(".jpg"), "gtboxes": entries})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set, weights and a config that changes are made to."""
    folder = tmp_path_factory.mktemp("keys")
    pictures, annotations = draw_set(folder / "set", 7, 0)
    (folder / "one.txt").write_text("0003.jpg\n")
    truth = json.loads(annotations.read_text())
    (folder / "set.odgt").write_text("\n".join(odgt_lines(truth)))
    truth["images"].append({"id": 99, "file_name": "gone.jpg", "width": 64, "height": 64})
    (folder / "one_more.json").write_text(json.dumps(truth))
    (folder / "turned" / "images").mkdir(parents=True)
    write_turned(folder / "turned" / "images" / "a.jpg", 3)
    labels = annotate(folder / "turned", "yolo", {"a.jpg": True})
    (folder / "scored").mkdir()
    scored = (labels / "a.txt").read_text().replace("\n", " 0.9\n")
    (folder / "scored" / "a.txt").write_text(scored)
    dataset = {
        "name": "CocoDataset", "img_path": str(pictures), "ann_path": str(annotations),
        "input_size": [64, 64], "fit": "letterbox",
    }  # fmt: skip
    mapping = {
        "save_dir": str(folder / "run"),
        "model": {"arch": {"backbone": {"model_size": "0.5x", "pretrain": False}, "fpn": {}}},
        "data": {"train": dataset, "val": {**dataset}},
        "device": {"workers_per_gpu": 0},
        "schedule": {
            "optimizer": {"name": "AdamW", "lr": 0.01, "weight_decay": 0.05}, "total_epochs": 50,
        },
        "class_names": list(CLASSES),
    }  # fmt: skip
    (folder / "base.yml").write_text(yaml.safe_dump(mapping))
    config = load_config(folder / "base.yml")
    weights = build_network(config.model.arch).state_dict()
    torch.save(weights, folder / "first.pth")
    names = {name.removeprefix("backbone."): w for name, w in weights.items() if "backbone" in name}
    torch.save(names, folder / "conv1.pth")
    return folder


@pytest.fixture()
def configured(folder, monkeypatch):
    """Load the config with keys set: ``configured({"schedule.optimizer.lr": 0.5})``."""
    monkeypatch.chdir(folder)

    def load(*changes):
        mapping = yaml.safe_load((folder / "base.yml").read_text())
        for key, value in [item for change in changes for item in change.items()]:
            *parents, last = key.split(".")
            section = mapping
            for parent in parents:
                section = section.setdefault(parent, {})
                if parent == "norm_cfg":
                    section.setdefault("type", "BN")
                if parent == "weight_averager":
                    section["name"] = "ExpMovingAverager"
            section[last] = copy.deepcopy(value)
        (folder / "c.yml").write_text(yaml.safe_dump(mapping))
        return load_config("c.yml")

    return load
