"""A drawn set in the layouts of tools, and init on it."""

import pytest
from layouts import LAYOUTS, Drawn, state

from nanodet.cli.main import main
from nanodet.config import load_config

# a model that needs no weights
SMALL = """
model: {arch: {
  backbone: {name: ShuffleNetV2, model_size: 0.5x, pretrain: false},
  fpn: {name: PAN, out_channels: 32},
  head: {name: NanoDetHead, num_classes: 80, feat_channels: 32, stacked_convs: 1}}}
"""


@pytest.fixture(scope="module")
def drawn():
    return Drawn()


@pytest.fixture
def written(tmp_path, monkeypatch, drawn):
    """Return a function that lays out a set, writes its config with a small model, and returns it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NANODET_HOME", str(tmp_path / "cache"))
    (tmp_path / "small.yml").write_text(SMALL)

    def write(layout, *options):
        LAYOUTS[layout][0](tmp_path / "shapes", drawn)
        before = state(tmp_path / "shapes")
        assert main(["init", "shapes", "--model", "small.yml", *options]) == 0
        assert state(tmp_path / "shapes") == before
        return load_config("shapes.yml")

    return write
