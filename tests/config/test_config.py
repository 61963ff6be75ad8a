"""Config files: every known key, and one clear line for everything else."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from nanodet.config import Config, config_from_dict, config_to_dict, load_config, save_config
from nanodet.config.build import build
from nanodet.config.reference import reference
from nanodet.errors import NanodetError

ROOT = Path(__file__).resolve().parents[2]

# every key of the original's config files and documentation that design.md lists
FULL = """
save_dir: workspace/full
model:
  weight_averager: {name: ExpMovingAverager, decay: 0.9998}
  arch:
    name: NanoDetPlus
    detach_epoch: 10
    backbone: {name: ShuffleNetV2, model_size: 1.0x, out_stages: [2,3,4], activation: LeakyReLU,
               with_last_conv: False, pretrain: True}
    fpn: {name: GhostPAN, in_channels: [116, 232, 464], out_channels: 96, kernel_size: 5,
          num_extra_level: 1, use_depthwise: True, activation: LeakyReLU}
    head:
      name: NanoDetPlusHead
      num_classes: 2
      input_channel: 96
      feat_channels: 96
      stacked_convs: 2
      kernel_size: 5
      strides: [8, 16, 32, 64]
      activation: LeakyReLU
      reg_max: 7
      norm_cfg: {type: BN}
      loss:
        loss_qfl: {name: QualityFocalLoss, use_sigmoid: True, beta: 2.0, loss_weight: 1.0}
        loss_dfl: {name: DistributionFocalLoss, loss_weight: 0.25}
        loss_bbox: {name: GIoULoss, loss_weight: 2.0}
    aux_head: {name: SimpleConvHead, num_classes: 2, input_channel: 192, feat_channels: 192,
               stacked_convs: 4, strides: [8, 16, 32, 64], activation: LeakyReLU, reg_max: 7}
data:
  train:
    name: XMLDataset
    class_names: &names [a, b]
    img_path: images
    ann_path: annotations
    input_size: [320,320] #[w,h]
    keep_ratio: True
    multi_scale: [0.6, 1.4]
    pipeline:
      perspective: 0.0
      scale: [0.6, 1.4]
      stretch: [[0.8, 1.2], [0.8, 1.2]]
      rotation: 0
      shear: 0
      translate: 0.2
      flip: 0.5
      brightness: 0.2
      contrast: [0.6, 1.4]
      saturation: [0.5, 1.2]
      normalize: [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]]
  val:
    name: YoloDataset
    img_path: images
    ann_path: annotations
    class_names: *names
    input_size: [320,320]
    keep_ratio: False
    pipeline:
      normalize: [[103.53, 116.28, 123.675], [57.375, 57.12, 58.395]]
device:
  gpu_ids: [0]
  workers_per_gpu: 8
  batchsize_per_gpu: 96
  precision: 16
schedule:
  resume:
  load_model: weights.pth
  optimizer: {name: AdamW, lr: 1e-3, weight_decay: 5e-2, no_norm_decay: True, no_bias_decay: True,
              param_level_cfg: {backbone: {lr_mult: 0.1, decay_mult: 0.5}}}
  warmup: {name: linear, steps: 500, ratio: 0.0001}
  total_epochs: 300
  lr_schedule: {name: CosineAnnealingLR, T_max: 300, eta_min: 5e-05}
  val_intervals: 10
grad_clip: 35
evaluator: {name: CocoDetectionEvaluator, save_key: mAP}
log: {interval: 50}
cudnn_benchmark: False
class_names: *names
"""


# other parts, with the keys that those of FULL do not have
NANODET_M = """
name: OneStageDetector
backbone: {name: ShuffleNetV2, model_size: 1.0x, out_stages: [2,3,4], activation: LeakyReLU,
           with_last_conv: False, pretrain: True}
