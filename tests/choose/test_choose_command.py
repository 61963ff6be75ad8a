"""`nanodet choose` on real files: AP, times, what is kept, and what is refused."""

import argparse
import dataclasses
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from found_objects import write_found

from nanodet.bench.machine import MACHINE, describe, read_files
from nanodet.bench.plan import Effort
from nanodet.bench.target.there import There, open_device
from nanodet.choose import measure
from nanodet.choose.candidates import find_candidates
from nanodet.choose.choose import _check_classes, choose
from nanodet.choose.files import Making, ModelFile, make_files
from nanodet.choose.grid import WIDTH, grid_study
from nanodet.choose.sets import DataSets, forget_if_changed, truth_key
from nanodet.choose.times import Timing, time_files, timed_before
from nanodet.cli.choose import _device_words, add_arguments, milliseconds
from nanodet.cli.main import main
from nanodet.config import save_config
from nanodet.config.beside import config_beside
from nanodet.errors import NanodetError
from nanodet.evaluate import ground_truth
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.export.stages import FP32
from nanodet.files.files import sha256, write_text
from nanodet.quantize.quantize import NothingToQuantise
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime.engines import files_of, spec_file
from nanodet.runtime.spec import Spec
from nanodet.study.results import Result, outcome_of, prepare, write_result
from nanodet.train.outputs import BEST, LAST

QUICK = Timing(1, Effort(20, 0.2, "quick"))


@pytest.fixture(scope="module")
def data(exported_small, tmp_path_factory):
    """Images, and annotations that are what the model finds in them."""
    return write_found(tmp_path_factory.mktemp("choose"), exported_small.files[FP32], 6)


def copied(source, param):
    """Copy a model to another name; return its spec for that, not written yet."""
    spec = json.loads(spec_file(source).read_text())
    files = spec.pop("files")
    spec["files"] = {}
    for path, new in zip(files_of(source), files_of(param), strict=True):
        shutil.copy(path, new)
        spec["files"][new.name] = files[path.name]
    return spec


