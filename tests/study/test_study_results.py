"""Which runs count as done, and what the report says, on results that no training made."""

import copy
import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from nanodet.cli.main import main
from nanodet.evaluate.coco_metrics import SUMMARY
from nanodet.study import study as command
from nanodet.study.over_images import ap_over_images, ap_text, change_over_images
from nanodet.study.plan import read_study
from nanodet.study.results import (
    FAILED,
    RESULT,
    SETTINGS,
    Result,
    outcome_of,
    prepare,
    same_validation_set,
    write_result,
)
from nanodet.train.outputs import LAST

AP = {
    ("plain", 4): 50.0,
    ("no DFL", 4): 51.0,
    ("plain", 5): 60.0,
    ("no DFL", 5): 63.0,
    ("new", 4): 40.0,
}


def write_all(study, leave_out=()):
    for run in study.runs:
        if (run.variant, run.seed) in leave_out:
            continue
        ap = AP[run.variant, run.seed]
        metrics = dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl"), ap)
        prepare(run)
        write_result(run.folder, Result(run.settings, metrics, 0.5, 100, 12.0))
        rows = [f"1,{step},{ap / step}" for step in (1, 2, 3, 4)]
        (run.folder / "metrics.csv").write_text("\n".join(["epoch,step,train/loss_qfl", *rows]))


def test_only_runs_without_a_result_of_the_same_settings_are_run(study_file, monkeypatch, capsys):
    path, ran = study_file(), []
    study = read_study(path)
    write_all(study, leave_out=[("no DFL", 5)])

    def run_all(runs, jobs, threads, say):
        ran.append([(run.variant, run.seed) for run in runs])
        for run in runs:
            prepare(run)
            (run.folder / FAILED).write_text("data.train: no images\n")

    monkeypatch.setattr(command, "run_all", run_all)
    assert main(["study", str(path)]) == 1
    assert ran == [[("no DFL", 5)]]
    assert "1 of 4 runs failed" in capsys.readouterr().out
    report = (study.folder / "small.md").read_text()
    assert "3 of 4 runs are done, 1 failed" in report
    assert "no DFL, seed 5 | - | - | - | - | - | - | failed: data.train: no images" in report
    write_all(study)
    ran.clear()
    assert main(["study", str(path)]) == 0 and not ran
    assert main(["study", str(path), "schedule.total_epochs=2"]) == 1  # another budget: all again
    assert len(ran[0]) == 4


