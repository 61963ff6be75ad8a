"""A whole study of two variants and two seeds, and the correlation that it measures."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from small_arch import arch

from nanodet.cli.main import main
from nanodet.config import config_to_dict
from nanodet.data.dataset import DetectionSet
from nanodet.data.loader import build_loader
from nanodet.data.read import read_annotations
from nanodet.files.locks import LOCK
from nanodet.learn.objective import build_objective
from nanodet.model.network import build_network
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.study.plan import read_study
from nanodet.study.positives import at_positives, device_of
from nanodet.study.results import LOG, outcome_of
from nanodet.study.worker import PATIENCE_S
from nanodet.train.module import ground_truths, normalised
from nanodet.train.outputs import LAST


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    return draw_set(folder / "train", 8, 0), draw_set(folder / "val", 4, 1)


def test_positives_are_measured_on_the_device_of_the_run():
    assert device_of({"accelerator": "cuda", "devices": [1]}) == torch.device("cuda:1")
    for kind in ("cpu", "cuda"):  # one of them, or all that there are
        assert device_of({"accelerator": kind, "devices": 1}) == torch.device(kind)


def test_scores_at_positives_are_those_that_the_objective_trains(shapes, tmp_path):
    """The IoU of each positive is the target that the loss of the scores gets there."""
    section = quickstart_config(tmp_path, *shapes, seed=0, epochs=1).data.val
    section.input_size = [128, 96]
    annotations = read_annotations("CocoDataset", *shapes[1])
    loader = build_loader(
        DetectionSet(annotations, section, False), batch_size=3, workers=0, training=False, seed=0,
        input_size=section.input_size,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(arch()).eval()
    objective = build_objective(network, arch())
    scores, ious = at_positives(network, objective, loader, section, torch.device("cpu"))

    expected = []

    def record(logits, quality):
        at = quality > 0
        expected.append((logits[at].sigmoid(), quality[at]))
        return torch.zeros_like(logits)

    spying = build_objective(network, arch())
    object.__setattr__(spying, "scores", spying.scores._replace(loss=record))
    with torch.no_grad():
        for batch in loader:
            images = normalised(batch, section)
            spying(network.training_outputs(images, 0), ground_truths(batch), (128, 96))
    assert len(scores) == len(ious) > 20
    kept = ious > 0
    for found, one in zip((scores[kept], ious[kept]), zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(np.sort(found), np.sort(torch.cat(one).numpy()), atol=1e-6)


def write_study(folder, shapes, epochs=2, **keys):
    """Write a study file with its config; return its path."""
    mapping = config_to_dict(quickstart_config(folder / "run", *shapes, seed=3, epochs=epochs))
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [96, 96]
    mapping["device"]["batchsize_per_gpu"] = 4
    mapping["log"]["interval"] = 1
    (folder / "small.yml").write_text(yaml.safe_dump(mapping))
    given = {"config": "small.yml", "save_dir": str(folder / "out"), "seeds": [0, 1], **keys}
    path = folder / "bins.yml"
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    return path


@pytest.mark.slow
def test_a_whole_study(shapes, tmp_path, capsys):
    grid = {"model.arch.head.reg_max": [7, 5]}
    broken = {"data.train.ann_path": str(tmp_path / "none.json")}
    path = write_study(tmp_path, shapes, grid=grid, variants={"a": {}, "broken": broken})
    command = ["study", str(path), "--jobs", "2"]
    assert main(command) == 1
    said = capsys.readouterr().out
    assert "4 of 8 runs failed" in said and "none.json: cannot read" in said
    report = (tmp_path / "out" / "bins.md").read_text()
    assert "4 of 8 runs are done, 4 failed" in report
    assert re.search(r"\| a, reg_max=5 \| 2 \| \d+\.\d\d ± \d+\.\d\d \|", report)
    assert "(bins_loss_qfl.png)" in report and "(bins_loss_bbox.png)" in report
    done = [outcome_of(run) for run in read_study(path).runs if run.variant.startswith("a")]
    assert all(one.result and one.result.positives > 10 for one in done)
    logs = {one.run.folder / LOG: (one.run.folder / LOG).read_bytes() for one in done}

    # without the broken ones nothing is left to train
    write_study(tmp_path, shapes, grid=grid, variants={"a": {}})
    assert main(command) == 0
    assert "4 of them done" in capsys.readouterr().out
    assert all(log.read_bytes() == data for log, data in logs.items())


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_one_leaves_no_process_and_goes_on(root, shapes, tmp_path, number):
    path = write_study(tmp_path, shapes, epochs=8, seeds=[0], variants={"a": {}, "b": {}})
    words = [sys.executable, "-m", "nanodet.cli.main", "study", str(path), "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    runs = [run.folder for run in read_study(path).runs]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not all((run / LAST).exists() for run in runs):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        said = process.communicate()[1]
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert said == "nanodet: stopped; the same command goes on\n"
    for run in runs:  # its training has ended, or does so now that its study has
        until = time.monotonic() + PATIENCE_S
        while (run / LOCK).exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not (run / LOCK).exists()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count(": resumed\n") == 2
    for run in runs:
        rows = [line.split(",")[1] for line in (run / "metrics.csv").read_text().splitlines()[1:-1]]
        assert rows == [str(step) for step in range(1, len(rows) + 1)]
