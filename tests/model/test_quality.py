"""The kinds of quality: what their scores are, and that decoding gives those of torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_arch import arch

from nanodet.config import load_config
from nanodet.errors import NanodetError
from nanodet.model.box_codes.dirac import Dirac
from nanodet.model.box_codes.general import General
from nanodet.model.checkpoint import KEY, carried
from nanodet.model.network import build_network, used_parameters
from nanodet.model.part import Prediction
from nanodet.model.quality import QUALITIES
from nanodet.model.quality.dgqp import DGQP
from nanodet.model.save_plain import save_plain
from nanodet.model.torch_backend import TorchBackend, exported_rows

KINDS = list(QUALITIES)


def network(kind, **settings):
    torch.manual_seed(0)
    return build_network(arch(quality={"name": kind, **settings})).eval()


def stirred(predictor):
    """Give a predictor weights that matter."""
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.normal_(std=1.0, generator=torch.Generator().manual_seed(1))
    return predictor


@given(st.floats(-60, 60), st.floats(-60, 60))
def test_the_logit_of_a_score_is_that_of_the_product(classes, quality):
    found = Prediction(*(torch.tensor([v], dtype=torch.float64) for v in (classes, 0, quality)))
    product = found.classes.sigmoid() * found.quality.sigmoid()
    torch.testing.assert_close(found.scores.sigmoid(), product, rtol=1e-9, atol=0)


def test_huge_logits_of_quality_stay_finite():
    for classes in (-1e4, 1e4):
        for quality in (-1e4, 1e4):
            values = [torch.tensor([v], requires_grad=True) for v in (classes, 0.0, quality)]
            score = Prediction(*values).scores
            score.backward()
            assert torch.isfinite(score) and torch.isfinite(values[0].grad)


@pytest.mark.parametrize("kind", KINDS)
def test_training_sees_the_scores_that_the_exported_rows_and_the_spec_give(kind):
    net = network(kind)
    if kind == "DGQP":
        stirred(net.head.quality)
    with torch.no_grad():
        output = net(torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(2)) * 5)
        rows = exported_rows(output, net.head)
        training = net.head.training_rows(output)
        found = Prediction.of(training, 3, net.head.code.channels)
    assert (found.quality is None) == (kind in ("Joint", "NoQuality"))
    assert rows.shape[-1] == 3 + net.head.code.channels
    assert torch.equal(rows[..., 3:], found.edges)
    scores = rows[..., :3].flatten(0, 1).numpy()
    if kind == "DGQP":
        predictor = net.head.quality.deployed_weights()
        scores = scores * predictor(rows[..., 3:].flatten(0, 1).numpy())[:, None]
    np.testing.assert_allclose(scores, found.scores.sigmoid().flatten(0, 1), rtol=1e-5, atol=1e-7)


def test_dgqp_has_1409_weights_and_none_of_them_is_in_the_network_that_runs():
    with_dgqp, joint = network("DGQP"), network("Joint")
    count = [sum(p.numel() for p in used_parameters(net).values()) for net in (with_dgqp, joint)]
    assert count[0] - count[1] == 1409
    image = torch.randn(1, 3, 64, 64)
    with_dgqp.load_state_dict(joint.state_dict(), strict=False)
    with torch.no_grad():
        assert torch.equal(with_dgqp(image), joint(image))


def test_statistics_do_not_depend_on_where_the_distribution_lies():
    predictor = DGQP(General(7), topk=3, hidden=8)
    edges = torch.randn(5, 4, 8)
    moved = edges.roll(2, dims=-1)
    given, again = (predictor.statistics(one.flatten(1)) for one in (edges, moved))
    torch.testing.assert_close(given, again)
    first = edges.softmax(dim=-1).sort(dim=-1, descending=True).values[0, 1, :3]
    torch.testing.assert_close(given[0, 4:7], first)
    assert given[0, 7].item() == pytest.approx(first.mean().item())


def test_a_checkpoint_whose_predictor_is_not_finite_is_refused(root, tmp_path):
    config = load_config(root / "config" / "nanodet-m-dgqp.yml")
    net, path = build_network(config.model.arch), tmp_path / "m.ckpt"
    net.head.quality.hidden.bias.data[3] = torch.nan
    state = {f"model.{name}": value for name, value in net.state_dict().items()}
    save_plain({"state_dict": state, KEY: carried(config)}, path)
    with pytest.raises(NanodetError, match=r"m\.ckpt: output\.quality\.hidden_bias: must be"):
        TorchBackend(path)


def test_the_edges_get_a_gradient_from_their_quality():
    edges = torch.randn(3, 32, requires_grad=True)
    stirred(DGQP(General(7), 4, 16))(edges).sum().backward()
    assert (edges.grad != 0).all()


def test_training_in_half_precision_predicts_what_decoding_does():
    predictor = stirred(DGQP(General(16), 4, 64))
    edges = torch.randn(50, 68, generator=torch.Generator().manual_seed(4)).bfloat16() * 6
    expected = predictor(edges.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = predictor(edges)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("code", "topk", "line"),
    [(General(3), 5, "topk is 5, but an edge has 4 bins"), (Dirac(7), 1, "box code General")],
)
def test_a_quality_that_cannot_be_predicted_is_refused(code, topk, line):
    with pytest.raises(NanodetError, match=line):
        DGQP(code, topk, 8)
