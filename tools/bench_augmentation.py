"""How many training samples a second one core prepares, with each step of augmentation alone.

``python tools/bench_augmentation.py CONFIG [key=value ...] [--samples 200] [--rounds 5] [--libraries]``

In turns, in one process with one thread: the config's own pipeline without steps for small data, then
with each of them in every sample, then with all of them. Prints samples per second of the fastest
round, and the milliseconds that the step adds.

``--libraries`` compares blur, grey, JPEG, cut-out and a crop that keeps boxes with those of
AlbumentationsX and kornia, as far as they are installed, on images as large as the network's input.
"""

import argparse
import dataclasses
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch

from nanodet.config import load_config
from nanodet.config.data_sections import OFF_AT_THE_END, Pipeline
from nanodet.data.augment.augment import Augmentation
from nanodet.data.augment.cutout import cutout
from nanodet.data.augment.filters import FILTERS
from nanodet.data.augment.geometry import draw_geometry, map_boxes, worth_teaching
from nanodet.data.augment.mosaic import mosaic
from nanodet.data.augment.scene import Scene, Sources
from nanodet.data.dataset import DetectionSet
from nanodet.data.records import Picture
from nanodet.train.sets import read_both_sets


def fastest(functions, rounds):
    """Return the seconds of the fastest of some rounds of each function, called in turns."""
    best = dict.fromkeys(functions, np.inf)
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def steps(config, samples, rounds):
    """Print samples per second with each step."""
    annotations, _ = read_both_sets(config, "config", lambda line: None)
    train = config.data.train
    plain = dataclasses.replace(train.pipeline, **dict.fromkeys(OFF_AT_THE_END, 0.0))
    pipelines = {"none": plain}
    for name in OFF_AT_THE_END:
        pipelines[name] = dataclasses.replace(plain, **{name: 1.0})
    pipelines["all"] = dataclasses.replace(plain, **dict.fromkeys(OFF_AT_THE_END, 1.0))
    if any(getattr(train.pipeline, name) for name in OFF_AT_THE_END):
        pipelines["as configured"] = train.pipeline
    data, size = DetectionSet(annotations, train, True), tuple(train.input_size)

    def run(pipeline):
        data.augment = Augmentation(
            annotations.pictures, data.augment.load, pipeline, data.fit, data.seed
        )
        return lambda: [data[0, n % len(data), size] for n in range(samples)]

    found = fastest({name: lambda p=p: run(p)() for name, p in pipelines.items()}, rounds)
    print(f"{'step':<14}{'samples/s':>10}{'ms more':>9}")
    for name, seconds in found.items():
        more = 1e3 * (seconds - found["none"]) / samples
        print(f"{name:<14}{samples / seconds:>10.0f}{more:>9.2f}")


def libraries(config, count, rounds):
    """Print microseconds per image of the same operations in other packages."""
    width, height = config.data.train.input_size
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    image = cv2.resize(noise, (width, height))
    corners = rng.uniform(0, (width - 41, height - 41), (20, 2))
    boxes = np.concatenate([corners, corners + 40], axis=1).astype(np.float32)

    def cut():
        cutout(Scene(image.copy(), boxes, np.zeros(20, int), boxes[:0]), rng)

    def crop():
        mapped, inside = map_boxes(boxes - 20, np.eye(3), (width // 2, height // 2))
        return image[20 : height // 2, 20 : width // 2].copy(), mapped[
            worth_teaching(mapped, inside)
        ]

    rows = {"here": {n: lambda f=f: f(image, rng) for n, f in FILTERS.items()}}
    large = cv2.resize(noise, (640, 480))
    record = Picture(Path(), 1, 640, 480, boxes, np.zeros(20, np.int64), np.ones(20, np.float32))
    pipeline = Pipeline(scale=[0.6, 1.4], flip=0.5)
    four = Sources([record] * 4, lambda index: large, pipeline, "letterbox", (width, height))

    def join():
        geometry = draw_geometry(pipeline, (640, 480), rng)
        mosaic(four, 0, large, geometry, (width, height), rng)

    rows["here"] |= {"cutout": cut, "crop": crop, "mosaic": join}
    try:
        rows["AlbumentationsX"] = _albumentations(image, boxes, large)
    except ImportError as error:
        print(f"no AlbumentationsX: {error}")
    try:
        rows["kornia"] = _kornia(image)
    except ImportError as error:
        print(f"no kornia: {error}")
    functions = {
        (package, name): lambda f=f: [f() for _ in range(count)]
        for package, row in rows.items()
        for name, f in row.items()
    }
    found = fastest(functions, rounds)
    names = list(rows["here"])
    print(f"{'us an image':<17}" + "".join(f"{name:>9}" for name in names))
    for package in rows:
        cells = [found.get((package, name)) for name in names]
        shown = ("-" if seconds is None else f"{1e6 * seconds / count:.0f}" for seconds in cells)
        print(f"{package:<17}" + "".join(f"{one:>9}" for one in shown))


def _albumentations(image, boxes, large):
    a = importlib.import_module("albumentations")
    parameters = a.BboxParams(
        coord_format="pascal_voc", label_fields=["labels"], min_visibility=0.1
    )
    labels = np.zeros(len(boxes), int)

    def boxed(step):
        composed = a.Compose([step], bbox_params=parameters)
        return lambda: composed(image=image, bboxes=boxes, labels=labels)

    def alone(step):
        return lambda: step(image=image)

    height, width = image.shape[:2]
    size = {"target_size": (height, width), "cell_shape": (height, width)}
    mosaic = a.Compose([a.Mosaic(**size, p=1)], bbox_params=parameters)
    others = [{"image": large, "bboxes": boxes, "labels": labels}] * 3
    return {
        "grey": alone(a.ToGray(p=1)),
        "blur": alone(a.GaussianBlur(blur_range=(0, 0), sigma_range=(0.4, 1.6), p=1)),
        "jpeg": alone(a.ImageCompression(quality_range=(20, 70), p=1)),
        "cutout": boxed(
            a.CoarseDropout(
                num_holes_range=(1, 4), hole_height_range=(0.05, 0.25),
                hole_width_range=(0.05, 0.25), fill="random_uniform", p=1,
            )
        ),
        "mosaic": lambda: mosaic(
            image=large, bboxes=boxes, labels=labels, mosaic_metadata=others
        ),
        "crop": boxed(a.AtLeastOneBBoxRandomCrop(height=height // 2, width=width // 2, p=1)),
    }  # fmt: skip


def _kornia(image):
    k = importlib.import_module("kornia.augmentation")
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255

    def of(step):
        return lambda: step(tensor)

    return {
        "grey": of(k.RandomGrayscale(p=1)),
        "blur": of(k.RandomGaussianBlur((7, 7), (0.4, 1.6), p=1)),
        "jpeg": of(k.RandomJPEG(jpeg_quality=(20, 70), p=1)),
        "cutout": of(k.RandomErasing(p=1)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--libraries", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    config = load_config(options.config, options.overrides)
    (libraries if options.libraries else steps)(config, options.samples, options.rounds)


if __name__ == "__main__":
    main()
