"""The heads: order of what they give, their first scores, and what each output row is."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from nanodet.config.check import failing
from nanodet.errors import NanodetError
from nanodet.model.box_codes import BOX_CODES
from nanodet.model.box_codes.general import General
from nanodet.model.heads import AUXILIARY_HEADS, HEADS
from nanodet.model.norms import Norm
from nanodet.model.part import on_meta
from nanodet.model.quality import QUALITIES

STRIDES, CLASSES = (8, 16, 32, 64), 3
ALL = HEADS | AUXILIARY_HEADS
GROUPS = {"norm_cfg": Norm(type="GN", num_groups=4)}
SETTINGS = [
    ("NanoDetHead", {}),
    ("NanoDetHead", {"share_cls_reg": False, "conv_type": "Conv"}),
    ("GFLHead", GROUPS),
    ("SimpleConvHead", GROUPS),
    ("NanoDetPlusHead", {}),
    ("NanoDetPlusHead", {"conv_type": "Conv", "kernel_size": 3, **GROUPS}),
]
SETTINGS += [
    (name, settings | {"quality": QUALITIES["IoUBranch"].section()})
    for name, settings in (SETTINGS[0], SETTINGS[1], SETTINGS[2], SETTINGS[4])
]
each = pytest.mark.parametrize(("name", "settings"), SETTINGS)


def section(name, **settings):
    settings = {"quality": QUALITIES["Joint"].section()} | settings
    return ALL[name].section(
        name=name, num_classes=CLASSES, feat_channels=8, stacked_convs=2, reg_max=5,
        box_code=BOX_CODES["General"].section(), **settings,
    )  # fmt: skip


def count_of(head):
    """Return the channels of an output of a head by their kind, in their order."""
    branch = {"quality": 1} if head.quality.branch else {}
    return {"classes": CLASSES, "edges": head.code.channels} | branch


def build(name, **settings):
    return ALL[name].build(section(name, **settings), 12, STRIDES)


def maps(batch=2):
    return tuple(torch.randn(batch, 12, 64 // s + 1, 128 // s) for s in STRIDES)


@each
def test_levels_follow_each_other_point_by_point(name, settings):
    head = build(name, **settings).eval()
    given = maps()
    with torch.no_grad():
        together = head(given)
        alone = [head.level(i, x) for i, x in enumerate(given)]
    assert head.strides == STRIDES and head.num_classes == CLASSES
    assert together.shape == (2, sum(x[0, 0].numel() for x in given), sum(count_of(head).values()))
    start = 0
    for x in alone:
        rows, columns = x.shape[2:]
        i, j = rows - 1, columns - 1
        at = start + i * columns + j
        torch.testing.assert_close(together[:, at], x[:, :, i, j])
        start += rows * columns


@each
def test_every_class_starts_at_one_percent_and_edges_in_the_middle(name, settings):
    torch.manual_seed(0)
    output = build(name, **settings)(maps())
    scores = output[..., :CLASSES].sigmoid()
    assert scores.mean().item() == pytest.approx(0.01, rel=0.05)
    code = General(5)
    distances = code.distances(output[..., CLASSES : CLASSES + code.channels].flatten(0, 1))
    assert distances.mean().item() == pytest.approx(2.5, rel=0.02)


@each
def test_the_rows_of_the_outputs_are_what_is_stated(name, settings):
    """A bias of a class row moves class logits alone, one of an edge row edges alone."""
    head = build(name, **settings).eval()
    given = maps(1)
    count = count_of(head)
    kinds = [kind for kind, channels in count.items() for _ in range(channels)]
    with torch.no_grad():
        before, moved = head(given), torch.zeros(len(kinds), dtype=bool)
        for layer, rows in head.output_layers.items():
            conv = head.get_submodule(layer)
            assert conv.out_channels == sum(count[row] for row in rows)
            start = 0
            for row in rows:
                conv.bias[start : start + count[row]] += 1
                after = head(given)
                changed = (after != before).flatten(0, 1).any(dim=0)
                assert (changed == torch.tensor([kind == row for kind in kinds])).all()
                moved |= changed
                before, start = after, start + count[row]
    assert moved.all()


@each
def test_all_parameters_learn_but_the_unused(name, settings):
    head = build(name, **settings)
    head(maps()).square().sum().backward()
    for path, parameter in head.named_parameters():
        unused = path.startswith(tuple(f"{layer}." for layer in head.unused_layers))
        assert (parameter.grad is None) == unused, path


@each
def test_a_head_is_built_without_memory(name, settings):
    head = on_meta(lambda: build(name, **settings))
    assert all(tensor.is_meta for tensor in head.state_dict().values())


def test_the_factors_of_levels_are_folded_into_convolutions():
    head = build("GFLHead", **GROUPS).eval()
    given = maps()
    with torch.no_grad():
        for i, scale in enumerate(head.scales):
            scale.scale.fill_(0.5 + i)
        before = head(given)
        folded = copy.deepcopy(head).deployed()
        torch.testing.assert_close(folded(given), before)
        assert (head(given) == before).all()
    assert all(isinstance(layer, nn.Conv2d) for layer in folded.scales)


def test_points_sit_where_the_original_puts_them():
    offsets = {name: build(name, **GROUPS).point_offset for name in ALL}
    assert offsets["NanoDetHead"] == offsets["GFLHead"] == 0.5
    assert offsets["NanoDetPlusHead"] == offsets["SimpleConvHead"] == 0


def test_distances_are_expectations():
    raw = torch.full((2, 4, 6), -30.0)
    raw[0, range(4), [0, 2, 5, 3]] = 30
    raw[1, :, 1:3] = 30
    found = General(5).distances(raw.flatten(1))
    torch.testing.assert_close(found, torch.tensor([[0.0, 2, 5, 3], [1.5] * 4]))


@pytest.mark.parametrize(
    ("name", "settings", "line"),
    [
        ("GFLHead", {}, "norm_cfg.num_groups: 32 groups do not divide 8 channels"),
        (
            "SimpleConvHead",
            {"norm_cfg": Norm(type="GN", num_groups=3)},
            "norm_cfg.num_groups: 3 groups do not divide 8 channels",
        ),
        (
            "NanoDetHead",
            {"norm_cfg": Norm(type="BN", num_groups=4)},
            "norm_cfg.num_groups: BN has no such setting (GN has it); remove it",
        ),
        (
            "NanoDetPlusHead",
            {"norm_cfg": Norm(type="GN", num_groups=4, momentum=0.5)},
            "norm_cfg.momentum: GN has no such setting (BN has it); remove it",
        ),
        ("NanoDetPlusHead", {"kernel_size": 4}, "kernel_size: 4: must be odd"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, settings, line):
    with pytest.raises(NanodetError) as caught:
        section(name, **settings).check(failing("my.yml"))
    assert str(caught.value).startswith(f"my.yml: {line}")


def test_depthwise_groups_divide_the_channels_of_the_maps_too():
    given = section("NanoDetHead", norm_cfg=Norm(type="GN", num_groups=8))
    given.check(failing("my.yml"))
    given.input_channel = 12
    with pytest.raises(NanodetError, match="8 groups do not divide 12 channels"):
        given.check(failing("my.yml"))


def test_towers_start_as_the_recipe_says():
    torch.manual_seed(0)
    for name in ("GFLHead", "SimpleConvHead", "NanoDetPlusHead"):
        given = dataclasses.replace(
            section(name), feat_channels=96, norm_cfg=Norm(type="GN", num_groups=32)
        )
        head = ALL[name].build(given, 96, STRIDES)
        convs = [m for m in head.cls_convs.modules() if isinstance(m, nn.Conv2d)]
        assert convs
        for conv in convs:
            assert conv.weight.std().item() == pytest.approx(0.01, rel=0.1)
