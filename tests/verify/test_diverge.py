"""The first layer that differs, in networks with several outputs."""

import numpy as np
import pytest

from nanodet.verify.diverge import first_divergence
from nanodet.verify.trace import Value


def trace(wrong):
    """Return the values of a network of two levels, of which one layer may be wrong."""
    random = np.random.default_rng(0)
    found = {}
    for name, inputs, count in (
        ("data", (), 192), ("stem", ("data",), 96), ("output_8", ("stem",), 80), ("deep", ("stem",), 48),
        ("output_16", ("deep",), 20),
    ):  # fmt: skip
        array = random.normal(0, 1, count).astype(np.float32)
        off = name == wrong or any(found[one].layer.endswith("!") for one in inputs)
        found[name] = Value(f"{name}{'!' * off}", "Convolution", inputs, array + 0.5 * off)
    return found


@pytest.mark.parametrize("wrong", [None, "stem", "output_8", "deep", "output_16"])
def test_a_fault_on_the_way_to_any_output_is_found(wrong):
    found = first_divergence(trace(None), trace(wrong), [], exact=True)
    assert (found and found.layer.split("!")[0]) == wrong
