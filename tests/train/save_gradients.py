"""Trains one step and saves the gradients as the optimiser sees them: run by test_ddp.py."""

import sys

import pytorch_lightning as pl
import torch

from nanodet.config import load_config
from nanodet.train.trainer import train


class SaveGradients(pl.Callback):
    def __init__(self, path):
        self.path = path

    def on_before_optimizer_step(self, trainer, module, optimizer):
        if trainer.is_global_zero and trainer.global_step == 0:
            gradients = {n: p.grad for n, p in module.model.named_parameters() if p.requires_grad}
            torch.save({"gradients": gradients, "world": trainer.world_size}, self.path)


if __name__ == "__main__":
    config, path, *overrides = sys.argv[1:]
    train(load_config(config, overrides), callbacks=[SaveGradients(path)])
