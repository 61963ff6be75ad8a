"""Means, spreads and paired intervals, against values worked out by hand or printed in tables."""

import math

import numpy as np
import pytest

from nanodet.evaluate.correlation import pearson
from nanodet.study.statistics import paired, spread, student_t


@pytest.mark.parametrize(
    "freedom, t",
    [(1, 12.7062), (2, 4.30265), (4, 2.77645), (9, 2.26216), (30, 2.04227), (1000, 1.96234)],
)
def test_quantiles_are_those_of_the_tables(freedom, t):
    assert student_t(freedom) == pytest.approx(t, rel=2e-5)
    assert student_t(2, 0.9) == pytest.approx(2.91999, abs=1e-4)


def test_mean_and_deviation():
    assert spread([]) is None
    assert spread([3.0]) == (3.0, None, 1)
    assert spread([1.0, 2.0, 6.0]) == (3.0, pytest.approx(math.sqrt(7)), 3)


def test_differences_are_of_runs_with_the_same_seed():
    baseline = {0: 10.0, 1: 20.0, 2: 30.0, 7: 99.0}
    found = paired({0: 11.0, 1: 22.0, 2: 33.0, 3: 0.0}, baseline)  # +1, +2, +3
    assert (found.mean, found.seeds) == (2.0, 3)
    assert found.half == pytest.approx(4.30265 / math.sqrt(3), abs=1e-4)  # deviation 1
    assert not found.clear
    assert paired({0: 12.0, 1: 22.1, 2: 31.9}, baseline).clear
    alone = paired({0: 12.0}, baseline)
    assert (alone.mean, alone.half, alone.clear) == (2.0, None, False)
    assert paired({5: 1.0}, baseline) is None


def test_correlation():
    assert pearson([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(0.6)  # 3 / 5
    assert pearson([1, 2], [5, 3]) == pytest.approx(-1)
    assert pearson([1, 1], [5, 3]) is pearson([1], [2]) is pearson([], []) is None
    assert pearson(np.float32([0.1, 0.2, 0.3]), np.float32([1, 2, 3])) == pytest.approx(1)
