"""A training with a teacher: what is trained, saved, exported and resumed, and bad teachers."""

import csv
import json
import re

import numpy as np
import onnx
import pytest
import torch

from nanodet import NanodetError
from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import collate
from nanodet.model.checkpoint import KEY, carried, load_network, read_checkpoint
from nanodet.train.profile import WITH_TEACHER
from nanodet.train.sets import read_both_sets
from nanodet.train.setup import training_module
from nanodet.train.teacher import build_distiller
from nanodet.train.trainer import train

LOSSES = ("box", "region", "score", "feature")
DEVICES = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "precision": "32-true"}


@pytest.fixture()
def teacher(trained):
    return trained.folder / "model_last.ckpt"


def rows_of(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def module_of(path, lines=None):
    config = load_config(path)
    sets = read_both_sets(config, "c.yml", lambda line: None)
    return training_module(config, sets, dict(DEVICES), False, "c.yml", (lines or []).append)


def distill(teacher, **more):
    return {"distill": {"teacher": str(teacher), "score_weight": 0.5, "feature_weight": 1, **more}}


def test_a_training_with_a_teacher(small_config, teacher, trained, tmp_path, capsys):
    path = small_config(**distill(teacher))
    config = load_config(path)
    train(config, say=lambda line: None)
    folder = tmp_path / "run"
    found = [row for row in rows_of(folder) if row["train/lr"]]
    for one in LOSSES:
        values = [float(row[f"train/distill_{one}"]) for row in found]
        # edges are learned where the teacher's box is the better one, in some step nowhere
        assert max(values) > 0 and min(values) >= 0, one
        assert min(values) > 0 or one in ("box", "region")
    sums = [
        sum(float(row[f"train/{one}"]) for one in ("loss_qfl", "loss_bbox", "loss_dfl"))
        for row in found
    ]
    more = [sum(float(row[f"train/distill_{one}"]) for one in LOSSES) for row in found]
    assert np.allclose([float(row["train/loss"]) for row in found], np.add(sums, more), rtol=1e-4)
    # the checkpoint holds the student, its average and the adaptors, and is read without the teacher
    teacher_names = set(read_checkpoint(teacher).weights)
    state = torch.load(folder / "model_last.ckpt", weights_only=True)
    prefixes = {name.partition(".")[0] for name in state["state_dict"]}
    assert prefixes == {"model", "avg_model", "distiller"}
    beside = [name for name in state["state_dict"] if name.startswith("distiller.")]
    assert beside == [f"distiller.adaptors.{i}.weight" for i in range(3)]
    config.distill.teacher = "gone.ckpt"
    _, own, checkpoint = load_network(folder / "model_last.ckpt")
    assert set(checkpoint.weights) == teacher_names
    assert own.distill.teacher == str(teacher)
    # resumed from where it was, with the adaptors
    moved = tmp_path / "elsewhere.ckpt"
    moved.write_bytes(teacher.read_bytes())
    again = small_config(**distill(moved), **{"schedule.resume": True, "schedule.total_epochs": 3})
    assert main(["train", str(again)]) == 0
    steps = [int(row["step"]) for row in rows_of(folder) if row["train/lr"]]
    assert steps == list(range(1, 19))
    assert main(["train", str(again), "distill.box_weight=2"]) == 1
    assert "distill.box_weight: is 2.0, but the run to resume has 0.5" in capsys.readouterr().err
    assert main(["train", str(again), f"distill.teacher={folder / 'model_last.ckpt'}"]) == 1
    assert "distill.teacher: " in (said := capsys.readouterr().err) and "another teacher" in said


@pytest.mark.slow
def test_equal_weights_are_equal_files(small_config, teacher, tmp_path):
    """What a checkpoint says of a teacher changes nothing of what is exported from it."""
    written = []
    for name, section in (("with", distill(teacher)), ("without", {})):
        folder = tmp_path / name
        folder.mkdir()
        config = load_config(small_config(f"{name}.yml", **section))
        assert (config.distill is not None) == (name == "with")
        state = torch.load(teacher, weights_only=True)
        state[KEY] = carried(config, epochs=2)
        torch.save(state, folder / "net.ckpt")
        assert main(["export", str(folder / "net.ckpt"), "--out", str(folder / "out")]) == 0
        files = {}
        for file in sorted((folder / "out").iterdir()):
            if file.suffix in (".param", ".bin"):
                files[file.name] = file.read_bytes()
            elif file.name == "net.onnx":
                model = onnx.load(file)
                del model.metadata_props[:]  # its spec
                files[file.name] = model.SerializeToString()
            elif (
                file.suffix == ".json"
            ):  # all but the hashes of the checkpoint and of files with them
                spec = json.loads(file.read_text())
                files[file.name] = {k: v for k, v in spec.items() if k not in ("source", "files")}
        written.append(files)
    assert {"net.onnx", "net.json", "net.param", "net.bin"} <= set(written[0])
    assert written[0] == written[1]


def test_the_teacher_is_frozen_and_not_part_of_the_training(small_config, teacher):
    lines = []
    module = module_of(small_config(**distill(teacher)), lines)
    alone = module_of(small_config("alone.yml"))
    student, frozen = module.distiller._outside
    assert not any(one.requires_grad for one in frozen.parameters())
    module.train()
    assert not any(one.training for one in frozen.modules())
    mine = {id(one) for one in module.parameters()}
    assert student is module.model and not mine & {id(one) for one in frozen.parameters()}
    trained = {
        id(one) for group in module.configure_optimizers().param_groups for one in group["params"]
    }
    assert trained == {
        id(p)
        for p in (*module.model.parameters(), *module.distiller.parameters())
        if p.requires_grad
    }
    for name, value in alone.model.state_dict().items():  # and starts as without it
        assert torch.equal(value, module.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "gone.ckpt"}, r"distill\.teacher: gone\.ckpt: there is no such checkpoint"),
        (
            {"teacher": "nanodet-m_321"},
            r"distill\.teacher: .*did you mean the published nanodet-m_320",
        ),
        ({"teacher": " "}, r"distill\.teacher: names no model"),
        ({"config": "gone.yml"}, r"distill\.config: gone\.yml: there is no such file"),
        ({"teachr": 1}, r"distill\.teachr: unknown key; did you mean teacher\?"),
        ({"temperature": 0}, r"distill\.temperature: must be"),
        (
            dict.fromkeys((f"{one}_weight" for one in LOSSES), 0),
            r"distill\.box_weight: is 0, and so are all weights",
        ),
        ({"scale": 8}, r"distill\.teacher: no level of .* has points as far apart"),
    ],
)
def test_bad_settings_are_one_line(small_config, teacher, changes, message, capsys, tmp_path):
    path = small_config(**distill(**{"teacher": teacher} | changes))
    assert main(["train", str(path)]) == 1
    error = capsys.readouterr().err
    assert re.search(message, error) and error.count("\n") == 1, error
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_teaches_boxes_alone(small_config, teacher, capsys):
    names = {"class_names": ["disc", "box", "wedge", "cross"]}
    path = small_config(**distill(teacher), **names, **{"data.train.class_names": None})
    config = load_config(path)
    module = module_of(small_config("own.yml"))
    with pytest.raises(NanodetError, match=r"knows none of the classes .*score_weight to 0"):
        build_distiller(module.model, config, "c.yml", print)
    config.distill.score_weight = 0
    assert build_distiller(module.model, config, "c.yml", print).classes == []
    config.distill.score_weight, config.class_names = 1, ["star", "disc", "circle", "triangle"]
    assert build_distiller(module.model, config, "c.yml", print).classes == [(0, 3), (2, 0), (3, 2)]
    assert "knows 3 of 4 classes" in capsys.readouterr().out


