"""Draws the pictures of docs/augmentation.md: one step each, on images of BCCD (MIT licence).

``python tools/augmentation_pictures.py CONFIG docs/images/augmentation [key=value ...]``
"""

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from nanodet.config import load_config
from nanodet.config.data_sections import OFF_AT_THE_END, Pipeline
from nanodet.data.dataset import DetectionSet
from nanodet.drawing.draw import draw
from nanodet.images.image_file import write_picture
from nanodet.runtime.detections import Detections
from nanodet.train.sets import read_both_sets

SIZE = (288, 216)
# the image (index) and seed of a picture, where the first ones do not show the step
CHOSEN = {"crop": (4, 5)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="of the images to draw")
    parser.add_argument("out", help="folder for the pictures")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_args()
    file, out = args.config, args.out
    config = load_config(file, args.overrides)
    annotations, _ = read_both_sets(config, file, print)
    Path(out).mkdir(parents=True, exist_ok=True)
    for step in ("none", *OFF_AT_THE_END):
        steps = {} if step == "none" else {step: 1.0}
        section = dataclasses.replace(
            config.data.train, pipeline=Pipeline(flip=0.5 * bool(steps), **steps), cache=False
        )
        index, seed = CHOSEN.get(step, (4, 0))
        sample = DetectionSet(annotations, section, True, seed)[0, index, SIZE]
        found = Detections(
            sample.boxes, np.ones(len(sample.boxes)), sample.labels, annotations.class_names
        )
        picture = draw(sample.image, found, labels=False)
        regions = Detections(sample.ignored, np.ones(len(sample.ignored)), 0 * sample.ignored[:, 0])
        picture = draw(picture, regions, style="dashed", labels=False)
        write_picture(Path(out) / f"{step}.jpg", picture)


if __name__ == "__main__":
    main()
