"""The box codes General at any spacing, Dirac and Gaussian: config, decoding, and a detector of each."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small_arch import arch

from nanodet.adopt import facts
from nanodet.cli import info
from nanodet.config import config_from_dict, config_to_dict
from nanodet.errors import NanodetError
from nanodet.learn.objective import build_objective
from nanodet.learn.targets import GroundTruth
from nanodet.model.box_codes import BOX_CODES, check_decoding
from nanodet.model.checkpoint import Checkpoint
from nanodet.model.fine_tune import take_matching
from nanodet.model.network import build_network
from nanodet.ncnn_files.layout import Form
from nanodet.quickstart.config import quickstart_config
from nanodet.quickstart.shapes import draw_set
from nanodet.runtime import box_codes
from nanodet.runtime.box_codes import Bins
from nanodet.runtime.spec import Spec
from nanodet.train.trainer import train
from nanodet.verify.specs import DECODING, differing_keys

CODES = {
    "spacing": ({"name": "General", "spacing": 0.5}, {}, ("distributions", 60, 0.5)),
    "dirac": ({"name": "Dirac"}, {"loss_dfl": {"name": "EdgeL2Loss"}}, ("distances", 4, 1.0)),
    "gaussian": (
        {"name": "Gaussian"}, {"loss_dfl": {"name": "GaussianKLLoss"}}, ("gaussians", 8, 1.0),
    ),
}  # fmt: skip


def truth(box):
    """Return the `GroundTruth` of one box of class 1."""
    return GroundTruth(torch.tensor([box]), torch.tensor([1]), torch.zeros(0, 4))


def code_of(section):
    part = BOX_CODES[section["name"]]
    return part.build(part.section(**section), 7)


@pytest.mark.parametrize("kind", CODES)
def test_networks_and_objectives_of_each_code(kind):
    section, loss, (form, channels, spacing) = CODES[kind]
    chosen = arch(box_code=section, loss=loss)
    network = build_network(chosen)
    code = network.head.code
    assert (code.form, code.channels, code.unit) == (form, channels, spacing)
    assert network.head.gfl_cls[0].weight.shape[0] == 3 + channels
    assert len(network.head.distribution_project.project) == channels // 4
    assert build_objective(network, chosen).code is code


@pytest.mark.parametrize("kind", CODES)
def test_what_is_trained_is_what_is_decoded(kind):
    code = code_of(CODES[kind][0])
    check_decoding(code)
    decoding, bins = box_codes.BOX_CODES[code.form], Bins(7, code.unit)
    assert decoding.channels(bins) == code.channels
    raw = torch.randn(50, code.channels, generator=torch.Generator().manual_seed(1)) * 4
    found = decoding.distances(raw.numpy(), bins)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, code.distances(raw), rtol=1e-5, atol=1e-5)
    variances = decoding.variances(raw.numpy(), bins)
    assert variances.shape == (50, 4)
    assert variances.dtype == np.float32
    if kind == "gaussian":
        np.testing.assert_allclose(np.sqrt(variances), np.exp(raw[:, 4:].numpy() / 2), rtol=1e-5)
    if kind == "spacing":
        shares = code.probabilities(raw).double().numpy()
        x = np.arange(15) / 2
        expected = (shares * (x - (shares @ x)[..., None]) ** 2).sum(axis=-1)
        np.testing.assert_allclose(variances, expected, rtol=1e-3, atol=1e-5)


def test_targets_of_edge_losses_are_in_the_units_of_the_code():
    general = code_of({"name": "General"})
    assert (general.unit, general.target_max) == (1.0, 7 - 0.1)
    half = code_of({"name": "General", "spacing": 0.5})
    assert (half.unit, half.target_max) == (0.5, 14 - 0.1)
    assert code_of({"name": "Dirac"}).target_max == math.inf


@pytest.mark.parametrize(
    ("spacing", "line"),
    [
        (0.3, r"head\.box_code\.spacing: reg_max, 7, must be a whole multiple of it"),
        (8, r"head\.box_code\.spacing: must be above 0 and at most reg_max, 7"),
        (0.005, r"head\.box_code\.spacing: makes more than 1025 bins of reg_max 7"),
        (0, r"head\.box_code\.spacing: must be "),
    ],
)
def test_bins_that_do_not_end_at_reg_max_are_refused(spacing, line, tmp_path):
    sets = [(tmp_path, tmp_path)] * 2
    mapping = config_to_dict(quickstart_config(tmp_path / "run", *sets, seed=0, epochs=1))
    mapping["model"]["arch"]["head"] |= {
        "reg_max": 7,
        "box_code": {"name": "General", "spacing": spacing},
    }
    with pytest.raises(NanodetError, match=line) as caught:
        config_from_dict(mapping, "toy.yml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", CODES)
def test_an_edge_loss_of_another_code_is_refused(kind):
    section, loss, _ = CODES[kind]
    other = {"loss_dfl": {"name": "GaussianKLLoss" if kind != "gaussian" else "EdgeL2Loss"}}
    for wrong in (other, {} if loss else {"loss_dfl": {"name": "EdgeL2Loss"}}):
        chosen = arch(box_code=section, loss=wrong)
        with pytest.raises(NanodetError, match=r"head\.loss\.loss_dfl: \w+ cannot train"):
            build_objective(build_network(chosen), chosen)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ({"loss": {"loss_dfl": None}}, ["loss_qfl", "loss_bbox"]),
        ({"box_code": {"name": "Dirac"}, "loss": {"loss_dfl": None}}, ["loss_qfl", "loss_bbox"]),
        (
            {
                "box_code": {"name": "Gaussian"},
                "loss": {"loss_dfl": {"name": "GaussianKLLoss"}, "loss_bbox": None},
            },
            ["loss_qfl", "loss_dfl"],
        ),
    ],
)
def test_null_means_no_such_loss(head, names):
    chosen = arch(**head)
    network = build_network(chosen)
    losses = build_objective(network, chosen)(
        network.training_outputs(torch.zeros(1, 3, 64, 64), 0), [truth([8.0, 8, 50, 50])], (64, 64)
    )
    assert list(losses) == names
    assert all(torch.isfinite(one) for one in losses.values())


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ({"loss": {"loss_dfl": None, "loss_bbox": None}}, "loss_dfl: is null, .* trains the edges"),
        (
            {"box_code": {"name": "Gaussian"}, "loss": {"loss_dfl": None}},
            "loss_dfl: is null, .* trains the variances",
        ),
        ({"loss": {"loss_qfl": {"name": "FocalLoss"}}}, "loss_qfl: FocalLoss learns classes alone"),
    ],
)
def test_losses_that_leave_something_untrained_are_refused(head, line):
    chosen = arch(**head)
    with pytest.raises(NanodetError, match=rf"model\.arch\.head\.loss\.{line}"):
        build_objective(build_network(chosen), chosen)


def test_specs_of_other_bins_are_told_apart():
    common = {"strides": (8,), "reg_max": 7, "point_offset": 0.5}
    one, half = Spec(("a",), **common), Spec(("a",), bin_spacing=0.5, **common)
    assert (one.channels, half.channels) == (33, 61)
    found = differing_keys(half, one, DECODING, "the checkpoint")
    assert found == [("output.bin_spacing", "output.bin_spacing: 0.5, but the checkpoint has 1")]
    mapping = half.to_dict()
    mapping["output"]["bin_spacing"] = 0.3
    with pytest.raises(NanodetError, match=r"m\.json: output\.bin_spacing: reg_max, 7, must be"):
        Spec.from_dict(mapping, "m.json")
    mapping["format"] = 3  # its readers do not know the key
    mapping["thresholds"]["class_agnostic_nms"] = False
    assert Spec.from_dict(mapping, "m.json").bin_spacing == 1


@pytest.mark.parametrize("kind", CODES)
def test_steps_on_one_image_lower_the_losses(kind):
    section, loss, (_, channels, _) = CODES[kind]
    torch.manual_seed(0)
    chosen = arch(box_code=section, loss=loss)
    network = build_network(chosen)
    learns = build_objective(network, chosen)
    image = torch.randn(1, 3, 64, 64)
    truths = [truth([8.0, 4, 44, 60])]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9)
    history = []
    for _ in range(8):
        losses = learns(network.training_outputs(image, 0), truths, (64, 64))
        history.append({name: one.item() for name, one in losses.items()})
        optimiser.zero_grad()
        sum(losses.values()).backward()
        rows = sum(
            conv.weight.grad[3:].flatten(1).abs().sum(dim=1) for conv in network.head.gfl_cls
        )
        assert (rows > 0).sum() == channels
        optimiser.step()
    assert list(history[0]) == ["loss_qfl", "loss_bbox", "loss_dfl"]
    for name in ("loss_bbox", "loss_dfl"):
        assert history[-1][name] < history[0][name], (name, history)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CODES)
def test_a_detector_of_each_code_is_trained_exported_and_verified(kind, tmp_path):
    pytest.importorskip("pnnx")
    from nanodet.export.export import export
    from nanodet.verify.verify import verify

    section, loss, (form, channels, spacing) = CODES[kind]
    sets = draw_set(tmp_path / "train", 4, 0), draw_set(tmp_path / "val", 2, 1)
    mapping = config_to_dict(quickstart_config(tmp_path / "run", *sets, seed=0, epochs=1))
    mapping["model"]["arch"] = {
        "name": "OneStageDetector", "backbone": {"model_size": "0.5x", "pretrain": False},
        "fpn": {"out_channels": 32},
        "head": {"feat_channels": 32, "box_code": section, "loss": loss},
    }  # fmt: skip
    for part in ("train", "val"):
        mapping["data"][part]["input_size"] = [96, 96]
    mapping["device"]["batchsize_per_gpu"] = 4
    train(config_from_dict(mapping, "toy.yml"), "toy.yml", lambda line: None)
    checkpoint = tmp_path / "run" / "model_best" / "model_best.ckpt"
    out = tmp_path / "exported"
    exported = export(checkpoint, out, report=lambda line: None, nms=True)
    assert not exported.left_out
    written = json.loads((out / "run.json").read_text())
    classes = len(written["class_names"])
    assert written["format"] == 4
    spec = Spec.load(out / "run.json")
    assert (spec.form, spec.channels, spec.bin_spacing) == (form, classes + channels, spacing)
    assert Spec.load(out / "run-nms.json").to_dict()["format"] == 2
    report = verify(checkpoint, out, limit=2)
    assert {"ncnn", "onnx"} <= {row.name.split()[0] for row in report.rows}
    assert report.agrees, report


def test_fine_tuning_takes_no_edges_of_another_code_or_spacing():
    def checkpoint(**head):
        torch.manual_seed(0)
        weights = build_network(arch(**head)).state_dict()
        return Checkpoint("other.ckpt", weights)

    for given, wanted, same in (
        ({}, {}, True),
        ({}, {"box_code": {"name": "General", "spacing": 2.0}, "reg_max": 14}, False),
        ({"box_code": {"name": "Dirac"}}, {"box_code": {"name": "Dirac"}, "num_classes": 5}, True),
        ({}, {"box_code": {"name": "Dirac"}, "num_classes": 5}, False),
    ):
        network = build_network(arch(**wanted))
        theirs, edges = checkpoint(**given), network.head.code.channels
        before = network.head.distribution_project.project.clone()
        lines = take_matching(network, theirs)
        found = network.head.gfl_cls[0].weight
        assert torch.equal(found[-edges:], theirs.weights["head.gfl_cls.0.weight"][-edges:]) == same
        assert torch.equal(network.head.distribution_project.project, before)
        assert any("values per edge" in line for line in lines) != same


def test_what_is_known_of_a_file_says_its_form_and_bins():
    common = {"strides": (8,), "reg_max": 7, "point_offset": 0.5}
    for more, line in (
        ({}, "= 1 classes + 4 x 8 bins"),
        ({"bin_spacing": 0.5}, "= 1 classes + 4 x 15 bins of 0.5"),
        ({"form": "distances"}, "= 1 classes + 4 x 1 (distances)"),
        ({"form": "gaussians"}, "= 1 classes + 4 x 2 (gaussians)"),
    ):
        assert info._levels(Spec(("a",), **common, **more))[-1].endswith(line)


def test_adopt_knows_the_spacing_of_a_spec_and_refuses_other_forms():
    def source(bins, **more):
        spec = Spec(("a",), strides=(8, 16, 32), reg_max=7, point_offset=0.5, **more)
        form = Form(classes=1, reg_max=bins - 1, strides=(8, 16, 32))
        return SimpleNamespace(
            path="m.onnx", form=form, any_size=True, spec=lambda: spec, class_names=lambda: ["a"]
        )

    assert facts._own_spec(source(8, bin_spacing=0.5)) is None
    assert facts._own_spec(source(15, bin_spacing=0.5)).bin_spacing == 0.5
    with pytest.raises(NanodetError, match=r"output\.form gaussians; only distributions can be"):
        facts._own_spec(source(2, form="gaussians"))
