"""The detectors: what is learned from, and what of it reaches which part."""

import pytest
import torch
from torch import nn

from nanodet.model.box_codes.general import General
from nanodet.model.detectors.nanodet_plus import NanoDetPlus
from nanodet.model.detectors.one_stage import OneStageDetector
from nanodet.model.heads.nanodet_plus_head import NanoDetPlusHead
from nanodet.model.heads.points import HeadSettings
from nanodet.model.heads.simple_conv_head import SimpleConvHead
from nanodet.model.necks.ghost_pan import GhostPAN
from nanodet.model.norms import Norm

STRIDES = (8, 16, 32, 64)


class Backbone(nn.Module):
    channels, strides = (8, 8, 8), (8, 16, 32)

    def __init__(self):
        super().__init__()
        self.steps = nn.ModuleList(nn.Conv2d(i, 8, s, s) for i, s in ((3, 8), (8, 2), (8, 2)))

    def forward(self, x):
        maps = []
        for step in self.steps:
            x = step(x)
            maps.append(x)
        return tuple(maps)


@pytest.fixture()
def detector():
    torch.manual_seed(0)
    norm = Norm(type="BN")
    neck = GhostPAN((8, 8, 8), (8, 16, 32), 8, True, 5, 1, 1, False, 1, "bilinear", norm, "ReLU")
    settings = HeadSettings(
        num_classes=2, channels_in=8, strides=STRIDES, channels=8, stacked_convs=1, code=General(3),
        norm=norm, act="ReLU",
    )  # fmt: skip
    head = NanoDetPlusHead(settings, kernel=5, conv_type="DWConv")
    groups = Norm(type="GN", num_groups=2)
    aux = SimpleConvHead(settings._replace(channels_in=16, norm=groups))
    return NanoDetPlus(Backbone(), neck, head, aux, detach_epoch=2)


@pytest.fixture()
def images():
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def learning(detector, output):
    """Return the children that a gradient of ``output`` reaches."""
    detector.zero_grad()
    output.square().sum().backward()
    return {
        name
        for name, child in detector.named_children()
        if any(p.grad is not None and p.grad.any() for p in child.parameters())
    }


def test_the_auxiliary_part_teaches_the_others_until_it_is_detached(detector, images):
    def reached(name, epoch):
        return learning(detector, detector.training_outputs(images, epoch)[name])

    for epoch in (0, 1, 2, 9):
        assert reached("main", epoch) == {"backbone", "fpn", "head"}
    for epoch in (0, 1):
        assert reached("aux", epoch) == {"backbone", "fpn", "aux_fpn", "aux_head"}
    for epoch in (2, 9):
        assert reached("aux", epoch) == {"aux_fpn", "aux_head"}


def test_the_outputs_are_of_one_shape_and_main_is_what_is_exported(detector, images):
    detector.eval()
    with torch.no_grad():
        outputs = detector.training_outputs(images, 0)
        assert outputs["main"].shape == outputs["aux"].shape
        assert (outputs["main"] == detector(images)).all()


def test_the_auxiliary_weights_do_not_change_the_main_output(detector, images):
    detector.eval()
    with torch.no_grad():
        before = detector.training_outputs(images, 0)
        for name in detector.auxiliary:
            for parameter in detector.get_submodule(name).parameters():
                parameter += 1
        after = detector.training_outputs(images, 0)
    assert (before["main"] == after["main"]).all()
    assert (before["aux"] != after["aux"]).any()
    for name in detector.auxiliary:
        delattr(detector, name)
    with torch.no_grad():
        assert (detector(images) == before["main"]).all()


def test_the_auxiliary_neck_starts_as_a_copy_of_its_own(detector):
    ours, theirs = detector.fpn.state_dict(), detector.aux_fpn.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert (tensor == theirs[name]).all()
        assert tensor.data_ptr() != theirs[name].data_ptr()


def test_the_necks_maps_come_before_those_of_its_copy(detector, images):
    detector.eval()
    with torch.no_grad():
        for conv in (detector.aux_head.cls_convs[0].conv, detector.aux_head.reg_convs[0].conv):
            conv.weight[:, :8] = 0  # so that it sees the second half alone
        before = detector.training_outputs(images, 0)["aux"]
        for parameter in detector.fpn.parameters():
            parameter += 1
        assert (detector.training_outputs(images, 0)["aux"] == before).all()


def test_a_detector_of_one_output_has_no_auxiliary_part(detector, images):
    plain = OneStageDetector(detector.backbone, detector.fpn, detector.head).eval()
    with torch.no_grad():
        (output,) = plain.training_outputs(images, 5).values()
        assert (output == detector.eval()(images)).all()
    assert plain.auxiliary == ()


def test_an_auxiliary_neck_can_start_from_the_neck_that_was_loaded(detector):
    with torch.no_grad():
        for parameter in detector.fpn.parameters():
            parameter.add_(1)
    detector.start_auxiliary()
    for one, other in zip(
        detector.fpn.state_dict().values(), detector.aux_fpn.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