@pytest.mark.slow
def test_the_teacher_is_a_stage_of_a_profile(small_config, teacher, capsys):
    assert main(["profile", str(small_config(**distill(teacher))), "--steps", "1"]) == 0
    said = capsys.readouterr().out
    stages = re.findall(r"^(\w+) +[\d.]+ ms +[\d.]+ %$", said, re.M)
    assert stages == list(WITH_TEACHER)
    assert float(re.search(r"^teacher +([\d.]+) ms", said, re.M)[1]) > 0


@pytest.mark.slow
def test_a_student_becomes_like_its_teacher(small_config, teacher, tmp_path):
    """The same short training with and without: the box terms fall where they are learned."""
    apart = {}
    for name, weight in (("with", 1.0), ("without", 1e-6)):  # so that it is measured, too
        section = distill(teacher, box_weight=weight, region_weight=weight, feature_weight=0)
        changes = {"save_dir": str(tmp_path / name), "schedule.total_epochs": 8}
        train(load_config(small_config(**section, **changes)), say=lambda line: None)
        rows = [row for row in rows_of(tmp_path / name) if row["train/lr"]]
        for part in ("box", "region"):
            values = [float(row[f"train/distill_{part}"]) / weight for row in rows]
            apart[name, part] = np.mean(values[-6:]) / np.mean(values[:6])
    assert apart["with", "region"] < 0.9 * apart["without", "region"], apart


def test_adaptors_of_levels_without_a_counterpart_have_gradients(small_config, teacher):
    """DDP stops a training at its second step if a parameter has none."""
    module = module_of(small_config(**distill(teacher, scale=2)))
    set_ = DetectionSet(
        read_both_sets(module.config, "c.yml", print)[0], module.config.data.train, True, 0
    )
    batch = collate([set_[0, index, (96, 96)] for index in range(2)])
    sum(module.batch_losses(batch).values()).backward()
    found = [conv.weight.grad for conv in module.distiller.adaptors]
    assert [bool(one.any()) for one in found] == [True, True, False]
