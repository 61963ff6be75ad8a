"""Every way to choose a threshold does what its name promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.quantize.thresholds import BINS, LEVELS, METHODS, Histogram, aciq, mse, percentile


def histogram_of(values):
    size = np.abs(np.asarray(values, np.float64))
    counts, _ = np.histogram(size, BINS, (0, size.max()))
    return Histogram(counts, float(size.max()), float(size.mean()), float((size**2).mean()))


def square_error(values, threshold):
    step = threshold / LEVELS
    return np.mean((values - np.clip(np.rint(values / step), -LEVELS, LEVELS) * step) ** 2)


@pytest.mark.parametrize("method", METHODS)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
    power=st.floats(0.5, 4),
    count=st.integers(1, 3000),
)
def test_a_threshold_lies_within_what_was_seen(method, seed, scale, power, count):
    drawn = np.random.default_rng(seed).standard_normal(count)
    histogram = histogram_of(scale * np.sign(drawn) * np.abs(drawn) ** power)
    threshold = METHODS[method](histogram)
    assert 0 < threshold <= histogram.largest * (1 + 1e-9)


def test_mse_is_as_good_as_the_best_of_a_fine_search():
    values = np.random.default_rng(0).laplace(size=100_000)
    best = min(square_error(values, t) for t in np.linspace(1, np.abs(values).max(), 400))
    assert square_error(values, mse(histogram_of(values))) < 1.02 * best


@pytest.mark.parametrize("method", ["kl", "aciq", "percentile"])
def test_a_single_outlier_is_clipped(method):
    values = np.append(np.random.default_rng(0).standard_normal(100_000), 100.0)
    threshold = METHODS[method](histogram_of(values))
    assert threshold < 50
    assert square_error(values[:-1], threshold) < square_error(values[:-1], 100.0)


def test_percentile_clips_as_many_as_it_says():
    values = np.abs(np.random.default_rng(0).laplace(size=1_000_000))
    clipped = np.mean(values > percentile(histogram_of(values)))
    assert 0.8e-4 < clipped <= 1e-4


def test_aciq_tells_gauss_from_laplace():
    rng = np.random.default_rng(0)
    gauss, laplace = rng.standard_normal(1_000_000), rng.laplace(size=1_000_000)
    # Banner et al.: 3.92 sigma, and 9.90 mean |x| (clipped to the largest value seen)
    assert aciq(histogram_of(gauss)) == pytest.approx(3.924, rel=0.01)
    assert aciq(histogram_of(laplace)) == pytest.approx(9.897, rel=0.01)
