"""What a training checks before it starts: whether its AP can be above 0."""

import functools

import pytest
from small_arch import arch

from nanodet.doctor.doctor import diagnose
from nanodet.doctor.quick import check_learnable
from nanodet.doctor.subject import Subject
from nanodet.errors import NanodetError
from nanodet.learn.objective import build_objective
from nanodet.model.network import build_network


def check(healthy):
    """Return the lines of the check of a set, as a training calls it."""
    config, said = healthy.build(), []
    sets = [one.annotations for one in diagnose(Subject.of_config(config), decode=False).sets]
    check_learnable(sets, config.data, objective(), "ATSS", said.append)
    return said


@functools.cache
def objective():
    section = arch()
    return build_objective(build_network(section), section)


def shrink(healthy, count):
    """Put boxes of 3 pixels between the points."""
    for one in healthy.train["annotations"][:count]:
        x, y = one["bbox"][:2]
        one["bbox"] = [x // 8 * 8 + 2.5, y // 8 * 8 + 2.5, 3, 3]


def test_more_than_a_twentieth_without_points_is_a_warning(healthy):
    for count, severity in ((2, "note"), (4, "warning")):  # of 60
        shrink(healthy, count)
        found = diagnose(healthy.subject(), decode=False).findings
        (one,) = (f for f in found if f.code == "unlearned-boxes" and f.part == "data.train")
        assert (one.severity, one.count) == (severity, count)


def test_a_healthy_set_trains(healthy):
    assert check(healthy) == []


def test_a_set_validated_on_other_classes_does_not(healthy):
    for found, label in ((healthy.train, 1), (healthy.val, 2)):
        for one in found["annotations"]:
            one["category_id"] = label
    with pytest.raises(NanodetError, match=r"32 of 32 boxes of data.val .* no box of: square"):
        check(healthy)


def test_one_validated_class_suffices(healthy):
    for one in healthy.train["annotations"]:
        one["category_id"] = 1
    assert check(healthy) == []  # the training says which class has no box


def test_boxes_between_all_points_are_refused_or_told(healthy):
    shrink(healthy, 40)
    (line,) = check(healthy)
    assert line.startswith("warning: data.train: ") and "have no point that learns them" in line
    shrink(healthy, 60)
    with pytest.raises(NanodetError, match=r"60 of 60 boxes have no point .* by ATSS"):
        check(healthy)
