"""The section ``distill`` of a config file: what a student learns from a teacher."""

from dataclasses import dataclass

from nanodet.config.keys import MUCH, REQUIRED, Fail, key


@dataclass
class Distill:
    teacher: str = key(
        REQUIRED,
        "checkpoint of a trained model, or a published name; only the training needs it",
        ours=True,
    )
    config: str | None = key(
        None, "config file of a teacher whose checkpoint contains none (an original one)", ours=True
    )
    scale: float | None = key(
        None,
        "size at which the teacher sees the images, as a factor of the student's; default: the "
        "teacher's `data.val.input_size` over that of the student's `data.train` (the smaller factor of "
        "the two sides)",
        0.25, 8, ours=True,
    )  # fmt: skip
    temperature: float = key(
        2.0, "the distributions of edges are softened by this", 0.1, 1000, ours=True
    )
    box_weight: float = key(
        0.5, "factor of the edges' distributions at positives", 0, MUCH, ours=True
    )
    region_weight: float = key(
        0.5, "factor of the edges' distributions in the region around the positives", 0, MUCH,
        ours=True,
    )  # fmt: skip
    region: float = key(
        0.25,
        "how far this region reaches: the least DIoU of a point's cell with a box, as a fraction of "
        "that of the box's worst positive",
        0, 1, ours=True,
    )  # fmt: skip
    score_weight: float = key(0.0, "factor of the scores", 0, MUCH, ours=True)
    feature_weight: float = key(0.0, "factor of the neck's maps", 0, MUCH, ours=True)

    @property
    def weights(self) -> tuple[float, ...]:
        """The factors of all terms."""
        return self.box_weight, self.region_weight, self.score_weight, self.feature_weight

    def check(self, fail: Fail) -> None:
        if not self.teacher.strip():
            fail("teacher", "names no model")
        if not any(self.weights):
            fail("box_weight", "is 0, and so are all weights here: leave distill out")
