"""What is said of many runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.bench.statistics import later_half, ratio, stage_times, summarise


@given(st.lists(st.integers(1_000, 10**10), min_size=1, max_size=300))
def test_the_figures_are_in_order_and_in_microseconds(nanoseconds):
    figures = summarise(nanoseconds)
    order = [figures[key] for key in ("min", "median", "p90", "p99", "max")]
    assert order == sorted(order)
    assert figures["min"] == pytest.approx(min(nanoseconds) / 1000, abs=0.06)
    assert figures["max"] == pytest.approx(max(nanoseconds) / 1000, abs=0.06)
    assert figures["mean"] == pytest.approx(sum(nanoseconds) / len(nanoseconds) / 1000, abs=0.06)


def test_known_values():
    figures = summarise(np.arange(1, 102) * 1000)  # 1 .. 101 us
    assert figures == {"min": 1, "median": 51, "mean": 51, "p90": 91, "p99": 100, "max": 101}


def test_end_to_end_is_the_sum_of_each_run_not_of_the_medians():
    runs = [(1000, 9000, 1000), (9000, 1000, 1000), (2000, 2000, 2000)]
    times = stage_times(runs, ("preprocess", "network", "decode"))
    assert times["network"]["median"] == 2.0
    assert times["end_to_end"]["median"] == 11.0
    assert list(stage_times([(5000,)], ("network",))) == ["network"]


@given(
    st.floats(0.2, 5.0), st.integers(4, 30),
    st.lists(st.floats(1.0, 20.0), min_size=30, max_size=30),
)  # fmt: skip
def test_what_slows_a_round_drops_out_of_the_ratio(true_ratio, rounds, slowdown):
    reference = [[1e6 * slowdown[i]] * 5 for i in range(rounds)]
    turns = [[true_ratio * 1e6 * slowdown[i]] * 3 for i in range(rounds)]
    assert ratio(turns, reference) == pytest.approx((true_ratio,) * 3, rel=1e-3)
    assert ratio(turns + turns, reference) == ratio(turns, reference)  # one had enough earlier


def test_the_later_half_against_the_first():
    assert later_half([10] * 50 + [12] * 50) == pytest.approx(1.2)
    assert later_half([10, 20, 10, 20]) == 1.0  # too few to say anything
