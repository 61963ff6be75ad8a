"""Study files: which runs they mean, and what is refused before the first one starts."""

import pytest

from nanodet.cli.main import main
from nanodet.config import config_from_dict
from nanodet.errors import NanodetError
from nanodet.study.plan import read_study, same_settings

HEAD = "model.arch.head"


def test_every_run_has_the_budget_of_the_study(study_file, tmp_path):
    study = read_study(study_file(), ["log.interval=7"])
    assert study.baseline == "plain"
    assert [(run.variant, run.seed) for run in study.runs] == [
        ("plain", 4), ("no DFL", 4), ("plain", 5), ("no DFL", 5),
    ]  # fmt: skip
    assert study.runs[1].folder == tmp_path / "out" / "no_DFL" / "seed4"
    for run in study.runs:
        config = config_from_dict(run.settings)
        assert (config.seed, config.save_dir) == (run.seed, str(run.folder))
        assert config.schedule.total_epochs == config.schedule.val_intervals == 3
        assert config.log.interval == 7
        weight = config.model.arch.head.loss.loss_dfl.loss_weight
        assert weight == (0.25 if run.variant == "plain" else 0)
    one, other = study.runs[0].settings, study.runs[2].settings
    assert same_settings(one, {**one, "save_dir": "elsewhere"}) and not same_settings(one, other)


def test_the_command_line_goes_before_the_file(study_file, tmp_path):
    study = read_study(study_file(), ["schedule.total_epochs=9", f"save_dir={tmp_path / 'new'}"])
    assert study.example.schedule.total_epochs == 9
    assert study.folder == tmp_path / "new"
    assert study.changes == {"schedule.total_epochs": 9}  # which the report shows
    assert read_study(study_file(save_dir=None)).folder.parts == ("workspace", "small")


def test_variants_may_have_other_epochs(study_file):
    assert read_study(study_file()).epochs == "3"
    longer = {"plain": {}, "longer": {"schedule.total_epochs": 5}}
    assert read_study(study_file(variants=longer)).epochs == "3 to 5"


def test_a_grid_is_all_combinations_of_every_variant(study_file):
    grid = {f"{HEAD}.reg_max": [7, 9], f"{HEAD}.box_code": [{"name": "General"}]}
    study = read_study(study_file(variants=None, grid=grid, baseline="reg_max=9, box_code=General"))
    assert list(study.variants) == ["reg_max=9, box_code=General", "reg_max=7, box_code=General"]
    assert study.example.model.arch.head.reg_max == 9
    study = read_study(study_file(grid={f"{HEAD}.reg_max": [7, 9]}))
    assert list(study.variants) == [
        "plain, reg_max=7", "plain, reg_max=9", "no DFL, reg_max=7", "no DFL, reg_max=9",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "keys, words",
    [
        ({"sedes": [1]}, "sedes: unknown key; did you mean seeds?"),
        ({"config": None}, "config: this key is missing"),
        ({"config": "other.yml"}, "config: {folder}/other.yml: there is no such file"),
        ({"config": None, "model": {}}, "config: this key is missing: this is a training config"),
        ({"set": {"model": {"arch": {}}}}, "set.model: would replace the whole section"),
        ({"variants": {"a": {"model": {"arch": {}}}}}, "variants.a.model: would replace the whole"),
        ({"grid": {"schedule": [{"total_epochs": 1}]}}, "grid.schedule: would replace the whole"),
        ({"seeds": 3}, "seeds: must be a list"),
        ({"seeds": [-1]}, "seeds: must be at least 0"),
        ({"seeds": []}, "seeds: is empty"),
        ({"variants": None}, "variants: neither this nor grid is given"),
        ({"variants": {"a": [1]}}, "variants.a: must be a mapping"),
        ({"variants": {"a": {"seed": 1}}}, "variants.a.seed: a study sets this key itself"),
        ({"set": {"schedule.resume": True}}, "set.schedule.resume: a study sets this key itself"),
        ({"set": {"log..interval": 1}}, "set.log..interval: is not a dotted key"),
        ({"grid": {"log.interval": []}}, "grid.log.interval: is empty"),
        ({"grid": {"log.interval": 5}}, "grid.log.interval: must be a list"),
        ({"baseline": "other"}, "baseline: 'other' is not a variant; known: plain, no DFL"),
        ({"variants": {"a b": {}, "A_b": {}}}, "'a b' and 'A_b' would have the same folder"),
        ({"variants": {"..": {}}}, "'..' is not a name of 1 to 120 letters"),
        ({"variants": {"a": {"log.interval.x": 1}}}, "variant a: log.interval.x: interval is not"),
        ({"variants": {"a": {"log.intervall": 1}}}, "variant a: log.intervall: unknown key"),
        ({"variants": {"a": {}, "b": {"log.interval": 0}}}, "variant b: log.interval: must be"),
        ({"variants": {"a": {f"{HEAD}.loss.loss_dfl.name": "X"}}}, f"variant a: {HEAD}.loss"),
        ({"variants": {"a": {"schedule.lr_schedule.eta_min": 1}}}, "variant a: schedule.lr_sch"),
    ],
)
def test_a_wrong_file_is_one_line(study_file, keys, words, tmp_path, capsys):
    path = study_file(**keys)
    assert main(["study", str(path)]) == 1
    line = capsys.readouterr().err
    words = words.replace("{folder}", str(tmp_path))
    assert line.startswith(f"nanodet: error: {path}: ") and words in line and line.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_a_study_sets_is_refused_on_the_command_line(study_file):
    with pytest.raises(NanodetError, match="seed=3: a study sets seed itself"):
        read_study(study_file(), ["seed=3"])
    with pytest.raises(NanodetError, match=r"seeds=\[3\]: seeds is a key of the study file"):
        read_study(study_file(), ["seeds=[3]"])


def test_the_shipped_study_files_share_their_runs(root):
    """Those of Tables 2 and 11 on one data set have two variants in common, trained once."""
    for data in ("bccd", "raccoon"):
        components, quality = (
            {run.folder: run for run in read_study(root / f"config/study/{name}_{data}.yml").runs}
            for name in ("components", "quality")
        )
        shared = components.keys() & quality.keys()
        assert len(components) == len(quality) == 12 and len(shared) == 6
        assert all(components[path].settings == quality[path].settings for path in shared)
