"""Models such as users have: other seeds, classes, sizes and backbones; barely trained or not at all."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from nanodet.config import config_to_dict, load_config
from nanodet.learn.objective import build_objective
from nanodet.learn.targets import GroundTruth
from nanodet.model.network import build_network
from nanodet.quickstart.shapes import CLASSES, draw_picture, draw_set
from nanodet.runtime.preprocess import preprocess

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = {"0.5x": (48, 96, 192), "1.0x": (116, 232, 464), "1.5x": (176, 352, 704)}


@dataclass(frozen=True)
class OwnModel:
    """One model.

    Attributes:
        seed: of weights and images.
        classes, size, backbone: number of classes, (width, height), ``model_size``.
        steps: of training on drawn images; 0 leaves the weights random.
        gain: a factor of a random one's last layer.
        peaks: added to both ends of every distribution, so that little decides between them.
        sharp: a factor of the distributions' logits, as long training has it.
        images: whether to compare on drawn images instead of the generated ones; with 4 classes
            they are annotated.
        fit: how images are fitted.
    """

    seed: int
    classes: int
    size: tuple
    backbone: str = "0.5x"
    steps: int = 0
    gain: float = 3.0
    peaks: float = 0.0
    sharp: float = 1.0
    images: bool = False
    fit: str = "letterbox"

    def __str__(self):
        """Return a name that is a file stem and a test's name."""
        width, height = self.size
        words = [self.backbone, f"{self.classes}c", f"{width}x{height}"]
        words.append(f"{self.steps}steps" if self.steps else f"random{self.gain:g}")
        words += [f"peaks{self.peaks:g}"] if self.peaks else []
        words += [f"sharp{self.sharp:g}"] if self.sharp != 1 else []
        words += ["images"] * self.images + ["stretch"] * (self.fit == "stretch")
        return "-".join([*words, f"s{self.seed}"])

    def write(self, folder):
        """Write the checkpoint, and images.

        Returns:
            the checkpoint; the folder of images and their annotations, each or None.
        """
        config = self._config()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = build_network(config.model.arch)
            if self.steps:
                _train(network, config, self.seed, self.steps)
            else:
                _shuffle(network, self.gain)
            _shape_distributions(network.head, self.peaks, self.sharp)
        path = folder / f"{self}.ckpt"
        state = {f"model.{name}": value for name, value in network.state_dict().items()}
        carried = {"nanodet": {"config": config_to_dict(config), "epochs": 1}}
        torch.save({"state_dict": state, "epoch": 1, **carried}, path)
        if not self.images:
            return path, None, None
        pictures, annotations = draw_set(folder / "drawn", 8, self.seed + 10**6)
        return path, pictures, annotations if self.classes == len(CLASSES) else None

    def _config(self):
        numbered = [f"class {i}" for i in range(self.classes)]
        names = ",".join(CLASSES if self.classes == len(CLASSES) else numbered)
        return load_config(
            ROOT / "config" / "nanodet-m.yml",
            [
                f"model.arch.backbone.model_size={self.backbone}",
                "model.arch.backbone.pretrain=false",
                f"model.arch.fpn.in_channels={list(CHANNELS[self.backbone])}",
                f"model.arch.head.num_classes={self.classes}",
                f"class_names=[{names}]",
                f"data.val.input_size={list(self.size)}",
                f"data.val.keep_ratio={str(self.fit == 'letterbox').lower()}",
            ],
        )


def _train(network, config, seed, steps, batch=4):
    """Train a few steps on drawn images, with all the noise of a beginning."""
    head, section = config.model.arch.head, config.data.val
    objective = build_objective(network, config.model.arch)
    optimiser = torch.optim.AdamW(network.parameters(), 3e-3)
    mean, std = section.pipeline.normalize
    network.train()
    for step in range(steps):
        tensors, truths = [], []
        for i in range(batch):
            drawn, found, kinds = draw_picture(np.random.default_rng([seed, step, i]))
            tensor, _ = preprocess(drawn, "stretch", (160, 160), mean, std, "bgr")
            scale = 160 / np.array([drawn.shape[1], drawn.shape[0]] * 2)
            tensors.append(torch.from_numpy(tensor))
            boxes = torch.tensor(np.reshape(found, (-1, 4)) * scale, dtype=torch.float32)
            labels = torch.tensor([k % head.num_classes for k in kinds], dtype=torch.int64)
            truths.append(GroundTruth(boxes, labels, torch.zeros(0, 4)))
        losses = objective({"main": network(torch.cat(tensors))}, truths, (160, 160))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 35)
        optimiser.step()
    network.eval()


def _shuffle(network, gain):
    """Give a network weights that do something, though nothing useful."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    classes = network.head.num_classes
    for conv in network.head.gfl_cls:
        nn.init.normal_(conv.weight, std=0.1 * gain)
        nn.init.normal_(conv.bias[:classes], mean=-2.0)


def _shape_distributions(head, peaks, sharp):
    bins = head.reg_max + 1
    with torch.no_grad():
        for conv in head.gfl_cls:
            conv.bias[head.num_classes :].view(4, bins)[:, [0, -1]] += peaks
            conv.bias[head.num_classes :] *= sharp
            conv.weight[head.num_classes :] *= sharp
