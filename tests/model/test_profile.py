"""Parameters and multiply-adds, against published figures and counts by hand; `nanodet info`."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from nanodet.cli.main import main
from nanodet.config import load_config
from nanodet.model.network import build_network, deployed, used_parameters
from nanodet.model.profile import profile
from nanodet.model.published_figures import published_figures


@pytest.fixture(scope="module")
def nanodet_m(root):
    return build_network(load_config(root / "config" / "nanodet-m.yml").model.arch).eval()


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def info(*arguments):
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main(["info", *map(str, arguments)])
    return Done(status, out.getvalue(), err.getvalue())


def test_nanodet_m(nanodet_m):
    *stages, total = profile(nanodet_m, (320, 320))
    assert [s.name for s in stages] == [
        "backbone.conv1", "backbone.maxpool", "backbone.stage2", "backbone.stage3",
        "backbone.stage4", "fpn", "head",
    ]  # fmt: skip
    assert total.parameters == 950_036
    assert total.flops == pytest.approx(0.684e9, rel=1e-3)
    assert total.flops_with_small == pytest.approx(0.72e9, rel=0.01)  # the literature's figure


def test_by_hand(nanodet_m):
    first, *_, fpn, head, total = profile(nanodet_m, (64, 32))
    assert first.multiply_adds == 24 * 3 * 9 * 32 * 16
    assert first.small == 24 * 32 * 16 * (2 + 1)
    points = (8 * 4, 4 * 2, 2 * 1)
    assert fpn.multiply_adds == 96 * sum(
        c * n for c, n in zip((116, 232, 464), points, strict=True)
    )
    assert head.multiply_adds == sum(points) * (2 * (96 * 9 + 96 * 96) + 96 * 112)
    assert total.multiply_adds == sum(s.multiply_adds for s in profile(nanodet_m, (64, 32))[:-1])


def test_cost_grows_with_the_area(nanodet_m):
    small, large = (profile(nanodet_m, size)[-1] for size in ((160, 96), (320, 192)))
    assert large.multiply_adds == 4 * small.multiply_adds
    assert large.parameters == small.parameters


@pytest.mark.parametrize(
    "backbone",
    [
        "{name: EfficientNetLite, model_name: efficientnet_lite0}",
        "{name: GhostNet, width_mult: 0.5}",
        "{name: RepVGG, arch: A0, out_stages: [2, 3, 4]}",
        "{name: CustomCspNet, net_cfg: [[Conv, 3, 8, 3, 2], [CspBlock, 8, 1, 3, 2]], out_stages: [1]}",
    ],
)
def test_no_operation_is_left_out(root, backbone):
    overrides = (f"model.arch.backbone={backbone}", "model.arch.fpn.in_channels=null")
    arch = load_config(root / "config" / "nanodet-m.yml", overrides).model.arch
    network = deployed(build_network(arch)).eval()
    *stages, total = profile(network, (64, 96))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 96, 64))
    assert total.flops == counter.get_total_flops()
    assert total.parameters == sum(p.numel() for p in used_parameters(network).values())
    assert sum(stage.multiply_adds for stage in stages if stage.name.startswith("backbone.")) > 0


def test_repvgg_counts_as_it_is_shipped(root):
    section = "model.arch.backbone={name: RepVGG, arch: A0, out_stages: [4], deploy: %s}"
    totals = []
    for deploy in ("false", "true"):
        overrides = (section % deploy, "model.arch.fpn.in_channels=null")
        arch = load_config(root / "config" / "nanodet-m.yml", overrides).model.arch
        totals.append(profile(build_network(arch).eval(), (64, 64))[-1])
    assert totals[0] == totals[1]


class TestInfo:
    def test_config(self, root):
        done = info(root / "config" / "nanodet-m.yml", "--size", "416x320")
        assert done.returncode == 0, done.stderr
        assert "0.95 M parameters in use" in done.stdout
        assert "FLOPs = 2 x multiply-adds" in done.stdout
        assert "52 x 40" in done.stdout

    def test_checkpoint(self, small_checkpoint):
        done = info(small_checkpoint)
        assert done.returncode == 0, done.stderr
        assert "averaged (EMA)" in done.stdout
        assert "epoch       3" in done.stdout
        assert "its own" in done.stdout
        assert "20 x 12" in done.stdout

    def test_exported(self, exported_small):
        for path in exported_small.files.values():
            done = info(path)
            assert done.returncode == 0, done.stderr
            assert "letterbox" in done.stdout
            assert f"{path.stat().st_size:,} bytes" in done.stdout
            assert "from torch" in done.stdout

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("no.ckpt", None, "there is no such file"),
            ("a.txt", "x", "unknown kind of file"),
            ("a.ckpt", "x", "a.ckpt"),
            ("a.onnx", "x", "not a usable ONNX model"),
            ("a.param", "x", "its spec"),
            ("a.yml", "model: 3", "model"),
        ],
    )
    def test_bad_input(self, tmp_path, name, text, words):
        if text is not None:
            (tmp_path / name).write_text(text)
        done = info(tmp_path / name)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert words in done.stderr
        assert done.stdout == ""


def configs(root):
    """Name to config of every shipped one that describes a published model."""
    for path in sorted((root / "config").glob("*.yml")):
        if "convnext" in path.name:  # needs timm
            continue
        config = load_config(path)
        found = published_figures(config.model.arch, tuple(config.data.val.input_size))
        if found is not None:
            yield found, config


def test_costs_are_near_the_published_ones(root):
    """Ours with small layers: the original counts so, but for attention and interpolation."""
    seen = {}
    for found, config in configs(root):
        total = profile(build_network(config.model.arch).eval(), config.data.val.input_size)[-1]
        assert total.parameters / 1e6 == pytest.approx(found.parameters, rel=0.04), found.name
        flops = total.multiply_adds + total.small
        near = [2 * flops / 1e9, 2 * total.multiply_adds / 1e9]
        assert any(one == pytest.approx(found.flops, rel=0.13) for one in near), found.name
        seen[found.name] = config
    assert len(seen) == 15
