"""The command ``nanodet choose``: what it takes, and what it refuses."""

import argparse
import json
import shlex
from pathlib import Path

import pytest
import torch
from choosing import QUICK, chosen, copied

from nanodet.bench.target.there import There, open_device
from nanodet.choose.candidates import find_candidates
from nanodet.choose.choose import _check_classes, choose
from nanodet.choose.files import Making, make_files
from nanodet.choose.sets import DataSets
from nanodet.choose.times import TimingOptions
from nanodet.cli.choose import _device_words, add_arguments, milliseconds
from nanodet.cli.main import main
from nanodet.config.beside import config_beside
from nanodet.errors import NanodetError
from nanodet.runtime.engines import spec_file
from nanodet.train.outputs import BEST, LAST


def test_a_config_is_for_models_that_have_none(models, small_checkpoint, data, tmp_path):
    own = tmp_path / "own.param"
    spec_file(own).write_text(json.dumps(copied(models[0], own)))
    config_beside(own).parent.mkdir()
    config_beside(own).write_text("data: {}")
    bare = tmp_path / "bare.ckpt"
    torch.save({"state_dict": torch.load(small_checkpoint, weights_only=True)["state_dict"]}, bare)
    making = Making("any", config="my.yml")
    for model, wanted in (
        (own, None), (Path(models[0]), "my.yml"), (small_checkpoint, None), (bare, "my.yml")
    ):  # fmt: skip
        assert making.config_for(Path(model)) == wanted
    found = find_candidates([str(small_checkpoint), str(own)], [], tmp_path)
    with pytest.raises(
        NanodetError, match=r"^--config: is for models that have no config, and all"
    ):
        _check_classes(found, making, DataSets())


def test_models_of_other_classes_are_refused_before_anything_is_made(models, tmp_path):
    other = tmp_path / "other.param"
    spec = copied(models[0], other)
    spec["class_names"][0] = "another"
    spec_file(other).write_text(json.dumps(spec))
    with pytest.raises(
        NanodetError, match=r"other\.param: its classes are not those of .*whole\.param"
    ):
        chosen([models[0], str(other)], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "models").exists()


def test_a_device_is_tried_before_anything_is_made(models, data, tmp_path):
    place = There(open_device("here"), program=models[0])
    with pytest.raises(NanodetError, match=r"--program: .*whole\.param: is not a Linux program"):
        choose(
            models, 30, tmp_path / "out", making=Making("any", int8=False),
            timing=TimingOptions(1, QUICK.effort, place=place),
        )  # fmt: skip
    assert not (tmp_path / "out" / "models").exists()


def test_a_run_folder_stands_for_its_best_checkpoint(tmp_path):
    run = tmp_path / "first run"
    (run / "model_best").mkdir(parents=True)
    for name, found in ((LAST, LAST), (BEST, BEST)):
        (run / name).write_text("")
        (one,) = find_candidates([str(run)], [], tmp_path).all
        assert one.model == run / found and one.name == "first_run"
    (tmp_path / "empty").mkdir()
    with pytest.raises(NanodetError, match=r"empty: is a folder without model_best"):
        find_candidates([str(tmp_path / "empty")], [], tmp_path)


def test_a_given_int8_file_is_what_it_is(models, tmp_path):
    param = tmp_path / "whole-int8.param"
    spec = copied(models[0], param)
    spec["measured"] = {"int8": {}}
    spec_file(param).write_text(json.dumps(spec))
    (one,) = find_candidates([str(param)], [], tmp_path).all
    for _ in range(2):
        ((made,), notes) = make_files(one, tmp_path / "out", Making("any"), lambda line: None)
        assert (made.name, made.param, notes) == ("whole-int8 int8", param, [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.ckpt", "--budget", "30ms"], "none.ckpt"),
        (["a.yml", "b.yml", "--budget", "30ms"], "b.yml: a second config"),
        (["m.txt", "--budget", "30ms"], "m.txt"),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["choose", *words, "--out", "out"]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error


@pytest.mark.parametrize(
    ("text", "value"), [("30ms", 30.0), ("12.5 ms", 12.5), ("25fps", 40.0), ("50 FPS", 20.0)]
)
def test_budgets(text, value):
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["", "0ms", "30", "-3ms", "fast", "30s", "nanms"])
def test_what_is_no_budget(text, capsys):
    with pytest.raises(SystemExit):
        main(["choose", "my.yml", "--budget", text])
    assert "--budget" in capsys.readouterr().err


def test_the_options_of_a_device_are_words_of_the_bench():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = ["--target", "ssh:pi@board", "--ssh-option", "IdentityFile=~/.ssh/my board"]
    words = _device_words(parser.parse_args(["my.yml", "--budget", "30ms", *options]))
    assert list(words) == options
    assert (
        shlex.split(TimingOptions(1, QUICK.effort, words=words).command([], "a.jpg"))[-4:]
        == options
    )


@pytest.fixture
def called(monkeypatch):
    """The arguments of each choice that the command asks for."""
    found = []
    monkeypatch.setattr("nanodet.choose.choose.choose", lambda *a, **k: found.append((a, k)))
    monkeypatch.setattr("nanodet.choose.page.text_of", lambda chosen: [])
    monkeypatch.setattr("nanodet.cli.choose.place", lambda args: args.target or args.program)
    return found


def test_a_path_with_an_equals_sign_is_a_source(called, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lr=0.1" / "seed0").mkdir(parents=True)
    assert main(["choose", "my.yml", "lr=0.1/seed0", "seed=5", "--budget", "30ms"]) == 0
    ((arguments, options),) = called
    assert arguments[0] == ["my.yml", "lr=0.1/seed0"] and options["overrides"] == ["seed=5"]


def test_exports_are_for_where_they_are_timed(called):
    for words, target in (
        ([], "any"),
        (["--program", "bench"], "any"),
        (["--target", "adb"], "arm"),
    ):
        assert main(["choose", "my.yml", "--budget", "30ms", *words]) == 0
        assert called[-1][1]["making"].target == target
