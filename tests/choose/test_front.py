"""Which models are worth having, and which one is recommended: pure functions."""

from hypothesis import given
from hypothesis import strategies as st

from nanodet.choose.front import Choice, front, recommend
from nanodet.evaluate.bootstrap import Interval


def choice(name, ap, ms, p90=None):
    return Choice(name, Interval(ap, ap - 3, ap + 3), ms, p90 or ms, 1.0)


def far(ours, theirs):
    """A difference that is clear."""
    value = ours.ap.value - theirs.ap.value
    return Interval(value, value - 0.1, value + 0.1)


def near(ours, theirs):
    """A difference that is not."""
    value = ours.ap.value - theirs.ap.value
    return Interval(value, value - 50, value + 50)


SMALL, MIDDLE, LARGE = choice("small", 40, 10), choice("middle", 50, 20), choice("large", 55, 40)
WORSE = choice("worse", 45, 30)  # than middle, and slower
ALL = [LARGE, WORSE, SMALL, MIDDLE]


def test_the_front_is_what_no_other_beats():
    assert front(ALL) == [SMALL, MIDDLE, LARGE]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=12))
def test_whatever_is_off_the_front_is_beaten(pairs):
    choices = [choice(str(n), ap, ms) for n, (ap, ms) in enumerate(pairs)]
    kept = front(choices)
    for one in choices:
        beaten = any(
            o.ms <= one.ms and o.ap.value >= one.ap.value and (o.ms, o.ap) != (one.ms, one.ap)
            for o in choices
        )
        assert (one in kept) != beaten or any(
            o is not one and (o.ms, o.ap) == (one.ms, one.ap) for o in choices
        )
    assert kept == sorted(kept, key=lambda c: c.ms) == sorted(kept, key=lambda c: c.ap.value)


@given(st.floats(10, 100))
def test_the_most_accurate_within_the_budget(budget):
    found = recommend(ALL, budget, far).choice
    assert found is (SMALL if budget < 20 else MIDDLE if budget < 40 else LARGE)


def test_nothing_is_fast_enough():
    found = recommend(ALL, 5, far)
    assert found.choice is None
    assert "small" in found.reasons[0] and "10.00 ms" in found.reasons[0]


def test_what_is_faster_and_not_clearly_worse_is_named():
    assert not any("small" in line for line in recommend(ALL, 25, far).reasons)
    (line,) = [line for line in recommend(ALL, 25, near).reasons if "small" in line]
    assert "0.50 of its time" in line and "-10.00 (-60.00 .. +40.00)" in line


def test_the_next_better_one_is_named_with_its_cost():
    line = recommend(ALL, 25, far).reasons[-1]
    assert "large" in line and "40.00 ms" in line and "+5.00 (+4.90 .. +5.10)" in line


def test_a_budget_that_one_run_in_ten_misses():
    slow = [choice("late", 50, 20, 31)]
    assert any("one run in ten" in line.lower() for line in recommend(slow, 30, far).reasons)


def test_a_model_that_finds_nothing_is_not_recommended():
    found = recommend([choice("blind", 0, 1)], 5, near)
    assert found.choice is None
    assert found.reasons[0].startswith("AP is 0: no model within 5 ms finds anything")
    assert recommend([choice("poor", 1, 1)], 5, near).choice is not None


def test_the_fastest_that_is_not_clearly_worse_need_not_be_on_the_front():
    def change(ours, theirs):  # only what "twin" lacks may be chance
        return (near if ours.name == "twin" else far)(ours, theirs)

    twin = choice("twin", 39, 12)  # slower than small, and worse
    lines = [one for one in recommend([*ALL, twin], 25, change).reasons if "of its time" in one]
    assert len(lines) == 1 and lines[0].startswith("twin takes 0.60")
