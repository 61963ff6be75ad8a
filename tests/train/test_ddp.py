"""Two processes learn what one process learns from the union of their batches."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

SCRIPT = Path(__file__).with_name("save_gradients.py")


def run(root, processes, config, path, *overrides):
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    done = subprocess.run(
        [*start, str(SCRIPT), str(config), str(path), *overrides],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    saved = torch.load(path, weights_only=True)
    assert saved["world"] == processes
    return saved["gradients"]


def first_step_order(count, seed):
    """The order of training images in epoch 0, as `EpochSampler` draws it."""
    from nanodet.data.loader import EpochSampler

    sampler = EpochSampler(count, count, True, seed, (96, 96))
    return [index for _, index, _ in next(iter(sampler))]


PLUS = {
    "name": "NanoDetPlus",
    "backbone": {"model_size": "0.5x", "pretrain": False},
    "fpn": {"out_channels": 32},
    "head": {"feat_channels": 32},
    "aux_head": {"feat_channels": 32, "stacked_convs": 1},
}


@pytest.mark.parametrize(
    ("one_side_empty", "changes"),
    [
        pytest.param(False, {}, marks=pytest.mark.slow),
        (True, {}),
        pytest.param(True, {"model.arch": PLUS}, marks=pytest.mark.slow),
        pytest.param(True, {"distill": {}}, marks=pytest.mark.slow),
    ],
)
def test_averaged_gradients_are_those_of_the_union(
    root, shapes, small_config, tmp_path, request, one_side_empty, changes
):
    if "distill" in changes:
        teacher = request.getfixturevalue("trained").folder / "model_last.ckpt"
        weights = {f"{one}_weight": 1 for one in ("box", "region", "score")}
        changes = {"distill": {"teacher": str(teacher), **weights}}
    _, annotations = shapes[0]
    content = json.loads(Path(annotations).read_text())
    order = first_step_order(len(content["images"]), seed=3)
    # rank 0 takes the even places of the order, rank 1 the odd ones: four images each
    empty = set(np.asarray(order)[1:8:2] + 1) if one_side_empty else set()
    kept = [a for a in content["annotations"] if a["image_id"] not in empty]
    assert any(a["image_id"] in np.asarray(order)[0:8:2] + 1 for a in kept)
    content["annotations"] = kept
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    config = small_config(
        **{
            "data.train.ann_path": str(changed),
            "data.train.pipeline": {},
            "schedule.freeze_norm": True,
            "schedule.total_epochs": 1,
            "schedule.val_intervals": 5,
            "grad_clip": None,
            **changes,
        }
    )
    one = run(root, 1, config, tmp_path / "one.pt", "device.batchsize_per_gpu=8")
    two = run(root, 2, config, tmp_path / "two.pt", "device.batchsize_per_gpu=4")
    assert one.keys() == two.keys()
    for name in one:
        scale = max(one[name].abs().max().item(), 1e-4)
        assert (one[name] - two[name]).abs().max().item() <= 2e-5 * scale + 1e-8, name


@pytest.mark.slow
def test_two_processes_learn_maps_of_which_the_teacher_lacks_some(
    root, trained, small_config, tmp_path
):
    teacher = {"teacher": str(trained.folder / "model_last.ckpt"), "scale": 2, "feature_weight": 1}
    config = small_config(distill=teacher, **{"schedule.total_epochs": 1})
    run(root, 2, config, tmp_path / "gradients.pt")
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/lr"]]
    assert len(rows) > 1 and all(float(row["train/distill_feature"]) > 0 for row in rows)
