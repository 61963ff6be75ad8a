"""How much of a bare training loop's speed ``nanodet train`` keeps, and where the rest goes.

``python tools/bench_training.py --images DIR --annotations FILE [--workers 0] [--cache]``

In one process, in turns: some steps of the product (reading, augmenting, batching, normalising,
EMA, logging) and as many of a bare loop over the same model, loss and optimiser on tensors that
are ready. Prints images per second of both, their ratio per round, and the product's shares.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nanodet.cli.main import run_command  # before torch: it sets how OpenMP's threads wait

# isort: split
import numpy as np
import pytorch_lightning as pl

from nanodet.config import load_config
from nanodet.data.loader import normalise_batch
from nanodet.train.module import ground_truths
from nanodet.train.trainer import train


class Turns(pl.Callback):
    """Measures rounds of product steps and bare steps, one after the other."""

    def __init__(self, steps, rounds, warmup):
        self.steps, self.rounds, self.warmup = steps, rounds, warmup
        self.product, self.bare = [], []  # seconds per step, per round
        self.shares = {"waiting for the loader": 0.0, "normalising": 0.0, "averaging (EMA)": 0.0}
        self.count = 0

    def on_fit_start(self, trainer, module):
        import nanodet.train.module as parts

        for name, share in (
            ("normalise_batch", "normalising"),
            ("update_average", "averaging (EMA)"),
        ):
            setattr(parts, name, self._timed(getattr(parts, name), share))

    def _timed(self, function, share):
        def timed(*args, **kwargs):
            start = time.perf_counter()
            result = function(*args, **kwargs)
            if self.count >= self.warmup:
                self.shares[share] += time.perf_counter() - start
            return result

        return timed

    def on_train_start(self, trainer, module):
        self.round_start = self.batch_end = time.perf_counter()

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if self.count >= self.warmup:
            self.shares["waiting for the loader"] += time.perf_counter() - self.batch_end

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.count += 1
        done = self.count - self.warmup
        if done >= 0 and done % self.steps == 0:
            now = time.perf_counter()
            if done:
                self.product.append((now - self.round_start) / self.steps)
                self.bare.append(self._bare(trainer, module, batch))
            self.round_start = time.perf_counter()
            if len(self.product) == self.rounds:
                trainer.should_stop = True
        self.batch_end = time.perf_counter()

    def _bare(self, trainer, module, batch):
        mean_std = module.config.data.train.pipeline.normalize
        images = normalise_batch(batch.images, batch.contents, *mean_std)
        size = (images.shape[3], images.shape[2])
        optimiser = trainer.optimizers[0]
        start = time.perf_counter()
        for _ in range(self.steps):
            outputs = module.model.training_outputs(images, module.current_epoch)
            loss = sum(module.objective(outputs, ground_truths(batch), size).values())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return (time.perf_counter() - start) / self.steps


def main(argv=None):
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", default=root / "config" / "nanodet-m.yml")
    parser.add_argument("--images", required=True)
    parser.add_argument("--annotations", required=True, help="COCO JSON")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--cache", action="store_true", help="keep decoded images in memory")
    parser.add_argument("--steps", type=int, default=8, help="steps per turn")
    parser.add_argument("--rounds", type=int, default=6)
    return run_command(measure, parser.parse_args(argv))


def measure(args):
    turns = Turns(args.steps, args.rounds, warmup=4)
    with tempfile.TemporaryDirectory() as folder:
        data = {"name": "CocoDataset", "img_path": args.images, "ann_path": args.annotations}
        overrides = [f"data.{part}.{k}={v}" for part in ("train", "val") for k, v in data.items()]
        config = load_config(
            args.config,
            [
                *overrides, "data.train.fit=letterbox", f"data.train.cache={args.cache}",
                "model.arch.backbone.pretrain=false", "model.weight_averager.decay=0.9998",
                "device.gpu_ids=-1", f"device.workers_per_gpu={args.workers}",
                f"device.batchsize_per_gpu={args.batch}", f"save_dir={folder}/run",
                "schedule.total_epochs=1000", "schedule.val_intervals=1000",
            ],
        )  # fmt: skip
        train(config, str(args.config), say=lambda line: None, callbacks=[turns])
    product, bare = np.array(turns.product), np.array(turns.bare)
    print(
        f"\nproduct {np.median(args.batch / product):.1f} images/s, bare loop "
        f"{np.median(args.batch / bare):.1f} images/s"
    )
    ratio = bare / product
    print(f"ratio per round: {' '.join(f'{r:.3f}' for r in ratio)}; median {np.median(ratio):.3f}")
    total = product.sum() * args.steps
    for share, seconds in turns.shares.items():
        print(f"{share:<24}{100 * seconds / total:5.1f} % of the product's time")


if __name__ == "__main__":
    sys.exit(main())
