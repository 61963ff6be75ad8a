"""A trained model and files whose classes or paths go astray: the right AP, or one line."""

import json

import pytest

from nanodet.cli.main import main
from nanodet.config import config_to_dict, load_config
from nanodet.errors import NanodetError
from nanodet.evaluate.evaluate import evaluate
from nanodet.train.sets import read_both_sets

pytest.importorskip("pycocotools")
torch = pytest.importorskip("torch")

RIGHT = 86.90


@pytest.fixture
def cases(shared, monkeypatch):
    """The folder of small cases, as the working folder: its config has relative paths."""
    monkeypatch.chdir(shared / "cases")
    return shared / "cases"


@pytest.mark.parametrize(
    ("images", "annotations", "said"),
    [
        ("base/val/images", "base/val/coco.json", ""),
        ("base/val/images", "base/val/swapped.json", ""),
        ("base/val/images", "base/val/labels", ""),
        ("base/val/images", "base/val/robo.json", "left out: shapes"),
        ("base/val/images", "base/val/zh.json", "翘头剪 is square, 止血钳 is disc"),
        ("base/val", "base/val/path_bs.json", ""),
        ("base/val/images", "base/val/path_bs.json", "24 of 24 images found by the end"),
        ("base/val/images", "base/val/xml", ""),
        ("base/val/images", "badval/path_proj.json", "24 of 24 images found by the end"),
        ("base/val/images", "badval/path_up.json", "24 of 24 images found by the end"),
    ],
)
def test_the_right_ap(cases, capsys, images, annotations, said):
    assert evaluate("base/m.ckpt", images, annotations).AP == pytest.approx(RIGHT, abs=0.005)
    lines = [line for line in capsys.readouterr().err.splitlines() if "a second" not in line]
    assert len(lines) == bool(said)
    assert all(said in line for line in lines)


def test_what_is_left_out_on_the_command_line(cases, tmp_path, capsys):
    content = json.loads((cases / "base/val/coco.json").read_text())
    content["categories"].append({"id": 3, "name": "star"})
    content["annotations"].append({"id": 99, "image_id": 1, "category_id": 3, "bbox": [1, 1, 9, 9]})
    content["images"].append({"id": 99, "file_name": "gone.png", "width": 160, "height": 120})
    (tmp_path / "a.json").write_text(json.dumps(content))
    command = ["eval", "base/m.ckpt", "--images", "base/val/images", "--annotations"]
    command.append(str(tmp_path / "a.json"))
    for options, word in (
        ([], "1 of 25 images is missing in base/val/images: gone.png; --missing-images skip"),
        (["--missing-images", "skip"], "base/m.ckpt: 'star' (1 object); --unknown-classes skip"),
        (["--unknown-classes", "skip"], "--missing-images skip continues"),
    ):
        assert main([*command, *options]) == 1
        err = capsys.readouterr().err
        assert word in err and err.count("\n") == 1
    out = tmp_path / "ap.json"
    options = ["--missing-images", "skip", "--unknown-classes", "skip", "--json", str(out)]
    assert main([*command, *options]) == 0
    assert json.loads(out.read_text())["AP"] == pytest.approx(RIGHT, abs=0.005)
    err = capsys.readouterr().err
    assert "left out" in err and "'star' (1 object)" in err and "gone.png" in err


def test_a_class_that_the_file_lacks_is_not_measured(cases, capsys):
    whole = evaluate("base/m.ckpt", "base/val/images", "base/val/coco.json").ap_per_class
    only = evaluate("base/m.ckpt", "base/val/images", "base/val/onlysquare.json")
    assert only.AP == pytest.approx(whole[0].AP) and only.ap_per_class[1].AP is None
    assert "not measured: disc" in capsys.readouterr().err


@pytest.fixture
def sets(cases):
    """A function: changes to the config to both sets, the `Config` and the lines that were said, but
    for those that count what is taught."""

    def read(*overrides):
        config, lines = load_config("tiny.yml", overrides), []
        found = read_both_sets(config, "tiny.yml", lines.append)
        return *found, config, [line for line in lines if " boxes (" not in line]

    return read


@pytest.mark.parametrize("names", ["[square,disc]", "[disc,square]", "[Disc,SQUARE]", "null"])
@pytest.mark.parametrize("train", ["coco", "swapped", "robo"])
@pytest.mark.parametrize("val", ["coco", "swapped", "robo"])
def test_both_sets_have_the_same_classes(sets, names, train, val):
    training, validation, config, lines = sets(
        f"class_names={names}", f"data.train.ann_path=base/train/{train}.json",
        f"data.val.ann_path=base/val/{val}.json",
    )  # fmt: skip
    assert training.class_names == validation.class_names == tuple(config.class_names)
    assert config.model.arch.head.num_classes == 2
    for found, squares in ((training, 50), (validation, 25)):
        square = [name.lower() for name in found.class_names].index("square")
        assert sum((picture.labels == square).sum() for picture in found.pictures) == squares
    assert len(lines) == (train == "robo") + (val == "robo")
    assert all("left out: shapes" in line for line in lines)


def test_a_class_that_the_training_set_lacks_is_an_error(sets):
    with pytest.raises(
        NanodetError, match=r"onlysquare\.json: has no class disc, which class_names"
    ):
        sets("data.train.ann_path=base/val/onlysquare.json", "data.train.img_path=base/val/images")
    *_, lines = sets("data.val.ann_path=base/val/onlysquare.json")
    assert lines == [
        "data.val: base/val/onlysquare.json: lacks classes of class_names, not measured: disc"
    ]


@pytest.mark.parametrize("names", ["[disc,square]", "[star,disc,square]"])
def test_fine_tuning_from_another_order_knows_the_classes(cases, tmp_path, names):
    from nanodet.model.checkpoint import read_checkpoint
    from nanodet.model.fine_tune import take_matching
    from nanodet.model.network import build_network

    count = len(names.split(","))
    overrides = [f"class_names={names}", f"model.arch.head.num_classes={count}"]
    config = load_config("tiny.yml", overrides)
    network = build_network(config.model.arch)
    lines = take_matching(network, read_checkpoint("base/m.ckpt"), config.class_names)
    assert f"2 of {count} classes taken by name" in lines[1]
    path = tmp_path / "other.ckpt"
    state = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    carried = {"config": config_to_dict(config), "epochs": 0}
    torch.save({"state_dict": state, "nanodet": carried}, path)
    metrics = evaluate(path, "base/val/images", "base/val/coco.json")
    assert metrics.AP == pytest.approx(RIGHT, abs=0.05 if count == 2 else 0.5)


def test_yolo_names_in_another_order(cases, tmp_path):
    """The numbers in the text files are those of the names beside them, not of the model."""
    for source in (cases / "base/val/labels").glob("*.txt"):
        rows = [line.split() for line in source.read_text().splitlines()]
        text = "\n".join(" ".join([str(1 - int(number)), *box]) for number, *box in rows)
        (tmp_path / source.name).write_text(text)
    (tmp_path / "classes.txt").write_text("DISC\nSQUARE\n")
    found = evaluate("base/m.ckpt", cases / "base/val/images", tmp_path)
    assert found.AP == pytest.approx(RIGHT, abs=0.2)


def test_json_of_another_spelling(cases, tmp_path):
    content = json.loads((cases / "base/val/swapped.json").read_text())
    for category in content["categories"]:
        category["name"] = category["name"].upper() + " "
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = evaluate("base/m.ckpt", cases / "base/val/images", tmp_path / "a.json")
    assert found.AP == pytest.approx(RIGHT, abs=0.005)
