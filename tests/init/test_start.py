"""What is said of the weights that a training starts from."""

import pytest

from nanodet.init.models import template
from nanodet.init.start import start_of

WITHOUT = "random weights: no weights of this model are published, and its backbone takes none of ImageNet"


@pytest.mark.parametrize("name", ["nanodet-repvgg-a0_416", "nanodet-g_416"])
def test_a_backbone_without_imagenet_weights_starts_from_random_ones(root, name):
    found = template(str(root / "config" / f"{name}.yml"))._replace(weights=None)
    assert start_of(None, found, pytest.fail).line == WITHOUT


@pytest.mark.parametrize(
    ("pretrain", "line"),
    [
        (False, WITHOUT),
        ("my.pth", "weights of my.pth for the backbone: no weights of this model are published"),
    ],
)
def test_what_the_backbone_says(pretrain, line):
    found = template("nanodet-m-0.5x")
    arch = {**found.arch, "backbone": {**found.arch["backbone"], "pretrain": pretrain}}
    assert start_of(None, found._replace(arch=arch), pytest.fail).line == line
