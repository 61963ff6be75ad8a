"""Tensors that are no tables of numbers end in one line, in whatever reads checkpoints."""

import warnings

import pytest
import torch

from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.model.checkpoint import load_network, read_checkpoint

NAME = "avg_model.backbone.conv1.0.weight"
FORMS = {
    "meta tensor": lambda t: t.to("meta"),
    "sparse": lambda t: t.to_sparse(),
    "sparse ": lambda t: t.flatten(1).to_sparse_csr(),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "complex": lambda t: t.to(torch.complex64),
}


def stored(checkpoint, path, value):
    raw = torch.load(checkpoint, weights_only=True)
    raw["state_dict"][NAME] = value(raw["state_dict"][NAME])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(raw, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_cannot_be_loaded(small_checkpoint, tmp_path, capfd, form):
    path = stored(small_checkpoint, tmp_path / "odd.ckpt", FORMS[form])
    with pytest.raises(NanodetError, match=rf"odd.ckpt: {NAME} is .*{form.strip()}"):
        read_checkpoint(path)
    assert main(["info", str(path)]) == 1
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "value",
    [torch.nn.Parameter, torch.Tensor.half, torch.Tensor.double, lambda t: t.mT.contiguous().mT],
)
def test_forms_that_can(small_checkpoint, tmp_path, value):
    network, _, _ = load_network(stored(small_checkpoint, tmp_path / "odd.ckpt", value))
    wanted, _, _ = load_network(small_checkpoint)
    weight, same = network.backbone.conv1[0].weight, wanted.backbone.conv1[0].weight
    assert torch.allclose(weight, same, atol=1e-3)
