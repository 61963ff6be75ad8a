"""The part of the diagnosis that every training runs: what would give AP 0 whatever is learned."""

from collections.abc import Sequence

from nanodet.config.data_sections import Data
from nanodet.data.records import Annotations
from nanodet.doctor.classes import of_both
from nanodet.doctor.examined import Examined
from nanodet.doctor.finding import ERROR
from nanodet.doctor.points import Learner, of_points, unlearned
from nanodet.doctor.report import headline
from nanodet.errors import NanodetError
from nanodet.learn.objective import Objective
from nanodet.text import Say

MOST_BOXES = 2000  # that are assigned; a tenth of a second
MOST_UNLEARNED = 0.5  # fraction of them; if no point learns more, there is a warning


def check_learnable(
    sets: Sequence[Annotations], data: Data, objective: Objective, assigner: str, say: Say
) -> None:
    """Check that some box has a point that learns it, and that some validated class is trained.

    Args:
        sets: the `Annotations` to train on and those to validate on.
        data: the config's ``data``.
        objective: of the training; assigner: its assigner's name.
        say: gets a warning if most boxes have no point.

    Raises:
        NanodetError: the AP would be 0.
    """
    train, val = (
        Examined(f"data.{part}", getattr(data, part), found, ())
        for part, found in zip(("train", "val"), sets, strict=True)
    )
    learner = Learner(objective.strides, objective.point_offset, objective.assigner, assigner)
    looked, lost = unlearned(train, learner, MOST_BOXES)
    for finding in (*of_both(train, val), *of_points(train, learner, looked, lost)):
        line = headline(finding).removeprefix(f"{finding.severity}: ")
        if finding.severity == ERROR:
            raise NanodetError(f"{line}. {finding.advice}")
        if finding.code == "unlearned-boxes" and lost.mean() > MOST_UNLEARNED:
            say(f"warning: {line}")
