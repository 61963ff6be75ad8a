"""Every key of the schema does something, or is refused.

The keys come from the dataclasses: one that is added without an entry here fails. What a change does
is looked at where it arrives: in the network, the losses, a sample, the optimiser, a training.
"""

import copy
import dataclasses
import json
import types
import typing

import cv2
import numpy as np
import pytest
import torch
import yaml
from pytorch_lightning.callbacks import Callback
from turned_pictures import annotate, write_turned

from nanodet.config import Config, load_config
from nanodet.config.effects import remarks
from nanodet.config.schema import REQUIRED, default_of, meaning
from nanodet.data.dataset import DetectionSet
from nanodet.errors import NanodetError
from nanodet.model.criterion import build_criterion
from nanodet.model.network import build_network
from nanodet.model.pretrained import load_pretrained
from nanodet.model.torch_backend import spec_of
from nanodet.quickstart.shapes import CLASSES, draw_set
from nanodet.train.device import trainer_devices
from nanodet.train.optimiser import build_optimiser, learning_rate_factor
from nanodet.train.sets import read_sets
from nanodet.train.trainer import train

OTHER_NORMALISATION = [[100, 110, 120], [50, 60, 70]]


def keys_of(kind, prefix=""):
    """Yield (dotted key, field, type) of all keys of a dataclass, sections left out."""
    hints = typing.get_type_hints(kind)
    for entry in dataclasses.fields(kind):
        dotted, hint = f"{prefix}{entry.name}", hints[entry.name]
        section = section_in(hint)
        if section is None or meaning(entry).unread:
            yield dotted, entry, hint
        else:
            inner = (
                f"{dotted}.backbone" if typing.get_origin(without_none(hint)) is dict else dotted
            )
            yield from keys_of(section, f"{inner}.")


def without_none(hint):
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        rest = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return rest[0]
    return hint


def section_in(hint):
    hint = without_none(hint)
    if typing.get_origin(hint) is dict:
        hint = typing.get_args(hint)[1]
    return hint if dataclasses.is_dataclass(hint) else None


KEYS = {dotted: (entry, hint) for dotted, entry, hint in keys_of(Config)}


# where a change arrives: each takes a config and returns something that can be compared


def network(config):
    """The weights' names, shapes and whether they learn; outputs, before and after a step of norms."""
    net = build_network(config.model.arch)
    generator = torch.Generator().manual_seed(0)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            numbers = torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5
            tensor.copy_(numbers.abs() if name.endswith("running_var") else numbers)
    picture = torch.rand(2, 3, 64, 64, generator=generator)
    found = {name: tensor.shape for name, tensor in net.state_dict().items()}
    found |= {f"{name} learns": p.requires_grad for name, p in net.named_parameters()}
    with torch.no_grad():
        found["output"] = net.eval()(picture)
        net.train()(picture)
        found["output behind a step"] = net.eval()(picture)
    return found