def test_the_report_says_what_the_results_hold(study_file):
    path = study_file()
    study = read_study(path)
    write_all(study)
    assert main(["study", str(path), "--report-only"]) == 0
    report = (study.folder / "small.md").read_text()
    ap = "55.00 ± 7.07"
    assert f"| plain | 2 | {ap} | {ap} | {ap} | 0.500 ± 0.000 | 12 s |" in report
    # +1 and +3: mean 2, deviation 1.4142, t of one degree of freedom 12.706
    assert "| no DFL | +2.00 [-10.71, +14.71] |" in report
    assert f"nanodet study {path}" in report
    assert "`model.arch.head.loss.loss_dfl.loss_weight=0`" in report
    for name in ("small_loss_qfl.png", "small_differences.png"):
        assert f"({name})" in report
        assert (study.folder / name).stat().st_size > 5000
    page = (study.folder / "small.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    cell = '<td class="number">+2.00 [-10.71, +14.71]</td>'
    assert 'src="http' not in page and cell in page


def test_the_interval_over_the_images_is_paired(study_file):
    """Resamples that are easy or hard for both variants do not widen the interval of the difference."""
    study = read_study(study_file())
    easy = np.random.default_rng(0).normal(0, 5, 1000)
    for run in study.runs:
        own = np.random.default_rng(10 * run.seed + len(run.variant)).normal(0, 0.5, 1000)
        ap = AP[run.variant, run.seed]
        metrics = dict.fromkeys(SUMMARY, ap)
        prepare(run)
        result = Result(run.settings, metrics, 0.5, 100, 12.0, resampled_ap=list(ap + easy + own))
        write_result(run.folder, result)
    outcomes = [outcome_of(run) for run in study.runs]
    whole, change = (
        ap_over_images(outcomes, "plain"),
        change_over_images(outcomes, "no DFL", "plain"),
    )
    assert whole.value == 55 and whole.low == pytest.approx(55 - 1.96 * 5, abs=1)
    # two variants and two seeds: 0.5
    assert change.value == 2 and change.low == pytest.approx(2 - 1.96 * 0.5, abs=0.15)
    assert main(["study", str(study_file()), "--report-only"]) == 0
    report = (study.folder / "small.md").read_text()
    assert f"| plain | {whole} | - |" in report
    assert f"| no DFL | {ap_over_images(outcomes, 'no DFL')} | {change.signed()} |" in report
    first = study.runs[0]
    assert f"| {first.variant}, seed {first.seed} | {ap_text(outcomes[0].result)} |" in report
    assert "(" in ap_text(outcomes[0].result)
    # an earlier result has none, and one of other images is not compared
    earlier = dataclasses.replace(outcomes[0].result, resampled_ap=None)
    other = copy.deepcopy(outcomes[0].result)
    other.settings["data"]["val"]["img_path"] = "elsewhere"
    for result in (earlier, other):
        changed = [dataclasses.replace(outcomes[0], result=result), *outcomes[1:]]
        assert change_over_images(changed, "no DFL", "plain") is None
    for one in outcomes:
        write_result(one.run.folder, dataclasses.replace(one.result, resampled_ap=None))
    assert main(["study", str(study_file()), "--report-only"]) == 0
    assert "Not known: fewer than ten images" in (study.folder / "small.md").read_text()


def test_variants_on_other_images_are_not_compared(study_file):
    variants = {"plain": {}, "no DFL": {"data.val.img_path": "elsewhere"}, "new": {}}
    path = study_file(seeds=[4], variants=variants)
    study = read_study(path)
    write_all(study)
    assert main(["study", str(path), "--report-only"]) == 0
    report = (study.folder / "small.md").read_text()
    assert "| no DFL | - | - | - | - |" in report and "| new | -10.00 |" in report
    assert "| new minus no DFL | - | - | - | - |" in report
    assert "Variants that were validated on different images are not compared" in report
    one, two = (outcome_of(run).result for run in study.runs if run.variant != "no DFL")
    assert one.images is None and same_validation_set([one, two])
    for count, same in ((3, True), (2, False)):
        counted = [dataclasses.replace(one, images=3), dataclasses.replace(two, images=count)]
        assert same_validation_set(counted) is same
    write_result(study.runs[0].folder, counted[0])
    assert outcome_of(study.runs[0]).result.images == 3


def test_one_seed_has_no_interval(study_file):
    path = study_file(seeds=[4], variants={"plain": {}, "no DFL": {}, "new": {}})
    study = read_study(path)
    write_all(study)
    assert main(["study", str(path), "--report-only"]) == 0
    report = (study.folder / "small.md").read_text()
    assert "| new minus no DFL | -11.00 |" in report  # pairs without the baseline, too
    assert "| no DFL | +1.00 |" in report and "With one seed there is no interval" in report


def test_a_cut_run_is_resumed_only_with_the_same_settings(study_file):
    run = read_study(study_file()).runs[0]
    assert prepare(run) is False  # nothing there
    (run.folder / LAST).write_bytes(b"")
    (run.folder / FAILED).write_text("a reason\n")
    assert outcome_of(run).failure == "a reason"
    assert prepare(run) is True and outcome_of(run).failure is None
    other = read_study(study_file(), ["log.interval=3"]).runs[0]
    assert prepare(other) is False and "interval: 3" in (run.folder / SETTINGS).read_text()


@pytest.mark.parametrize(
    "text, words", [("{", "not valid JSON"), ("{}", "metrics: this key is missing")]
)
def test_a_strange_result_is_one_line(study_file, text, words, capsys):
    path = study_file()
    study = read_study(path)
    write_all(study)
    result = study.runs[0].folder / RESULT
    result.write_text(text)
    assert main(["study", str(path), "--report-only"]) == 1
    line = capsys.readouterr().err
    assert str(result) in line and words in line and "remove it to train this run again" in line


def test_two_studies_do_not_share_a_folder(study_file, capsys):
    path = study_file()
    study = read_study(path)
    write_all(study)
    code = (
        "import sys; from nanodet.files.locks import locked\n"
        f"with locked({str(study.folder)!r}): print('held', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as other:
        other.stdout.readline()
        assert main(["study", str(path)]) == 1
        assert "is in use by process" in capsys.readouterr().err
        assert main(["study", str(path), "--report-only"]) == 0
        other.stdin.close()
