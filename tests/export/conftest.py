"""A model file to import, its config, and images to measure batch norms on."""

import shutil

import cv2
import pytest

from nanodet.compare.tensors import generated_picture
from nanodet.config import save_config
from nanodet.export.import_model import import_model
from nanodet.export.stages import FP32
from nanodet.model.torch_backend import TorchBackend


def silent(line):
    pass


@pytest.fixture(scope="module")
def config(small_checkpoint, tmp_path_factory):
    """The config file of `small_checkpoint`."""
    path = tmp_path_factory.mktemp("config") / "small.yml"
    save_config(TorchBackend(small_checkpoint).config, path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder with 24 images."""
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(24):
        cv2.imwrite(str(folder / f"{seed:02}.png"), generated_picture(seed))
    return folder


@pytest.fixture(scope="module")
def imported(exported_small, config, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("imported") / "again.ckpt"
    return import_model(exported_small.files[FP32], config, out, pictures, report=silent)


@pytest.fixture
def model(exported_small, tmp_path):
    """A copy of the exported fp32 model that may be damaged."""
    param = shutil.copy(exported_small.files[FP32], tmp_path / "model.param")
    shutil.copy(exported_small.files[FP32].with_suffix(".bin"), tmp_path / "model.bin")
    return param