def losses(config):
    head = config.model.arch.head
    criterion = build_criterion(head)
    generator = torch.Generator().manual_seed(0)
    boxes, labels = torch.tensor([[4.0, 6, 40, 50]]), torch.tensor([1])
    ignored = torch.tensor([[0.0, 0, 64, 36]])
    targets = criterion.targets([boxes], [labels], [ignored], (64, 64), "cpu")
    points = sum((64 // stride) ** 2 for stride in head.strides)
    output = torch.randn(
        (1, points, head.num_classes + 4 * (head.reg_max + 1)), generator=generator
    )
    return criterion(output, targets, (64, 64))


def spec(config):
    return dataclasses.asdict(spec_of(config))


def sets(config):
    said = []
    found = read_sets(config, "c.yml", said.append)
    pictures = [
        [(str(p.path), p.boxes.tolist(), p.labels.tolist()) for p in annotations.pictures]
        for annotations in found
    ]
    return [annotations.class_names for annotations in found], pictures, said


def sample(part):
    """The pictures of a set, as the trainer's loader gets them."""

    def observe(config):
        annotations = read_sets(config, "c.yml", print)[part == "val"]
        section = getattr(config.data, part)
        data = DetectionSet(annotations, section, part == "train", config.seed or 0)
        found = [data[0, n, tuple(section.input_size)] for n in range(len(data))]
        return [(one.image, one.boxes) for one in found]

    return observe


def without_its_file(part):
    """Whether a picture can be had when its file is gone: it can from the cache."""

    def observe(config):
        annotations = read_sets(config, "c.yml", print)[part == "val"]
        data = DetectionSet(annotations, getattr(config.data, part), False)
        annotations.pictures[0] = dataclasses.replace(annotations.pictures[0], path="gone.png")
        data[0, 0, (64, 64)]

    return observe


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
        self.head = torch.nn.Conv2d(4, 2, 1)


def optimiser(config):
    built = build_optimiser(Net(), config.schedule.optimizer)
    groups = [{**group, "params": len(group["params"])} for group in built.param_groups]
    return type(built).__name__, groups


def rates(config):
    """The learning rate over the first steps, and over the epochs behind the warm-up."""
    initial = config.schedule.optimizer.lr
    first = [learning_rate_factor(config.schedule, step, 0, initial) for step in range(400)]
    return first, [learning_rate_factor(config.schedule, 10**6, n, initial) for n in range(60)]


def devices(config):
    return trainer_devices(config.device, "c.yml")


def backbone(config):
    """The backbone's first weights, with what ``pretrain`` says."""
    torch.manual_seed(0)
    net = build_network(config.model.arch).backbone
    load_pretrained(net, config.model.arch.backbone)
    return net.conv1[0].weight.detach()


class Change(typing.NamedTuple):
    """A key's other value, where it arrives, and what else to set on both sides."""

    value: object
    observe: typing.Callable
    also: typing.Mapping = types.MappingProxyType({})


_SGD = {"schedule.optimizer": {"name": "SGD", "lr": 0.1, "momentum": 0.9}}
_STEPS = {"schedule.lr_schedule": {"name": "MultiStepLR", "milestones": [5, 9]}}
_NO_NAMES = {"class_names": None, "model.arch.head.num_classes": None}
PIPELINE = {
    "perspective": 0.002, "scale": [0.5, 0.6], "stretch": [[0.5, 0.6], [1, 1]], "rotation": 20,
    "shear": 20, "translate": 0.3, "flip": 1, "brightness": 0.5, "contrast": [0.1, 0.2],
    "saturation": [0.1, 0.2],
}  # fmt: skip

CHANGES = {
    "model.arch.backbone.model_size": Change(
        "1.0x", network, {"model.arch.fpn": {}, "model.arch.head": {}}
    ),
    "model.arch.backbone.out_stages": Change(
        [3, 4], network, {"model.arch.fpn": {}, "model.arch.head": {}}
    ),
    "model.arch.backbone.activation": Change("ReLU", network),
    "model.arch.backbone.with_last_conv": Change(True, network, {"model.arch.fpn": {}}),
    "model.arch.backbone.pretrain": Change("conv1.pth", backbone),
    "model.arch.fpn.out_channels": Change(64, network, {"model.arch.head": {}}),
    "model.arch.fpn.activation": Change("LeakyReLU", network),
    "model.arch.fpn.norm_cfg.eps": Change(0.1, network),
    "model.arch.fpn.norm_cfg.momentum": Change(0.5, network),
    "model.arch.fpn.norm_cfg.requires_grad": Change(False, network),
    "model.arch.head.num_classes": Change(7, network, {"class_names": None}),
    "model.arch.head.feat_channels": Change(64, network),
    "model.arch.head.stacked_convs": Change(1, network),
    "model.arch.head.share_cls_reg": Change(False, network),
    "model.arch.head.octave_base_scale": Change(2, losses),
    "model.arch.head.reg_max": Change(10, network),
    "model.arch.head.ignore_iof_thr": Change(-1, losses),
    "model.arch.head.norm_cfg.eps": Change(0.1, network),
    "model.arch.head.norm_cfg.momentum": Change(0.5, network),
    "model.arch.head.norm_cfg.requires_grad": Change(False, network),
    "model.arch.head.activation": Change("ReLU", network),
    "model.arch.head.loss.loss_qfl.beta": Change(1, losses),
    "model.arch.head.loss.loss_qfl.loss_weight": Change(2, losses),
    "model.arch.head.loss.loss_dfl.loss_weight": Change(2, losses),
    "model.arch.head.loss.loss_bbox.loss_weight": Change(1, losses),
    "data.train.name": Change("Kitti", sets),
    "data.val.name": Change("Kitti", sets),
    "data.train.img_path": Change("nowhere", sets),
    "data.val.img_path": Change("nowhere", sets),
    "data.train.ann_path": Change("nowhere.json", sets),
    "data.val.ann_path": Change("nowhere.json", sets),
    "data.train.unknown_classes": Change("skip", sets, {"class_names": ["circle", "square"]}),
    "data.val.unknown_classes": Change(
        "skip", sets, {"class_names": ["circle", "square"], "data.train.unknown_classes": "skip"}
    ),
    "data.train.missing_images": Change("skip", sets, {"data.train.ann_path": "one_more.json"}),
    "data.val.missing_images": Change("skip", sets, {"data.val.ann_path": "one_more.json"}),
    **{
        f"data.{part}.{key}": Change(
            value,
            sets,
            {
                f"data.{part}.name": "YoloDataset",
                f"data.{part}.img_path": "turned/images",
                f"data.{part}.ann_path": labels,
                f"data.{part}.orientation": orientation,
            },
        )
        for part in ("train", "val")
        for key, value, labels, orientation in (
            ("orientation", "turned", "turned/labels", "auto"),
            ("yolo_labels", "boxes", "scored", "stored"),
        )
    },
    "data.train.list_path": Change("one.txt", sets),
    "data.val.list_path": Change("one.txt", sets),
    "data.train.class_names": Change(["a", "b", "c", "d"], sets, _NO_NAMES),
    "data.val.class_names": Change(["a", "b", "c", "d"], sets, _NO_NAMES),
    "data.train.input_size": Change([96, 64], sample("train")),
    "data.val.input_size": Change([96, 64], spec),
    "data.train.keep_ratio": Change(False, sample("train"), {"data.train.fit": None}),
    "data.val.keep_ratio": Change(False, spec, {"data.val.fit": None}),
    "data.train.fit": Change("stretch", sample("train")),
    "data.val.fit": Change("stretch", spec),
    "data.train.cache": Change(True, without_its_file("train")),
    "data.val.cache": Change(True, without_its_file("val")),
    **{f"data.train.pipeline.{name}": Change(v, sample("train")) for name, v in PIPELINE.items()},
    "device.gpu_ids": Change([0], devices),
    "device.precision": Change("bf16", devices),
    "device.accelerator": Change("cpu", devices, {"device.gpu_ids": [0]}),
    "device.strategy": Change("ddp", devices),
    "device.num_nodes": Change(2, devices, {"device.accelerator": "cpu"}),
    "schedule.optimizer.name": Change("Adam", optimiser),
    "schedule.optimizer.lr": Change(0.5, optimiser),
    "schedule.optimizer.momentum": Change(0.5, optimiser, _SGD),
    "schedule.optimizer.weight_decay": Change(0.5, optimiser),
    "schedule.optimizer.nesterov": Change(True, optimiser, _SGD),
    "schedule.optimizer.dampening": Change(0.5, optimiser, _SGD),
    "schedule.optimizer.betas": Change([0.5, 0.6], optimiser),
    "schedule.optimizer.eps": Change(0.5, optimiser),
    "schedule.optimizer.amsgrad": Change(True, optimiser),
    "schedule.optimizer.no_norm_decay": Change(True, optimiser),
    "schedule.optimizer.no_bias_decay": Change(True, optimiser),
    "schedule.optimizer.param_level_cfg.backbone.lr_mult": Change(0.5, optimiser),
    "schedule.optimizer.param_level_cfg.backbone.decay_mult": Change(0.5, optimiser),
    "schedule.warmup.name": Change("exp", rates),
    "schedule.warmup.steps": Change(40, rates),
    "schedule.warmup.ratio": Change(0.5, rates),
    "schedule.lr_schedule.milestones": Change([7], rates, _STEPS),
    "schedule.lr_schedule.gamma": Change(0.5, rates, _STEPS),
    "schedule.lr_schedule.T_max": Change(20, rates),
    "schedule.lr_schedule.eta_min": Change(0.001, rates),
    "class_names": Change(["a", "b", "c", "d"], spec),
}
# seen in one training that has all of them
TRAINING = {
    "save_dir": "elsewhere",
    "seed": 7,
    "model.weight_averager.decay": 0.5,
    "data.train.multi_scale": [0.5, 0.5],
    "data.train.pipeline.normalize": OTHER_NORMALISATION,
    "data.val.pipeline.normalize": OTHER_NORMALISATION,
    "device.workers_per_gpu": 1,
    "device.batchsize_per_gpu": 3,
    "schedule.resume": True,
    "schedule.load_model": "first.pth",
    "schedule.total_epochs": 2,
    "schedule.val_intervals": 2,
    "schedule.accumulate": 2,
    "schedule.early_stopping.patience": 4,
    "schedule.freeze_norm": True,
    "grad_clip": 3,
    "evaluator.save_key": "AP_50",
    "log.interval": 2,
    "cudnn_benchmark": False,
}
# seen in what a model finds
FINDING = {
    "score": 0.3, "nms_iou": 0.1, "per_level": 5, "per_picture": 3, "class_agnostic_nms": True,
}  # fmt: skip
# given values must equal what follows from other keys
FOLLOWING = {
    "model.arch.fpn.in_channels": [1, 2, 3],
    "model.arch.fpn.num_outs": 5,
    "model.arch.head.input_channel": 64,
    "model.arch.head.strides": [8, 16],
}
# refused though another part of the file may have them
REFUSED = {
    "model.arch.name": ("NanoDetPlus", {}),
    "data.val.multi_scale": ([0.5, 1.5], {}),
    **{f"data.val.pipeline.{name}": (value, {}) for name, value in PIPELINE.items()},
    "schedule.optimizer.momentum": (0.9, {}),
    "schedule.optimizer.betas": ([0.9, 0.99], _SGD),
    "schedule.lr_schedule.name": ("StepLR", {}),
    "schedule.lr_schedule.milestones": ([5], {}),
    "schedule.lr_schedule.gamma": (0.1, {}),
    "schedule.lr_schedule.eta_min": (0.1, _STEPS),
    "schedule.lr_schedule.T_max": (9, _STEPS),
    "data.train.keep_ratio": (False, {"data.train.fit": "letterbox"}),
    "data.val.keep_ratio": (True, {"data.val.fit": "stretch"}),
    "data.val.pipeline.normalize": (OTHER_NORMALISATION, {}),
    "model.arch.backbone.pretrain": ("conv1.pth", {"schedule.load_model": "first.pth"}),
    "model.arch.backbone.out_stages": ([2, 2], {}),
    "model.arch.backbone.with_last_conv": (True, {"model.arch.backbone.out_stages": [2, 3]}),
    "model.arch.head.feat_channels": (64, {"model.arch.head.stacked_convs": 0}),
    "model.arch.head.activation": ("ReLU", {"model.arch.head.stacked_convs": 0}),
    "schedule.optimizer.dampening": (
        0.5,
        {"schedule.optimizer": {"name": "SGD", "lr": 0.1, "momentum": 0}},
    ),
    "data.train.yolo_labels": ("boxes", {}),
    "data.val.yolo_labels": ("polygons", {}),
    "model.arch.head.norm_cfg": (None, {}),
    "data.train.use_keypoint": (True, {}),
    "device.gpu_ids": ([0, 0], {}),
}


def one_value(entry):
    return len(meaning(entry).known) == 1


def test_every_key_has_an_entry_and_every_entry_a_key():
    entries = {*CHANGES, *TRAINING, *FOLLOWING, *(f"evaluator.{name}" for name in FINDING)}
    entries |= {key for key in REFUSED if key in KEYS}
    only_refused = {
        key for key, (entry, _) in KEYS.items() if meaning(entry).unread or one_value(entry)
    }
    assert set(KEYS) - entries - only_refused == set()
    assert entries - set(KEYS) == set()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """What is computed here is too little to share."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data set, weights and a config that changes are made to."""
    folder = tmp_path_factory.mktemp("keys")
    pictures, annotations = draw_set(folder / "set", 7, 0)
    (folder / "one.txt").write_text("0003.jpg\n")
    truth = json.loads(annotations.read_text())
    truth["images"].append({"id": 99, "file_name": "gone.jpg", "width": 64, "height": 64})
    (folder / "one_more.json").write_text(json.dumps(truth))
    (folder / "turned" / "images").mkdir(parents=True)
    write_turned(folder / "turned" / "images" / "a.jpg", 3)
    labels = annotate(folder / "turned", "yolo", {"a.jpg": True})
    (folder / "scored").mkdir()
    scored = (labels / "a.txt").read_text().replace("\n", " 0.9\n")
    (folder / "scored" / "a.txt").write_text(scored)
    dataset = {
        "name": "CocoDataset", "img_path": str(pictures), "ann_path": str(annotations),
        "input_size": [64, 64], "fit": "letterbox",
    }  # fmt: skip
    mapping = {
        "save_dir": str(folder / "run"),
        "model": {"arch": {"backbone": {"model_size": "0.5x", "pretrain": False}, "fpn": {}}},
        "data": {"train": dataset, "val": {**dataset}},
        "device": {"workers_per_gpu": 0},
        "schedule": {
            "optimizer": {"name": "AdamW", "lr": 0.01, "weight_decay": 0.05}, "total_epochs": 50,
        },
        "class_names": list(CLASSES),
    }  # fmt: skip
    (folder / "base.yml").write_text(yaml.safe_dump(mapping))
    config = load_config(folder / "base.yml")
    weights = build_network(config.model.arch).state_dict()
    torch.save(weights, folder / "first.pth")
    names = {name.removeprefix("backbone."): w for name, w in weights.items() if "backbone" in name}
    torch.save(names, folder / "conv1.pth")
    return folder


@pytest.fixture()
def configured(folder, monkeypatch):
    """Load the config with keys set: ``configured({"schedule.optimizer.lr": 0.5})``."""
    monkeypatch.chdir(folder)

    def load(*changes):
        mapping = yaml.safe_load((folder / "base.yml").read_text())
        for key, value in [item for change in changes for item in change.items()]:
            *parents, last = key.split(".")
            section = mapping
            for parent in parents:
                section = section.setdefault(parent, {})
                if parent == "norm_cfg":
                    section["type"] = "BN"
                if parent == "weight_averager":
                    section["name"] = "ExpMovingAverager"
            section[last] = copy.deepcopy(value)
        (folder / "c.yml").write_text(yaml.safe_dump(mapping))
        return load_config("c.yml")

    return load


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
    default = {key: default_of(KEYS[key][0])} if ".norm_cfg." in key else {}
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
    assert "leave it out" in refusal(configured, key, {key: FOLLOWING[key]})


SAMPLES = {str: "x", int: 3, float: 0.5, bool: True, list: [1], dict: {"a": 1}}


def test_keys_of_parts_that_are_not_built_are_refused(configured, folder):
    dataset = yaml.safe_load((folder / "base.yml").read_text())["data"]["val"]
    unread = {key: hint for key, (entry, hint) in KEYS.items() if meaning(entry).unread}
    assert len(unread) > 20
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
        for value in wrong:
            refusal(configured, key, {key: value})
            counted += 1
    assert counted > 80


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
    mean, std = (torch.tensor(v) for v in OTHER_NORMALISATION)
    pixels = (watch.batch.images - mean) / std
    torch.testing.assert_close(watch.input, pixels.permute(0, 3, 1, 2))
    assert (module.spec.mean, module.spec.std) == tuple(map(tuple, OTHER_NORMALISATION))
    assert any("starting afresh" in line for line in said)
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
    assert kept.item() == pytest.approx(0.5 * (1 - np.exp(-1 / 2000)), rel=0.1)


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


def test_a_file_may_leave_out_what_it_need_not_say(configured):
    config = configured({"class_names": None})
    assert default_of(KEYS["data.train.name"][0]) is REQUIRED
    assert config.model.arch.fpn.in_channels == [48, 96, 192]
    assert config.model.arch.head.strides == [8, 16, 32]
    assert config.schedule.lr_schedule.T_max == 50
    read_sets(config, "c.yml", print)
    assert config.model.arch.head.num_classes == len(CLASSES)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule.lr_schedule": {"name": "MultiStepLR", "milestones": [60]}}, "milestones: [60]"),
        (
            {"schedule.early_stopping": {"patience": 5}},
            "patience 5 is not used up by 5 evaluations",
        ),
        ({"schedule.lr_schedule.T_max": 300}, "T_max: 300 lies behind the last of 50 epochs"),
        ({"schedule.lr_schedule.T_max": 30}, "rate is 0 behind epoch 30 of 50"),
        (
            {"schedule.optimizer": {"name": "SGD", "lr": 1, "no_norm_decay": True}},
            "no_norm_decay: ",
        ),
        (
            {
                "schedule.optimizer": {
                    "name": "SGD",
                    "lr": 1,
                    "param_level_cfg": {"fpn": {"decay_mult": 2}},
                },
            },
            "param_level_cfg.fpn.decay_mult: ",
        ),
        (
            {"schedule.freeze_norm": True, "model.arch.head.norm_cfg.momentum": 0.5},
            "head.norm_cfg.momentum: ",
        ),
        ({"evaluator.per_level": 10}, "per_picture: 100 are not reached"),
        ({"device.workers_per_gpu": 4096}, "device.workers_per_gpu: "),
        ({"device.gpu_ids": [0], "device.accelerator": "cpu"}, "device.gpu_ids is [0], but"),
        ({}, None),
    ],
)
def test_a_setting_that_a_run_defeats_is_said(configured, changes, said):
    config = configured(changes)
    lines = [*remarks(config), *devices(config)[1]]
    assert any(said in line for line in lines) if said else lines == []


