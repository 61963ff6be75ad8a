"""Every key of the schema does something, or is refused.

The keys come from the dataclasses: one that is added without an entry here fails. What a change does
is looked at where it arrives: in the network, the losses, a sample, the optimiser, a training.
"""

import copy
import typing

import cv2
import numpy as np
import pytest
import torch
import yaml
from key_changes import CHANGES, FINDING, FOLLOWING, OTHER_NORMALISATION, REFUSED, TRAINING
from pytorch_lightning.callbacks import Callback

from nanodet.config import Config
from nanodet.config.keys import default_of, entries, meaning, section_of, without_none
from nanodet.errors import NanodetError
from nanodet.train.trainer import train


def walk(kind, prefix=""):
    """Yield (dotted key, field, type) of every key below a dataclass, sections before their keys.

    Of parts the default one is walked through. Where a file chooses names itself, as in
    ``param_level_cfg``, a ``*`` stands for them.
    """
    for entry, hint in entries(kind):
        dotted = f"{prefix}{entry.name}"
        yield dotted, entry, hint
        section = section_of(entry, hint)
        if section is not None:
            named = typing.get_origin(without_none(hint)) is dict
            yield from walk(section, f"{dotted}.*." if named else f"{dotted}.")


KEYS = {  # sections left out
    dotted.replace("*", "backbone"): (entry, hint)
    for dotted, entry, hint in walk(Config)
    if section_of(entry, hint) is None
}


def one_value(entry):
    return len(meaning(entry).known) == 1


def test_every_key_has_an_entry_and_every_entry_a_key():
    listed = {*CHANGES, *TRAINING, *FOLLOWING, *(f"evaluator.{name}" for name in FINDING)}
    listed |= {key for key in REFUSED if key in KEYS}
    listed |= {  # the names of parts are those of their table
        f"{dotted}.name" for dotted, entry, _ in walk(Config) if meaning(entry).table
    } & set(KEYS)
    only_refused = {
        key for key, (entry, _) in KEYS.items() if meaning(entry).unread or one_value(entry)
    }
    assert set(KEYS) - listed - only_refused == set()
    assert listed - set(KEYS) == set()


def seen(observe, config):
    """Return what an observer sees: a value, or the line of an error."""
    try:
        return observe(config)
    except NanodetError as error:
        return str(error)


def same(a, b):
    if isinstance(a, (torch.Tensor, np.ndarray)) and isinstance(b, (torch.Tensor, np.ndarray)):
        return a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_key_changes_what_is_built(configured, key):
    value, observe, also = CHANGES[key]
    default = {key: "BN"} if key.endswith("norm_cfg.type") else {}
    if ".norm_cfg." in key and not default:
        default = {key: default_of(KEYS[key][0])}
    before, again, after = (
        seen(observe, configured(also, change)) for change in (default, default, {key: value})
    )
    assert same(before, again)  # or a difference would prove nothing
    assert not same(before, after)


def test_steps_need_milestones(configured):
    refusal(
        configured,
        "schedule.lr_schedule.milestones",
        {"schedule.lr_schedule": {"name": "MultiStepLR"}},
    )


def test_a_rate_that_would_rise_is_refused(configured):
    refusal(configured, "schedule.lr_schedule.eta_min", {"schedule.lr_schedule.eta_min": 0.2})