fpn: {name: PAN, in_channels: [116, 232, 464], out_channels: 96, start_level: 0, num_outs: 3}
head: {name: NanoDetHead, num_classes: 2, input_channel: 96, feat_channels: 96, stacked_convs: 2,
       share_cls_reg: True, octave_base_scale: 5, scales_per_octave: 1, strides: [8, 16, 32],
       reg_max: 7, ignore_iof_thr: -1, norm_cfg: {type: BN}}
"""


def small(**changes):
    mapping = yaml.safe_load(FULL)
    mapping["model"]["arch"] = yaml.safe_load(NANODET_M)
    for key, value in changes.items():
        *parents, last = key.split("__")
        inner = mapping
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return mapping


def test_every_key_the_original_documents_is_known():
    build(Config, yaml.safe_load(FULL), "full.yml")
    assert config_from_dict(yaml.safe_load(FULL)).model.arch.aux_head.num_classes == 2
    config = config_from_dict(small())
    assert config.schedule.resume is True  # "resume:" with nothing behind it asks for it
    assert config.schedule.optimizer.lr == pytest.approx(0.001)  # YAML reads 1e-3 as a text
    assert config.schedule.optimizer.param_level_cfg["backbone"].lr_mult == 0.1
    assert config.data.train.effective_fit == "own"
    assert config.data.val.effective_fit == "stretch"


def test_a_part_that_is_not_built_is_named_before_its_keys():
    for path in ("arch", "arch.backbone", "arch.fpn", "arch.head", "arch.aux_head"):
        mapping = yaml.safe_load(FULL)
        section = mapping["model"]
        for name in path.split("."):
            section = section[name]
        section["name"] = "Elsewhere"
        start = f"full.yml: model.{path}.name: 'Elsewhere' is not supported; known: "
        with pytest.raises(NanodetError, match=f"^{re.escape(start)}"):
            config_from_dict(mapping, "full.yml")


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "model.arch.head.name=SimpleConvHead",
            "'SimpleConvHead' is an auxiliary head (model.arch.aux_head.name); known here: NanoDetHead, "
            "GFLHead, NanoDetPlusHead",
        ),
        ("model.arch.backbone.name=PAN", "'PAN' is a neck (model.arch.fpn.name); known here: Shuf"),
        ("model.arch.name=ShuffleNetV2", "'ShuffleNetV2' is a backbone (model.arch.backbone.name"),
        (
            "model.arch.head.loss.loss_bbox.name=QualityFocalLoss",
            "'QualityFocalLoss' is a score loss (model.arch.head.loss.loss_qfl.name); known here: GIoU",
        ),
        (
            "model.arch.fpn.name=ghost_pan",
            "'ghost_pan' is not supported; did you mean Gh",
        ),
        (
            "schedule.optimizer.name=MultiStepLR",
            "'MultiStepLR' is a name of lr_schedule (schedule.lr_",
        ),
        (
            "model.arch.head.loss.loss_bbox.beta=2",
            "unknown key: GIoULoss has no such setting; QualityFocalLoss has it: "
            "model.arch.head.loss.loss_qfl.beta",
        ),
        (
            "model.arch.head.topk=9",
            "unknown key: NanoDetHead has no such setting; ATSS, DSLA have it: "
            "model.arch.head.assigner_cfg.topk",
        ),
        (
            "model.arch.aux_head.feat=9",
            "OneStageDetector has no such setting (NanoDetPlus has it); re",
        ),
        ("data.val.flip=0.5", "unknown key; did you mean data.val.pipeline.flip?"),
        ("model.arch.head.loss.eps=1", "unknown key; did you mean model.arch.head.norm_cfg.eps?"),
        ("schedule.optimizer.beta=[0, 1]", "unknown key; did you mean betas?"),
        (
            "data.train.name=LVIS",
            "'LVIS' is not supported; known: CocoDataset, XMLData",
        ),
        (
            "data.val.name=VOCDataset",
            "'VOCDataset' is not supported; known: CocoData",
        ),
    ],
)
def test_what_belongs_elsewhere_says_where(override, line):
    """Names of other tables and keys of other sections, by the nearest place that has them."""
    with pytest.raises(NanodetError) as caught:
        load_config(ROOT / "config" / "nanodet-m_bccd.yml", [override])
    assert line in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arch", "line"),
    [
        (
            {"backbone": {"width_mult": 1}},
            "backbone.width_mult: ShuffleNetV2 has no such setting (GhostNet, MobileNetV2 have it); did you "
            "mean model_size?",
        ),
        (
            {"detach_epoch": 3},
            "detach_epoch: OneStageDetector has no such setting (NanoDetPlus has it); remove it",
        ),
        (
            {"fpn": {"num_extra_level": 1}},
            "fpn.num_extra_level: PAN has no such setting (GhostPAN has it); remove it",
        ),
        (
            {"head": {"kernel_size": 5}},
            "head.kernel_size: NanoDetHead has no such setting (NanoDetPlusHead has it); remove it",
        ),
    ],
)
def test_a_key_of_another_part_is_named_as_such(arch, line):
    mapping = small()
    for name, value in arch.items():
        inner = mapping["model"]["arch"]
        inner[name] = {**inner[name], **value} if isinstance(value, dict) else value
    with pytest.raises(NanodetError) as caught:
        config_from_dict(mapping, "my.yml")
    assert str(caught.value) == f"my.yml: model.arch.{line}"


def test_the_shipped_configs_load():
    files = sorted((ROOT / "config").glob("*.yml"))
    assert files
    for file in files:
        if "convnext" in file.name and not importlib.util.find_spec("timm"):
            with pytest.raises(
                NanodetError, match=r"TIMMWrapper needs timm, .*: pip install timm$"
            ):
                load_config(file)
            continue
        load_config(file)


def test_the_coco_config_is_the_papers_recipe():
    config = load_config(ROOT / "config" / "nanodet-m.yml")
    optimiser, warmup = config.schedule.optimizer, config.schedule.warmup
    assert (optimiser.name, optimiser.momentum, optimiser.weight_decay) == ("SGD", 0.9, 1e-4)
    assert optimiser.lr == 0.14
    assert optimiser.lr * warmup.ratio == pytest.approx(0.014)
    assert warmup.steps == 300
    assert config.schedule.lr_schedule.milestones == [240, 260, 275]
    assert config.schedule.total_epochs == 280
    assert config.device.batchsize_per_gpu == 192
    assert config.data.train.pipeline.scale == [0.6, 1.4]


def test_a_config_survives_saving(tmp_path):
    config = config_from_dict(small(schedule__resume=False))
    save_config(config, tmp_path / "as_run.yml")
    assert load_config(tmp_path / "as_run.yml") == config
    assert config_from_dict(config_to_dict(config)) == config


def test_overrides_reach_nested_keys(tmp_path):
    path = tmp_path / "full.yml"
    path.write_text(yaml.safe_dump(small()))
    config = load_config(path, ["schedule.optimizer.lr=0.01", "data.train.input_size=[416, 256]"])
    assert config.schedule.optimizer.lr == 0.01
    assert config.data.train.input_size == [416, 256]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (small(model__arch__head__num_clases=3), ["model.arch.head.num_clases", "num_classes?"]),
        (small(data__train__pipline={}), ["data.train.pipline", "pipeline?"]),
        (small(model__arch__head__num_classes="two"), ["model.arch.head.num_classes", "'two'"]),
        (small(model__arch__head__num_classes=True), ["num_classes", "whole number"]),
        (small(model__arch__head__num_classes=5), ["num_classes", "5", "2"]),
        (small(data__train__input_size=320), ["data.train.input_size", "list"]),
        (small(data__train__input_size=[320]), ["data.train.input_size"]),
        (small(data__train__fit="crop"), ["data.train.fit", "letterbox"]),
        (small(device__batchsize_per_gpu=0), ["device.batchsize_per_gpu"]),
        (small(schedule__optimizer__lr="fast"), ["schedule.optimizer.lr", "number"]),
        (small(data__train__pipeline__flip=2), ["pipeline.flip"]),
        (small(data__train__pipeline__mosaic=1.5), ["data.train.pipeline.mosaic", "0 to 1"]),
        (
            small(data__train__pipeline__mosaic_scale=[1, 0.5]),
            ["pipeline.mosaic_scale", "[low, high]"],
        ),
        (small(data__train__pipeline__crop_size=[0.5, 1.5]), ["pipeline.crop_size", "at most 1"]),
        (small(data__train__load_mosaic=True), ["data.train.load_mosaic", "by pipeline.mosaic, a"]),
        (small(schedule__total_epochs=None), ["schedule.total_epochs", "empty"]),
        (small(schedule__warmup__name=None), ["schedule.warmup.name", "empty", "linear"]),
        (small(schedule__warmup__name="cosine"), ["schedule.warmup.name", "'cosine'", "linear"]),
        (
            small(schedule__lr_schedule__name="StepLR"),
            ["lr_schedule.name", "'StepLR'", "MultiStepLR"],
        ),
        (small(schedule__optimizer__name="Lion"), ["schedule.optimizer.name", "'Lion'", "AdamW"]),
        ({"data": {}}, ["data.train", "missing"]),
    ],
)
def test_a_bad_config_is_one_line_with_file_and_key(mapping, expected):
    with pytest.raises(NanodetError) as caught:
        config_from_dict(mapping, "my.yml")
    message = str(caught.value)
    assert message.startswith("my.yml: ")
    assert "\n" not in message
    for part in expected:
        assert part in message


@pytest.mark.parametrize("content", [b"", b"- 1\n- 2\n", b"a: [1", b"\xff\xfe\x00", b"just text"])
def test_a_file_that_is_no_config_is_one_line(tmp_path, content):
    path = tmp_path / "broken.yml"
    path.write_bytes(content)
    with pytest.raises(NanodetError, match=r"broken\.yml"):
        load_config(path)


def test_a_key_given_twice_is_one_line(tmp_path):
    path = tmp_path / "twice.yml"
    text = yaml.safe_dump(small())
    path.write_text(text + "grad_clip: 1\n")
    with pytest.raises(NanodetError, match=r"twice\.yml: not valid YAML: grad_clip is given twice"):
        load_config(path)
    # a section that takes over another one's keys may change some
    (tmp_path / "merged.yml").write_text("a: &a {x: 1}\nb: {<<: *a, x: 2}\n")
    with pytest.raises(NanodetError, match=r"merged\.yml: a: unknown key"):
        load_config(tmp_path / "merged.yml")


@pytest.mark.parametrize(
    "override", ["save_dir=", "save_dir= ", "save_dir=''", "schedule.load_model=", "log.interval="]
)
def test_an_override_without_a_value_names_its_key(tmp_path, override):
    """Such as a variable of the shell that is not set: the default would be taken silently."""
    path = tmp_path / "c.yml"
    path.write_text((ROOT / "config" / "nanodet-m.yml").read_text())
    with pytest.raises(NanodetError, match=f"{override.partition('=')[0]}: (no value|is empty)"):
        load_config(path, [override])


@pytest.mark.parametrize("override", ["lr", "=3", "save_dir.x=1", "schedule.optimizer.lr=[1"])
def test_a_bad_override_is_one_line(tmp_path, override):
    path = tmp_path / "full.yml"
    path.write_text(FULL)
    with pytest.raises(NanodetError):
        load_config(path, [override])


def test_the_reference_page_is_up_to_date():
    page = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m nanodet.config.reference > docs/config.md"


def test_a_folder_of_images_is_no_config(tmp_path):
    with pytest.raises(NanodetError, match=rf"{tmp_path}: is a folder, .* nanodet init"):
        load_config(tmp_path)