def test_machines_that_nobody_can_find_are_not_waited_for(configured, monkeypatch):
    config = configured({"device.num_nodes": 2})
    with pytest.raises(NanodetError, match=r"c\.yml: device\.num_nodes: is 2, .*torchrun"):
        devices(config)
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    assert devices(config)[0]["num_nodes"] == 2


@pytest.mark.parametrize("strategy", ["fsdp", "deepspeed"])
def test_a_strategy_that_this_machine_cannot_follow_is_one_line(configured, strategy):
    config = configured({"device.strategy": strategy, "device.accelerator": "cpu"})
    with pytest.raises(NanodetError, match=r"c\.yml: device: [^\n]*(GPU|DeepSpeed)"):
        train(config, "c.yml", say=lambda line: None)


def test_torchrun_and_the_config_agree_on_machines(configured, monkeypatch):
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "1"),
        ("LOCAL_WORLD_SIZE", "2"),
        ("WORLD_SIZE", "4"),
    ):
        monkeypatch.setenv(name, value)
    arguments, _ = devices(configured({"device.gpu_ids": -1}))
    assert (arguments["num_nodes"], arguments["devices"]) == (2, 2)
    with pytest.raises(NanodetError, match=r"c\.yml: device\.num_nodes: is 3, but torchrun .* 2"):
        devices(configured({"device.gpu_ids": -1, "device.num_nodes": 3}))