def refusal(configured, key, *changes):
    with pytest.raises(NanodetError) as caught:
        configured(*changes)
    assert str(caught.value).startswith(f"c.yml: {key}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("key", REFUSED)
def test_a_setting_without_effect_is_refused(configured, key):
    value, also = REFUSED[key]
    refusal(configured, key, also, {key: value})


@pytest.mark.parametrize("key", FOLLOWING)
def test_a_value_that_differs_from_what_it_follows_from_is_refused(configured, key):
    assert "it follows from that" in refusal(configured, key, {key: FOLLOWING[key]})


SAMPLES = {str: "x", int: 3, float: 0.5, bool: True, list: [1], dict: {"a": 1}}


def test_keys_of_parts_that_are_not_built_are_refused(configured, folder):
    dataset = yaml.safe_load((folder / "base.yml").read_text())["data"]["val"]
    unread = {key: hint for key, (entry, hint) in KEYS.items() if meaning(entry).unread}
    assert len(unread) > 3
    for key, hint in unread.items():
        hint = without_none(hint)
        value = SAMPLES.get(typing.get_origin(hint) or hint, dataset)
        assert "remove it" in refusal(configured, key, {key: value})


def test_values_out_of_bounds_or_unknown_are_refused(configured):
    counted = 0
    for key, (entry, hint) in KEYS.items():
        _, low, high, known, *_ = meaning(entry)
        wrong = []
        if low is not None:
            wrong = [low - 1, *([high + 1] if high < 2**31 else [])]
            if without_none(hint) == list[int]:
                wrong = [[int(number), int(number)] for number in wrong]
            elif without_none(hint) is int:
                wrong = [int(number) for number in wrong]
        elif known:
            wrong = [{str: "Mish", int: 77, bool: not known[0]}[type(known[0])]]
        also = {"distill.teacher": "first.pth"} if key.startswith("distill.") else {}
        for value in wrong:
            refusal(configured, key, also, {key: value})
            counted += 1
    assert counted > 80


@pytest.mark.parametrize("name", FINDING)
def test_the_evaluator_limits_what_is_found(configured, small_checkpoint, name):
    from nanodet.evaluate.run import evaluation_detector

    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8), (160, 96))
    wide = {"evaluator.score": 0.01, "evaluator.per_picture": 1000}
    before, after = (
        evaluation_detector(small_checkpoint, configured(wide, change).evaluator)(picture)
        for change in ({}, {f"evaluator.{name}": FINDING[name]})
    )
    assert (3 if name == "per_picture" else 4) <= len(after) < len(before)


def test_the_known_metrics_are_those_that_checkpoints_are_judged_by():
    from nanodet.train.checkpoints import SAVE_KEYS

    assert set(meaning(KEYS["evaluator.save_key"][0]).known) == set(SAVE_KEYS)


class Stop(Exception):
    """Ends a training that has shown what it was run for."""


class Watch(Callback):
    """Keeps what a training shows at its second step, and ends it."""

    def on_train_start(self, trainer, module):
        self.first = copy.deepcopy(module.model.state_dict())
        module.model.register_forward_pre_hook(self.keep_input)

    def keep_input(self, network, given):
        self.input = given[0]

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.trainer, self.module, self.batch = trainer, module, batch
        self.norm_learns = module.model.backbone.conv1[1].training
        self.benchmark = torch.backends.cudnn.benchmark

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step == 1:  # behind two batches
            raise Stop


def test_a_training_heeds_its_keys(configured, folder):
    config = configured(TRAINING)
    said, watch = [], Watch()
    with pytest.raises(Stop):
        train(config, "c.yml", said.append, [watch])
    trainer, module = watch.trainer, watch.module
    loader = trainer.train_dataloader
    assert (folder / "elsewhere" / "metrics.csv").is_file()
    assert loader.batch_sampler.seed == loader.dataset.seed == 7
    assert len(watch.batch) == 3
    assert tuple(watch.batch.images.shape[1:3]) == (32, 32)
    assert loader.num_workers == 1
    assert loader.dataset.augment.last == trainer.max_epochs  # from which off_epochs counts
    mean, std = (torch.tensor(v) for v in OTHER_NORMALISATION)
    pixels = (watch.batch.images - mean) / std
    torch.testing.assert_close(watch.input, pixels.permute(0, 3, 1, 2))
    assert (module.spec.mean, module.spec.std) == tuple(map(tuple, OTHER_NORMALISATION))
    assert any("starting a new run" in line for line in said)
    assert any("tensors taken" in line for line in said)
    assert trainer.max_epochs == 2
    assert trainer.accumulate_grad_batches == 2
    assert trainer.gradient_clip_val == 3
    assert watch.benchmark is False
    assert watch.norm_learns is False
    stopping, csv, checkpoints = (
        next(c for c in trainer.callbacks if type(c).__name__ == name)
        for name in ("EarlyStopping", "MetricsCsv", "Checkpoints")
    )
    assert stopping.patience == 4 and stopping.monitor == "val/AP50"
    assert checkpoints.metric == "AP50" and checkpoints.interval == 2
    assert [row["step"] for row in csv.rows] == [0]
    # the average moved by 1 - d, with d at step 1 of its ramp
    old, new = watch.first["head.gfl_cls.0.weight"], module.model.head.gfl_cls[0].weight.detach()
    moved = module.avg_model.head.gfl_cls[0].weight
    kept = (moved - new).abs().sum() / (old - new).abs().sum()
    assert kept.item() == pytest.approx(0.5 * (1 - np.exp(-1 / 3)), rel=0.1)