@pytest.fixture(scope="module")
def models(exported_small, tmp_path_factory):
    """The same model twice: as it is, and at half the size."""
    folder = tmp_path_factory.mktemp("two")
    source = exported_small.files[FP32]
    paths = []
    for name, scale in (("whole", 1), ("half", 2)):
        param, spec = folder / f"{name}.param", copied(source, folder / f"{name}.param")
        for side in ("width", "height"):
            spec["input"][side] = max(spec["input"][side] // scale // 32 * 32, 64)
        spec_file(param).write_text(json.dumps(spec))
        paths.append(str(param))
    return paths


def given_truth(data, model):
    source = ground_truth.given(data / "images", data / "annotations.json", None)
    return source.read(Spec.load(spec_file(model)).class_names, model)


def chosen(models, data, out, lines=None, budget=1000.0):
    return choose(
        models, budget, out, making=Making("any", int8=False), timing=QUICK,
        images=data / "images", annotations=data / "annotations.json",
        report=(lines if lines is not None else []).append,
    )  # fmt: skip


@pytest.fixture
def timed(monkeypatch):
    """Made-up times: 10 ms for "half", 20 for others. Returns a list of calls and what disturbs the next."""
    calls, doubts = [], []

    def bench(paths, *, json_path, command, **_):
        calls.append(paths)
        results = []
        for path in map(Path, paths):
            names = [*files_of(path), spec_file(path)]
            median = 10_000 if path.stem == "half" else 20_000
            results.append({
                "path": str(path), "files": {one.name: sha256(one) for one in names}, "error": None,
                "threads": 1, "waited": 0.0,
                "times_us": {"end_to_end": {"median": median, "p90": median * 1.1}},
            })  # fmt: skip
        machine = describe(read_files(MACHINE)) | {"architecture": "x86_64"}
        report = {"command": command, "results": results, "machine": machine,
                  "throttling": {"reasons": list(doubts)}}  # fmt: skip
        write_text(json_path, json.dumps(report))
        return report

    monkeypatch.setattr("nanodet.choose.times.bench", bench)
    return calls, doubts


def test_the_best_within_the_budget_and_what_is_kept(models, data, tmp_path, timed):
    lines = []
    first = chosen(models, data, tmp_path / "out", lines)
    by_name = {one.name: one for one in first.choices}
    assert set(by_name) == {"whole fp32", "half fp32"}
    # the annotations are what "whole" finds with higher scores
    assert by_name["whole fp32"].ap.value > by_name["half fp32"].ap.value
    assert by_name["half fp32"].ms < by_name["whole fp32"].ms
    assert first.recommendation.choice.name == "whole fp32"
    # of so few images AP may be anything, and one line says so
    (line,) = [one for one in first.notes if "fewer than 10 images have objects" in one]
    assert line in lines and all((one.ap.low, one.ap.high) == (0, 100) for one in first.choices)
    assert any("do not show that its AP is lower" in one for one in first.recommendation.reasons)
    page = (tmp_path / "out" / "choose.html").read_text(encoding="utf-8")
    assert "<b>Take whole fp32</b>" in page and "data:image/png" in page
    result = json.loads((tmp_path / "out" / "choose.json").read_text())
    (best,) = [one for one in result["choices"] if one["recommended"]]
    assert best["file"] == models[0] and best["ap"]["low"] <= best["ap"]["value"]
    before = (tmp_path / "out" / "bench.json").read_bytes()
    again = chosen(models, data, tmp_path / "out")
    assert again.choices == first.choices
    assert (tmp_path / "out" / "bench.json").read_bytes() == before
    assert len(timed[0]) == 1
    faster = (by_name["half fp32"].ms + by_name["whole fp32"].ms) / 2
    assert chosen(models, data, tmp_path / "out", budget=faster).recommendation.choice.name == (
        "half fp32"
    )


def test_what_was_kept_and_is_damaged_is_made_again(models, data, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = chosen(models, data, out)
    report = json.loads((out / "bench.json").read_text())
    timed, measured = [], []
    monkeypatch.setattr("nanodet.choose.times.bench", lambda *_, **__: timed.append(1) or report)
    detect = measure.detect_all
    monkeypatch.setattr(measure, "detect_all", lambda *a: measured.append(1) or detect(*a))
    (found,) = (out / "models" / "whole").glob("*.npz")
    with np.load(found) as file:
        arrays = dict(file)
    for damaged in (
        {"counts": arrays["counts"][1:]}, {"counts": arrays["counts"] + 1}, {"xyxy": arrays["xyxy"][:-1]},
        {"confidence": np.ones(3)}, None, b"PK",
    ):  # fmt: skip
        whole = found.read_bytes()
        if isinstance(damaged, dict):
            np.savez(found, **arrays | damaged)
        else:
            found.write_bytes(damaged or whole[: len(whole) // 2])
        truth = given_truth(data, models[0])
        (one,) = find_candidates(models[:1], [], tmp_path).all
        measure.detect_or_read(ModelFile(one, "fp32", one.model), truth, found.parent)
    assert len(measured) == 6
    results = [one | {"times_us": {}} for one in report["results"]]
    for damaged in ("[]", "{", json.dumps(report | {"results": results}),
                    json.dumps({k: v for k, v in report.items() if k != "machine"})):  # fmt: skip
        (out / "bench.json").write_text(damaged)
        (out / "models" / "whole" / "made.json").write_text(damaged)
        assert chosen(models, data, out).choices == first.choices
    assert len(timed) == 4 and len(measured) == 6


def test_times_that_were_disturbed_or_are_of_another_machine_are_not_kept(models, tmp_path, timed):
    calls, doubts = timed
    found = find_candidates(models, [], tmp_path).all
    files = [ModelFile(one, "fp32", one.model) for one in found]

    def times():
        return time_files(files, QUICK, "a.jpg", tmp_path)

    doubts.append("too hot")
    assert times().doubts == ("too hot",)
    doubts.clear()
    assert not times().doubts and len(calls) == 2
    assert times().kept and len(calls) == 2
    path = tmp_path / "bench.json"
    report = json.loads(path.read_text())
    report["machine"]["soc"] = "another"
    path.write_text(json.dumps(report))
    assert not times().kept and len(calls) == 3


def test_images_that_are_read_in_another_orientation_are_detected_again(models, data):
    truth = given_truth(data, models[0])
    keys = [truth_key(truth)]
    for change in ({"turned": False}, {"width": 1, "height": 2}):
        pictures = [dataclasses.replace(truth.pictures[0], **change), *truth.pictures[1:]]
        keys.append(truth_key(dataclasses.replace(truth, pictures=pictures)))
    assert len(set(keys)) == 3
    box = truth.pictures[0].boxes + 1
    moved = [dataclasses.replace(truth.pictures[0], boxes=box), *truth.pictures[1:]]
    other = dataclasses.replace(truth, pictures=moved)
    assert truth_key(other) == keys[0]  # detections do not depend on the labels, a training does
    assert truth_key(other, labels=True) != truth_key(truth, labels=True)
    os.utime(truth.pictures[0].path)
    assert truth_key(truth) != keys[0]
    assert truth_key(other, labels=True) != truth_key(truth, labels=True)


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
            timing=Timing(1, QUICK.effort, place=place),
        )  # fmt: skip
    assert not (tmp_path / "out" / "models").exists()


def test_the_device_is_not_tried_again_if_the_times_are_there(models, tmp_path):
    words = ("--target", "ssh:pi@board")
    timing = Timing(1, QUICK.effort, words=words)
    assert not timed_before(timing, tmp_path)
    undisturbed = {"results": [], "throttling": {"reasons": []}}
    (tmp_path / "bench.json").write_text(
        json.dumps({"command": timing.command([], "a b.jpg"), **undisturbed})
    )
    assert timed_before(timing, tmp_path)
    for other in (("--target", "ssh:pi@other"), words[:0], (*words, "--program", "bench")):
        assert not timed_before(Timing(1, QUICK.effort, words=other), tmp_path)


def test_given_models_need_the_classes_of_the_config(models, config, tmp_path):
    found = find_candidates([config, models[0]], [], tmp_path / "out")
    with pytest.raises(
        NanodetError, match=r"whole\.param: its classes are not those of .*_bccd\.yml"
    ):
        _check_classes(found, Making("any"), DataSets())


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


@pytest.mark.parametrize(
    ("error", "kept"), [(NothingToQuantise("slower"), True), (NanodetError("no images"), False)]
)
def test_int8_that_failed_for_want_of_data_is_tried_again(
    models, tmp_path, monkeypatch, error, kept
):
    tried = []

    def quantize(*arguments, **options):
        tried.append(arguments)
        raise error

    monkeypatch.setattr("nanodet.choose.files.quantize", quantize)
    (one,) = find_candidates(models[:1], [], tmp_path).all
    for _ in range(2):
        made, notes = make_files(one, tmp_path, Making("any"), lambda line: None)
        assert [file.form for file in made] == ["fp32"] and str(error) in notes[0]
    assert len(tried) == (1 if kept else 2)


def test_a_given_int8_file_is_what_it_is(models, tmp_path):
    param = tmp_path / "whole-int8.param"
    spec = copied(models[0], param)
    spec["measured"] = {"int8": {}}
    spec_file(param).write_text(json.dumps(spec))
    (one,) = find_candidates([str(param)], [], tmp_path).all
    for _ in range(2):
        ((made,), notes) = make_files(one, tmp_path / "out", Making("any"), lambda line: None)
        assert (made.name, made.param, notes) == ("whole-int8 int8", param, [])


def test_another_config_makes_the_files_anew(models, tmp_path):
    (one,) = find_candidates(models[:1], [], tmp_path).all
    config, said = tmp_path / "my.yml", []
    for text, kept in (("a: 1", False), ("a: 1", True), ("a: 2", False)):
        config.write_text(text)
        said.clear()
        make_files(one, tmp_path, Making("any", int8=False, config=str(config)), said.append)
        assert bool(said) == kept


@pytest.fixture
def config(root):
    return str(root / "config" / "nanodet-m_bccd.yml")


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
    ("text", "value"), [("30ms", 30.0), ("12.5", 12.5), ("25fps", 40.0), ("50 FPS", 20.0)]
)
def test_budgets(text, value):
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["", "0ms", "-3", "fast", "30s", "nanms"])
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
    assert shlex.split(Timing(1, QUICK.effort, words=words).command([], "a.jpg"))[-4:] == options


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


def test_other_data_choose_the_int8_layers_anew(models, tmp_path):
    (one,) = find_candidates(models[:1], [], tmp_path).all
    said = []
    for key, kept in (("a", False), ("a", True), (None, True), ("b", False)):
        said.clear()
        make_files(one, tmp_path, Making("any", int8=False), said.append, key)
        assert bool(said) == kept


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
