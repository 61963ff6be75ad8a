"""How often the 95 % intervals of AP, and of a difference of AP, hold the truth.

The annotated images play all images: AP on them is the truth. Samples of them are drawn with replacement,
each gets its intervals from a bootstrap of its own, and those that hold the truth are counted.

    python tools/interval_coverage.py MODEL OTHER_MODEL --images DIR --annotations FILE
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from nanodet.evaluate.coco_metrics import Metrics
from nanodet.evaluate.ground_truth import given
from nanodet.evaluate.resample import average_precisions
from nanodet.evaluate.run import evaluate_model, evaluation_detector
from nanodet.text.printable import say

RESAMPLES = 500


def main() -> None:
    """Measure, and print a table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs=2, metavar="MODEL")
    parser.add_argument("--images", required=True)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--samples", type=int, default=150)
    args = parser.parse_args()
    metrics = []
    for model in args.models:
        detector = evaluation_detector(model)
        source = given(args.images, args.annotations, None)
        assert source is not None
        truth = source.read(detector.class_names, detector.backend.path)
        metrics.append(evaluate_model(detector, truth, intervals=False)[0])
    say("| classes | images in a sample | mean AP of samples - truth | AP, basic | AP, percentile "
        "| change, basic | change, percentile |")  # fmt: skip
    say("|---:|---:|---:|---:|---:|---:|---:|")
    for classes, size in ((1, 100), (5, 100), (20, 100), (20, 250), (80, 250)):
        bias, held = coverage(metrics, classes, size, args.samples)
        cells = " | ".join(f"{100 * part:.0f} %" for part in held)
        say(f"| {classes} | {size} | {bias:+.2f} | {cells} |")


def coverage(
    metrics: list[Metrics], classes: int, size: int, samples: int
) -> tuple[float, list[float]]:
    """Return the mean of the samples' AP minus the truth, and the part of the intervals that hold it.

    Args:
        metrics: of two models.
        classes: how many, those with most objects.
        size: images in a sample.
        samples: how many.
    """
    most = np.argsort([-one.objects for one in metrics[0].ap_per_class])[:classes]
    found = [[[one.matches[i][0]] for i in most] for one in metrics]
    images = metrics[0].images

    def aps(weights: np.ndarray) -> np.ndarray:
        values = [100 * average_precisions(one, weights.astype(np.int32))[..., 0] for one in found]
        first, second = (np.nanmean(one, axis=(1, 2)) for one in values)
        return np.stack([first, second - first])

    truth = aps(np.ones((images, 1)))[:, 0]
    rng, off = np.random.default_rng(1), []
    held = np.zeros((2, 2))
    for _ in range(samples):
        drawn = rng.integers(0, images, size)
        again = drawn[rng.integers(0, size, (RESAMPLES, size))]
        chosen = [drawn, *again]
        values = aps(np.stack([np.bincount(one, minlength=images) for one in chosen], axis=1))
        off.append(values[0, 0] - truth[0])
        for what in (0, 1):
            value, resampled = values[what, 0], values[what, 1:]
            ends = np.quantile(resampled, [0.025, 0.975])
            for way, (low, high) in enumerate((2 * value - ends[::-1], ends)):
                held[what, way] += low <= truth[what] <= high
    return float(np.mean(off)), (held / samples).ravel().tolist()


if __name__ == "__main__":
    main()
