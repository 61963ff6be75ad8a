"""Training speed of several versions of the code, in turns.

``git worktree add ../before COMMIT``, then
``python tools/bench_versions.py ../before . --images DIR --annotations FILE [--config C] [key=value ...]``

Each version trains in a process of its own, from the folder that holds its code. They take turns of a
few steps, while the others wait. Prints images per second by wall time and by CPU time (which other
programs disturb less), and the ratio of each version to the first, as medians of the rounds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


class Turns:
    """Trains a few steps whenever a line arrives, then answers with the seconds that they took."""

    def __init__(self, steps):
        self.steps, self.count = steps, 0

    def wait(self):
        if not sys.stdin.readline():
            os._exit(0)
        self.start = time.perf_counter(), time.process_time()

    def step(self):
        self.count += 1
        if self.count % self.steps == 0:
            now = time.perf_counter(), time.process_time()
            print("took", *(b - a for a, b in zip(self.start, now, strict=True)), flush=True)
            self.wait()


def work(config, steps, overrides):
    import nanodet  # noqa: F401  before torch: it sets how OpenMP's threads wait

    # isort: split
    import pytorch_lightning as pl

    from nanodet.config import load_config
    from nanodet.train.trainer import train

    turns = Turns(steps)

    class Follow(pl.Callback):
        def on_train_start(self, trainer, module):
            turns.wait()

        def on_train_batch_end(self, *args):
            turns.step()

    with tempfile.TemporaryDirectory() as folder:
        keys = [*overrides, f"save_dir={folder}/run"]
        train(load_config(config, keys), config, say=lambda line: None, callbacks=[Follow()])


def main():
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("trees", nargs="+", help="folders of the versions, then key=value")
    parser.add_argument("--config", default=str(root / "config" / "nanodet-m.yml"))
    parser.add_argument("--images", required=True)
    parser.add_argument("--annotations", required=True, help="COCO JSON")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3, help="per turn")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    data = {"name": "CocoDataset", "img_path": args.images, "ann_path": args.annotations}
    keys = [f"data.{part}.{k}={v}" for part in ("train", "val") for k, v in data.items()]
    keys += ["model.arch.backbone.pretrain=false", "device.gpu_ids=-1", "device.workers_per_gpu=0"]
    keys += [f"device.batchsize_per_gpu={args.batch}", "schedule.total_epochs=1000"]
    keys += ["schedule.val_intervals=1000", *(word for word in args.trees if "=" in word)]
    if args.work:
        return work(args.config, args.steps, keys)
    trees = [str(Path(word).resolve()) for word in args.trees if "=" not in word]
    command = [sys.executable, str(Path(__file__).resolve()), "--work", *sys.argv[1:]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": tree}, **pipes) for tree in trees
    ]
    seconds = [[] for _ in trees]
    try:
        for turn in range(args.rounds + 1):  # the first prepares the kernels
            for tree, worker, taken in zip(trees, workers, seconds, strict=True):
                worker.stdin.write("\n")
                worker.stdin.flush()
                line = next((line for line in worker.stdout if line.startswith("took")), None)
                if line is None:
                    sys.exit(f"bench_versions: error: {tree}: its training has ended")
                if turn:
                    taken.append([float(word) for word in line.split()[1:]])
    finally:
        for worker in workers:
            worker.kill()
    for i, kind in enumerate(("wall", "CPU")):
        for tree, taken in zip(trees, seconds, strict=True):
            speed = args.batch * args.steps / median(one[i] for one in taken)
            ratio = median(a[i] / b[i] for a, b in zip(seconds[0], taken, strict=True))
            print(f"{kind:<5}{speed:8.2f} images/s   ratio {ratio:.3f}   {tree}")


if __name__ == "__main__":
    sys.exit(main())
