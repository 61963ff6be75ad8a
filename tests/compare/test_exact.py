"""Outputs that should be the same numbers."""

import numpy as np

from nanodet.compare.exact import difference, noise


def test_differences_are_relative_above_one():
    wanted = np.array([[0.5, 100.0]], np.float32)
    assert difference(wanted, wanted) == 0
    assert np.isclose(difference(wanted + np.float32([[0.01, 0]]), wanted), 0.01, rtol=1e-5)
    assert np.isclose(difference(wanted + np.float32([[0, 1]]), wanted), 0.01, rtol=1e-5)


def test_other_shapes_and_what_is_no_number_differ_beyond_all_limits():
    wanted = np.zeros((2, 3), np.float32)
    assert difference(wanted[:1], wanted) == float("inf")
    for value in (np.nan, np.inf):
        given = wanted.copy()
        given[1, 1] = value
        assert difference(given, wanted) == float("inf")


def test_noise_is_of_the_size():
    assert noise((96, 64), np.random.default_rng(0)).shape == (1, 3, 64, 96)
