"""What tests of all rooms share."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest
from bounded_worker import Worker

import nanodet  # noqa: F401  its setting for OpenMP must come before torch is loaded

# OpenCV reads it when the process opens its first video, which may be a test's own
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# a shell that starts the tests in the background ignores Ctrl-C, and nohup a closed terminal; commands
# would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# commands that tests start compile the package once, not each
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# a busy machine is no defect
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

SHARED = Path(__file__).resolve().parents[2] / "shared"


# what takes long to make and few files need, and the tests that it is made with
MADE_ONCE = {"exported_real": "deploy", "exported_rewritten": "verify/test_rewritten.py"}


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Keep the tests of a file in one process of ``pytest -n 2``, and those that build the same."""
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        name = "deploy" if place.parts[0] == "deploy" else place.as_posix()
        made = (group for fixture, group in MADE_ONCE.items() if fixture in item.fixturenames)
        item.add_marker(pytest.mark.xdist_group(next(made, name)))


@pytest.fixture(scope="session")
def shared():
    """The folder of real images, weights and reference outputs that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared (images, weights, references) is not beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def coco_mini(shared):
    """500 COCO val2017 images with boxes."""
    return shared / "data" / "coco-val-mini"


@pytest.fixture(scope="session")
def published(shared):
    """The published files by their place in a mirror."""
    from nanodet.hub.catalogue import CATALOGUE

    found = {}
    for model in CATALOGUE.values():
        for file in (model.param, model.weights):
            suffix = os.path.splitext(file.name)[1]
            path = shared / "weights" / f"{model.name}{suffix}"
            found[f"/{model.name}/published/{file.name}"] = path.read_bytes()
    return found


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def bounded():
    """A `bounded_worker.Worker`: calls in a process of little memory."""
    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An ONNX file by `write_box_model`, which finds one box."""
    from box_model import write_box_model

    return write_box_model(tmp_path_factory.mktemp("model") / "box.onnx")


def small_network(root, folder, width="0.5x", channels="[48, 96, 192]"):
    """Write a checkpoint of a small NanoDet (3 classes, 160 x 96) with weights that do something.

    Its plain weights are others than its averaged ones, which are those to be used.
    """
    import torch
    from torch import nn

    from nanodet.config import config_to_dict, load_config
    from nanodet.model.network import build_network

    config = load_config(
        root / "config" / "nanodet-m.yml",
        [
            f"model.arch.backbone.model_size={width}",
            "model.arch.backbone.pretrain=false",
            f"model.arch.fpn.in_channels={channels}",
            "model.arch.head.num_classes=3",
            "class_names=[disc, square, Dreieck ü]",
            "data.val.input_size=[160, 96]",
        ],
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = build_network(config.model.arch).state_dict()
        network = build_network(config.model.arch)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                nn.init.normal_(module.running_mean, std=0.2)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
        for conv in network.head.gfl_cls:
            nn.init.normal_(conv.weight, std=0.3)
            nn.init.normal_(conv.bias[:3], mean=-2.0)
    state = {f"model.{name}": value for name, value in plain.items()}
    state |= {f"avg_model.{name}": value for name, value in network.state_dict().items()}
    path = folder / "small.ckpt"
    carried = {"nanodet": {"config": config_to_dict(config), "epochs": 3}}
    torch.save({"state_dict": state, "epoch": 3, **carried}, path)
    return path


@pytest.fixture(scope="session")
def small_checkpoint(root, tmp_path_factory):
    """The path of a `small_network` of ShuffleNetV2-0.5x."""
    return small_network(root, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def odd_checkpoint(root, tmp_path_factory):
    """The path of a `small_network` of ShuffleNetV2-1.0x, whose channels are no multiples of 8."""
    return small_network(root, tmp_path_factory.mktemp("odd"), "1.0x", "[116, 232, 464]")


@pytest.fixture(scope="session")
def exported_real(root, coco_mini, tmp_path_factory):
    """`nanodet.export.export.Exported` of the original's NanoDet-m, compared on 20 images."""
    pytest.importorskip("onnx")
    from nanodet.export.export import export

    return export(
        SHARED / "weights" / "nanodet-m_320.ckpt", tmp_path_factory.mktemp("real"),
        root / "config" / "nanodet-m.yml", images=coco_mini / "images", nms=True,
        report=lambda line: None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def exported_small(small_checkpoint, tmp_path_factory):
    """`nanodet.export.export.Exported` of `small_checkpoint`: ONNX, ncnn fp32 and fp16, as trained."""
    pytest.importorskip("onnx")
    from nanodet.export.export import export

    folder = tmp_path_factory.mktemp("exported")
    return export(small_checkpoint, folder, report=lambda line: None, target="plain")


@pytest.fixture(scope="session")
def exported_rewritten(odd_checkpoint, tmp_path_factory):
    """`nanodet.export.export.Exported` of `odd_checkpoint` for x86: rewritten, with maps."""
    pytest.importorskip("onnx")
    from nanodet.export.export import export

    folder = tmp_path_factory.mktemp("rewritten")
    return export(odd_checkpoint, folder, report=lambda line: None, target="x86")


@pytest.fixture(scope="session")
def small_batch(small_checkpoint, exported_small, tmp_path_factory):
    """The ONNX file of `small_checkpoint` that takes three images at once."""
    import dataclasses

    from nanodet.export.onnx_file import write_fixed
    from nanodet.model.torch_backend import TorchBackend

    path = tmp_path_factory.mktemp("batch") / "small-batch3.onnx"
    spec = dataclasses.replace(exported_small.spec, any_size=False, batch=3)
    write_fixed(TorchBackend(small_checkpoint).network, spec, path)
    return path


@pytest.fixture(scope="session")
def layered_model(tmp_path_factory):
    """An ncnn model that pnnx made of layers that a NanoDet-m has not, and torch's output of it."""
    pytest.importorskip("onnx")
    import torch_layers

    param = tmp_path_factory.mktemp("layered") / "layered.param"
    return param, torch_layers.to_ncnn(torch_layers.network(), param)
