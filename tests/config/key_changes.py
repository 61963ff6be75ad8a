"""Another value for every key of the schema, and where it must arrive or why it is refused."""

import types
import typing

from where_keys_arrive import (
    backbone,
    devices,
    distilled,
    loggers,
    losses,
    network,
    optimiser,
    rates,
    sample,
    sets,
    spec,
    without_its_file,
)

OTHER_NORMALISATION = [[100, 110, 120], [50, 60, 70]]


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
    "saturation": [0.1, 0.2], "mosaic": 1, "mixup": 1, "crop": 1, "cutout": 1,
    "copy_paste": 1, "blur": 1, "grey": 1, "jpeg": 1,
}  # fmt: skip
# of steps that are on with their probability
STRENGTHS = {"mosaic_scale": [1.5, 1.5], "crop_size": [0.2, 0.2], "crop_visible": 1}
SMALL_CROPS = {"data.train.pipeline.crop_size": [0.1, 0.1]}

_TEACHER = {"distill": {"teacher": "first.pth", "config": "base.yml", "feature_weight": 1}}
DISTILL = {
    "teacher": "gone.pth", "config": "gone.yml", "scale": 2, "temperature": 5, "box_weight": 1,
    "region_weight": 1, "region": 0.9, "score_weight": 1, "feature_weight": 2,
}  # fmt: skip

CHANGES = {
    "logger": Change("csv", loggers),
    **{f"distill.{name}": Change(value, distilled, _TEACHER) for name, value in DISTILL.items()},
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
    "model.arch.fpn.norm_cfg.type": Change("GN", network),
    "model.arch.fpn.norm_cfg.num_groups": Change(
        8, network, {"model.arch.fpn.norm_cfg": {"type": "GN"}}
    ),
    "model.arch.head.norm_cfg.type": Change("GN", network),
    "model.arch.head.norm_cfg.num_groups": Change(
        8, network, {"model.arch.head.norm_cfg": {"type": "GN"}}
    ),
    "model.arch.head.conv_type": Change("Conv", network),
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
    "model.arch.head.box_code.spacing": Change(0.5, network),
    "model.arch.head.assigner_cfg": Change({"name": "ATSS", "topk": 2}, losses),
    "model.arch.head.loss.loss_bbox.name": Change("DIoULoss", losses),
    "model.arch.head.loss.loss_qfl.beta": Change(1, losses),
    "model.arch.head.loss.loss_qfl.loss_weight": Change(2, losses),
    "model.arch.head.loss.loss_dfl.loss_weight": Change(2, losses),
    "model.arch.head.loss.loss_bbox.loss_weight": Change(1, losses),
    "data.train.name": Change("YoloDataset", sets),
    "data.val.name": Change("YoloDataset", sets),
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
    **{
        f"data.{part}.box": Change(
            "visible",
            sets,
            {f"data.{part}.name": "OdgtDataset", f"data.{part}.ann_path": "set.odgt"},
        )
        for part in ("train", "val")
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
    **{
        f"data.train.pipeline.{name}": Change(
            value, sample("train"), {f"data.train.pipeline.{name.split('_')[0]}": 1, **SMALL_CROPS}
        )
        for name, value in STRENGTHS.items()
    },
    "data.train.pipeline.off_epochs": Change(
        10**6, sample("train"), {"data.train.pipeline.mosaic": 1}
    ),
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
    "model.weight_averager.ramp_steps": 3,
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
    "model.arch.name": ("Elsewhere", {}),
    "data.val.multi_scale": ([0.5, 1.5], {}),
    **{f"data.val.pipeline.{name}": (value, {}) for name, value in (PIPELINE | STRENGTHS).items()},
    "data.val.pipeline.off_epochs": (1, {}),
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
    "data.train.box": ("head", {}),
    "data.val.box": ("visible", {}),
    "model.arch.head.norm_cfg": (None, {}),
    "data.train.use_keypoint": (True, {}),
    "device.gpu_ids": ([0, 0], {}),
}
