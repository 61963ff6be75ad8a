"""The models that ``nanodet choose`` trains from a config."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from choosing import QUICK

from nanodet.choose.candidates import find_candidates
from nanodet.choose.choose import _check_classes, choose
from nanodet.choose.files import Making
from nanodet.choose.grid import WIDTH, grid_study
from nanodet.choose.sets import DataSets, forget_if_changed
from nanodet.config import load_config, save_config
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.files.files import write_text
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.study.results import Result, outcome_of, prepare, write_result
from nanodet.train.outputs import LAST


class TestGrid:
    def test_three_sizes_around_the_configs(self, config, tmp_path):
        study = yaml.safe_load(grid_study(config, [], tmp_path / "runs"))
        own = yaml.safe_load(open(config))["data"]["val"]["input_size"]
        sizes = [one["data.val.input_size"] for one in study["variants"].values()]
        assert own in sizes and all(side % 32 == 0 for size in sizes for side in size)
        assert all(one["data.train.input_size"] == one["data.val.input_size"]
                   for one in study["variants"].values())  # fmt: skip

    def test_widths_and_sizes(self, config, tmp_path):
        text = grid_study(config, [], tmp_path, ["0.5x", "1.5x"], [(320, 256), (416, 320)])
        variants = yaml.safe_load(text)["variants"]
        assert list(variants) == [
            "0.5x 320x256", "0.5x 416x320", "1.5x 320x256", "1.5x 416x320",
        ]  # fmt: skip
        assert variants["1.5x 416x320"][WIDTH] == "1.5x"

    @pytest.mark.parametrize(
        ("widths", "sizes", "words"),
        [(["3x"], None, "--widths: 3x"), (None, [(100, 100)], "--sizes")],
    )
    def test_what_the_network_does_not_take(self, config, tmp_path, widths, sizes, words):
        with pytest.raises(NanodetError, match=words):
            grid_study(config, [], tmp_path, widths, sizes)

    def test_the_runs_are_those_of_the_study(self, config, tmp_path):
        found = find_candidates([config], ["schedule.total_epochs=2"], tmp_path / "out")
        assert len(found.all) == 3
        assert all(one.run.settings["schedule"]["total_epochs"] == 2 for one in found.all)
        again = find_candidates([str(tmp_path / "out" / "grid.yml")], [], tmp_path / "out")
        assert [(one.name, one.run) for one in again.all] == [
            (one.name, one.run) for one in found.all
        ]

    def test_a_grid_that_was_changed_is_not_overwritten(self, config, tmp_path):
        def find(*sizes):
            return find_candidates([config], [], tmp_path, sizes=sizes)

        grid = tmp_path / "grid.yml"
        assert len(find((320, 256)).all) == 1
        assert len(find((320, 256), (256, 192)).all) == 2  # other options, the same author
        text = grid.read_text().replace("256", "224")
        grid.write_text(text)
        with pytest.raises(
            NanodetError, match=r"grid\.yml: was changed .* give it instead of .*bccd"
        ):
            find((320, 256))
        assert grid.read_text() == text
        assert len(find_candidates([str(grid)], [], tmp_path).all) == 2

    def test_the_runs_stay_in_the_folder_of_the_results(self, config, tmp_path):
        with pytest.raises(
            NanodetError, match=r"^save_dir=x: the runs are in the folder of --out$"
        ):
            find_candidates([config], ["save_dir=x"], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_seed_is_that_of_all_runs(self, config, tmp_path):
        found = find_candidates([config], ["seed=5"], tmp_path / "out")
        assert {one.run.seed for one in found.all} == {5}


@pytest.fixture
def drawn(tmp_path):
    """A config to train, with data of its own."""
    config = quickstart_config(
        tmp_path / "unused", draw_set(tmp_path / "train", 4, 1), draw_set(tmp_path / "val", 3, 2), 0, 2
    )  # fmt: skip
    save_config(config, tmp_path / "my.yml")
    return tmp_path / "my.yml", config.data


def finished(run):
    """Write what a run leaves that was trained."""
    run.folder.mkdir(parents=True, exist_ok=True)
    write_result(run.folder, Result(run.settings, dict.fromkeys(SUMMARY, 50.0), 0.5, 9, 1.0))
    write_text(run.folder / "settings.yml", yaml.safe_dump(run.settings))
    write_text(run.folder / LAST, "")


def changed_labels(section):
    """Remove an object of a data set."""
    path = Path(section.ann_path)
    content = json.loads(path.read_text())
    content["annotations"].pop()
    path.write_text(json.dumps(content))


def test_what_learned_from_other_labels_is_trained_again(drawn, tmp_path):
    config, data = drawn
    (one,) = find_candidates([str(config)], [], tmp_path / "out", sizes=[(64, 64)]).all
    lines = []

    def remember():
        lines.clear()
        forget_if_changed(one.run, DataSets().key_of(one.run), lines.append)
        return outcome_of(one.run).result is not None

    assert not remember() and not lines
    finished(one.run)
    assert remember() and not lines
    for image in Path(data.train.img_path).iterdir():
        os.utime(image)  # a copy
    assert remember() and not lines
    changed_labels(data.val)  # chooses nothing in a training
    assert remember() and not lines
    changed_labels(data.train)
    assert not remember() and "what it learns from has changed: it is trained again" in lines[0]
    assert not prepare(one.run)  # from its beginning
    (one.run.folder / "data.txt").unlink()
    finished(one.run)  # by another command
    assert remember() and "is not known" in lines[0]
    assert remember() and not lines


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("schedule.load_model=start.ckpt", "start.ckpt"),
        ("schedule.load_model=start.param", "start.bin"),
        ("model.arch.backbone.pretrain=backbone.pth", "backbone.pth"),
        ("distill.teacher=teacher.ckpt", "teacher.ckpt"),
        ("distill.config=teacher.yml", "teacher.yml"),
    ],
)
def test_what_started_with_other_weights_is_trained_again(
    drawn, tmp_path, monkeypatch, setting, changed
):
    config, _ = drawn
    monkeypatch.chdir(tmp_path)
    for name in (
        "start.ckpt",
        "start.param",
        "start.bin",
        "backbone.pth",
        "teacher.ckpt",
        "teacher.yml",
    ):
        write_text(name, name)
    settings = (
        [setting] if "distill.config" not in setting else ["distill.teacher=teacher.ckpt", setting]
    )
    save_config(load_config(config, settings), "grid.yml")
    (one,) = find_candidates(["grid.yml"], [], tmp_path / "out", sizes=[(64, 64)]).all
    first = DataSets().key_of(one.run)
    assert DataSets().key_of(one.run) == first
    write_text(changed, "others")
    assert DataSets().key_of(one.run) != first


def test_data_that_cannot_be_measured_on_is_told_before_the_training(drawn, models, tmp_path):
    config, data = drawn
    path, lines = Path(data.val.ann_path), []

    def start(*more):
        choose([str(config), *more], 30, tmp_path / "out", making=Making("any"), timing=QUICK,
               sizes=[(64, 64)], report=lines.append)  # fmt: skip

    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    with pytest.raises(NanodetError, match=r"val/annotations\.json: nothing to measure"):
        start()
    path.unlink()
    with pytest.raises(NanodetError, match=r"my\.yml: data\.val\.ann_path: .* does not exist"):
        start()
    with pytest.raises(NanodetError, match=r"whole\.param: its classes are not those of .*my\.yml"):
        start(models[0])
    assert not (tmp_path / "out" / "runs").exists() and not (tmp_path / "out" / "models").exists()


@pytest.mark.slow
def test_a_grid_is_trained_quantized_and_resumed(tmp_path):
    """Killed while it trains, then resumed: what was finished is not done again."""
    config = quickstart_config(
        tmp_path / "unused", draw_set(tmp_path / "train", 40, 1), draw_set(tmp_path / "val", 20, 2), 0, 2
    )  # fmt: skip
    save_config(config, tmp_path / "my.yml")
    command = [
        sys.executable, "-m", "nanodet", "choose", "my.yml", "--budget", "1000ms", "--sizes",
        "96x96,128x128", "--seconds", "1", "--max-drop", "100", "--out", "out",
    ]  # fmt: skip
    first = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if "AP" in line and "after" in line:  # the first training is done
            break
    first.kill()
    first.wait()
    (result,) = (tmp_path / "out" / "runs").rglob("result.json")
    before = result.read_bytes()
    deadline = time.monotonic() + 60  # the killed one's training still has to end
    while True:
        again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        if again.returncode == 0 or time.monotonic() > deadline:
            break
        time.sleep(2)
    assert again.returncode == 0, again.stderr
    assert result.read_bytes() == before
    found = json.loads((tmp_path / "out" / "choose.json").read_text())
    forms = {one["name"].rsplit(" ", 1)[1] for one in found["choices"]}
    assert len(found["choices"]) >= 3 and forms == {"fp32", "int8"}
    bench = tmp_path / "out" / "bench.json"
    times = json.loads(bench.read_text())
    times["throttling"]["reasons"] = []  # as on a machine that does nothing else
    times["results"] = [one | {"waited": 0.0} for one in times["results"]]
    bench.write_text(json.dumps(times))
    third = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert third.stdout.count("files of an earlier run") == 2 and "min  median" not in third.stdout
    (tmp_path / "out" / "models" / "0.5x_96x96" / "made.json").write_text("{")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


def test_given_models_need_the_classes_of_the_config(models, config, tmp_path):
    found = find_candidates([config, models[0]], [], tmp_path / "out")
    with pytest.raises(
        NanodetError, match=r"whole\.param: its classes are not those of .*_bccd\.yml"
    ):
        _check_classes(found, Making("any"), DataSets())
