"""Whether training and validation are alike: sizes of images and objects, and shares of classes."""

from collections.abc import Iterator

import numpy as np

from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import WARNING, Example, Finding

LEAST = 30  # boxes that each set needs to be compared
FACTOR = 2.0  # between the medians of the two sets
CLASSES = 0.3  # difference of the shares of the classes, 0 (equal) to 1 (none in common)


def of_difference(train: Examined, val: Examined) -> Iterator[Finding]:
    """Yield in what the two sets differ much."""
    if min(len(train.boxes), len(val.boxes)) < LEAST:
        return
    for code, what, values in (
        ("different-images", "images", [np.sqrt(one.sizes.prod(axis=1)) for one in (train, val)]),
        ("different-objects", "objects in the network's input", [
            np.sqrt(one.sides.prod(axis=1)) for one in (train, val)
        ]),
    ):  # fmt: skip
        medians = [float(np.median(some)) for some in values]
        if max(medians) > FACTOR * min(medians):
            yield Finding(
                WARNING, code, "",
                f"the {what} of data.train have a median side of {medians[0]:.0f} pixels, those of "
                f"data.val of {medians[1]:.0f}",
                "Is data.val what the model will be used for? AP measures what was not trained then: "
                "split the images at random, or augment with a wider scale.",
            )  # fmt: skip
    shares = _shares(train), _shares(val)
    names = {**shares[0], **shares[1]}
    differ = {name: shares[1].get(name, 0) - shares[0].get(name, 0) for name in names}
    apart = sum(map(abs, differ.values())) / 2
    if apart > CLASSES:
        worst = sorted(differ, key=lambda name: -abs(differ[name]))[:3]
        rows = [
            Example(
                f"{n}: {shares[0].get(n, 0):.0%} of data.train, {shares[1].get(n, 0):.0%} of data.val"
            )
            for n in worst
        ]
        yield Finding(
            WARNING, "different-classes", "",
            f"{apart:.0%} of the boxes are of other classes in data.val than in data.train",
            "Split the images at random: AP of a class that was hardly trained says little.",
            examples=rows,
        )  # fmt: skip


def _shares(one: Examined) -> dict[str, float]:
    """Return the fraction of the boxes that each class has, by its levelled name."""
    total = max(len(one.boxes), 1)
    return {name: count / total for name, count in one.boxes_by_name.items()}
