"""``nanodet eval`` from the arguments to the JSON, and its one-line errors."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from nanodet.cli import eval as command
from nanodet.compare.tensors import generated_picture
from nanodet.config import load_config, save_config
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.evaluate.run import evaluation_detector
from nanodet.files.files import write_text
from nanodet.runtime.spec import Spec

pytest.importorskip("pycocotools")
pytest.importorskip("torch")
CONFIG = Path(__file__).resolve().parents[2] / "config" / "nanodet-m.yml"


def evaluate(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def checkpoint(shared):
    pytest.importorskip("torch")
    return shared / "weights" / "nanodet-m_320.ckpt", "--config", CONFIG


def test_some_pictures_of_coco(checkpoint, coco_mini, tmp_path, capsys):
    names = sorted(p.name for p in (coco_mini / "images").iterdir())[:12]
    write_text(tmp_path / "list.txt", "\n".join(names))
    evaluate(
        *checkpoint, "--images", coco_mini / "images", "--list", tmp_path / "list.txt",
        "--annotations", coco_mini / "annotations.json", "--json", tmp_path / "new" / "ap.json",
    )  # fmt: skip
    values = json.loads((tmp_path / "new" / "ap.json").read_text())
    assert list(values) == ["AP", "AP50", "AP75", "APs", "APm", "APl", "images", "intervals"]
    low, high = values["intervals"]["AP"]
    assert low <= values["AP"] <= high and low < high
    assert values["images"] == 12 and 20 < values["AP"] < values["AP50"] < 100
    shown = capsys.readouterr()
    assert f"{values['AP']:.2f}" in shown.out and "person" in shown.out
    assert shown.err == ""


def test_yolo_text_with_the_models_names(checkpoint, coco_mini, tmp_path, capsys):
    picture = sorted((coco_mini / "images").iterdir())[0]
    shutil.copy(picture, tmp_path / "a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("62 0.12 0.52 0.23 0.24\n0 5.0 5.0 0.1 0.1\n")
    evaluate(*checkpoint, "--images", tmp_path, "--annotations", tmp_path / "labels")
    shown = capsys.readouterr()
    assert "1 problem in the annotations" in shown.err and "line 2" in shown.err
    assert "tv" in shown.out


def test_a_file_of_fewer_classes_measures_those(checkpoint, coco_mini, tmp_path, capsys):
    truth = json.loads((coco_mini / "annotations.json").read_text())
    truth["categories"] = [{"id": n, "name": name} for n, name in ((1, "TV"), (2, "Traffic Light"))]
    wanted = {72: 1, 10: 2}
    truth["annotations"] = [
        {**a, "category_id": wanted[a["category_id"]]}
        for a in truth["annotations"] if a["category_id"] in wanted
    ]  # fmt: skip
    shown = {a["image_id"] for a in truth["annotations"]}
    truth["images"] = [image for image in truth["images"] if image["id"] in shown][:6]
    kept = {image["id"] for image in truth["images"]}
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in kept]
    write_text(tmp_path / "two.json", json.dumps(truth))
    evaluate(*checkpoint, "--images", coco_mini / "images", "--annotations", tmp_path / "two.json")
    out, err = capsys.readouterr()
    assert "not measured: person, bicycle," in err and "(78 in all)" in err
    measured = [line.split() for line in out.splitlines() if line.startswith("traffic_light")]
    assert measured and float(measured[0][2]) >= 0


def test_the_output_is_tried_before_anything_is_read(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path, tmp_path / "file" / "ap.json", Path("/proc/nanodet/ap.json")):
        with pytest.raises(NanodetError) as error:
            evaluate("no.ckpt", "--images", ".", "--annotations", "no.json", "--json", out)
        assert str(error.value).startswith((str(out), str(out.parent)))


@pytest.fixture
def trained(small_checkpoint, tmp_path, monkeypatch):
    """A checkpoint whose config names two annotated images, by paths relative to where it ran."""
    import torch

    from nanodet.images.image_file import write_picture

    state = torch.load(small_checkpoint, weights_only=True)
    for i in range(2):
        write_picture(tmp_path / "val" / "images" / f"{i}.png", generated_picture(i))
        write_text(tmp_path / "val" / "labels" / f"{i}.txt", f"{i} 0.5 0.5 0.4 0.4\n")
    write_text(tmp_path / "val" / "labels" / "classes.txt", "disc\nsquare\nDreieck ü\n")
    val = state["nanodet"]["config"]["data"]["val"]
    val |= {"name": "YoloDataset", "img_path": "val/images", "ann_path": "val/labels"}
    torch.save(state, tmp_path / "trained.ckpt")
    monkeypatch.chdir(tmp_path)
    return "trained.ckpt"


def test_data_of_the_checkpoints_own_config(trained, tmp_path, capsys, monkeypatch):
    evaluate(trained, "--json", "ap.json")
    shown = capsys.readouterr()
    assert shown.err == "data.val of trained.ckpt: val/images, val/labels\n"
    assert json.loads(Path("ap.json").read_text())["images"] == 2
    write_text(tmp_path / "one.txt", "1.png\n")
    evaluate(trained, "--list", "one.txt", "--json", "ap.json")
    assert capsys.readouterr().err.endswith("val/images, val/labels, listed in one.txt\n")
    assert json.loads(Path("ap.json").read_text())["images"] == 1
    # what is given wins
    evaluate(trained, "--images", "val/images", "--annotations", "val/labels")
    assert capsys.readouterr().err == ""
    monkeypatch.chdir("/")
    with pytest.raises(
        NanodetError,
        match=r"trained\.ckpt: data\.val\.img_path: val/images does not exist, seen from /; give --images",
    ):
        evaluate(tmp_path / trained)


@pytest.mark.parametrize("name", ["none.param", "none.ckpt", "nanodet-m_321"])
def test_a_model_that_does_not_exist_is_no_published_one(name, tmp_path):
    with pytest.raises(NanodetError, match=rf"{name}: .*no such (model|published)"):
        evaluate(tmp_path / name if "." in name else name, "--wish", "f1")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--images", "val/images"], "--images: needs --annotations"),
        (["--annotations", "val/labels"], "--annotations: needs --images"),
        (["--images", "val/images", "--format", "voc"], "--format: needs --annotations"),
        (["--list", "no.txt"], "no.txt: cannot read this list"),
    ],
)
def test_options_without_their_others(trained, options, words):
    with pytest.raises(NanodetError, match=words):
        evaluate(trained, *options)


def test_data_of_an_exported_model(trained, exported_small, tmp_path, capsys):
    """An export leaves the config beside the model; another, or a checkpoint, may be named."""
    from nanodet.export.stages import FP16
    from nanodet.model.checkpoint import read_checkpoint

    source = exported_small.files[FP16]
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(source.with_suffix(suffix), tmp_path)
    assert load_config(source.parent / "intermediate" / "small-config.yml").class_names[0] == "disc"
    with pytest.raises(NanodetError, match=r"small-fp16\.param: no config says .* give --images"):
        evaluate("small-fp16.param")
    evaluate("small-fp16.param", "--config", trained)
    assert capsys.readouterr().err.startswith("data.val of trained.ckpt: ")
    save_config(read_checkpoint(trained).config, tmp_path / "intermediate" / "small-config.yml")
    evaluate("small-fp16.param")
    assert capsys.readouterr().err.startswith("data.val of intermediate/small-config.yml: val/im")


def test_verify_takes_them_too(trained, exported_small, tmp_path, monkeypatch):
    from nanodet.verify.verify import verify

    model = exported_small.files["onnx simplified"]
    report = verify(trained, [model])
    assert report.pictures == "2 annotated images, data.val of trained.ckpt: val/images, val/labels"
    assert all(ap is not None for _, ap in report.groups) and report.agrees
    listed = Reading(list_path="one.txt", place="--")
    write_text(tmp_path / "one.txt", "1.png\n")
    assert verify(trained, [model], reading=listed).pictures.startswith("1 annotated images, ")
    images = {"images": "val/images", "reading": listed}
    assert verify(trained, [model], **images).pictures == "1 images"
    # on another machine: as ever, and said
    monkeypatch.chdir("/")
    words = verify(tmp_path / trained, [model]).pictures
    assert (
        words.startswith("8 generated images (") and "img_path: val/images does not exist" in words
    )
    with pytest.raises(NanodetError, match="val/images does not exist"):
        verify(tmp_path / trained, [model], reading=listed)


def test_class_agnostic_nms_of_config_and_spec(small_checkpoint, exported_small, tmp_path):
    """The config's setting holds for its checkpoint and goes into the spec of what is exported."""
    import torch

    from nanodet.export.export import export_spec
    from nanodet.export.stages import FP32
    from nanodet.model.torch_backend import TorchBackend

    state = torch.load(small_checkpoint, weights_only=True)
    limits = {"class_agnostic_nms": True, "nms_iou": 0.5, "per_picture": 1000}
    state["nanodet"]["config"]["evaluator"].update(limits)
    torch.save(state, tmp_path / "over-all.ckpt")
    reference = TorchBackend(tmp_path / "over-all.ckpt")
    spec = export_spec(reference)
    assert {key: getattr(spec, key) for key in limits} == limits
    assert not export_spec(reference, class_agnostic_nms=False).class_agnostic_nms
    param = exported_small.files[FP32]
    for path in (param, param.with_suffix(".bin")):
        shutil.copy(path, tmp_path / path.name)
    spec = dataclasses.replace(spec, files=Spec.load(param.with_suffix(".json")).files)
    spec.save(tmp_path / param.with_suffix(".json").name)
    found = [
        len(evaluation_detector(model, fit="letterbox")(generated_picture(1)))
        for model in (tmp_path / "over-all.ckpt", tmp_path / param.name, param)
    ]
    assert 0 < found[0] == found[1] < found[2]


def test_a_damaged_picture_ends_it_in_one_line(checkpoint, coco_mini, tmp_path):
    truth = json.loads((coco_mini / "annotations.json").read_text())
    truth["images"] = sorted(truth["images"], key=lambda image: image["id"])[:2]
    ids = {image["id"] for image in truth["images"]}
    truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in ids]
    write_text(tmp_path / "a.json", json.dumps(truth))
    for image in truth["images"]:
        shutil.copy(coco_mini / "images" / image["file_name"], tmp_path)
    damaged = tmp_path / truth["images"][1]["file_name"]
    damaged.write_bytes(damaged.read_bytes()[:5000])
    out = tmp_path / "ap.json"
    with pytest.raises(NanodetError, match=f"{damaged.name}: .*truncated"):
        evaluate(
            *checkpoint, "--images", tmp_path, "--annotations", tmp_path / "a.json", "--json", out
        )
    assert not out.exists()
