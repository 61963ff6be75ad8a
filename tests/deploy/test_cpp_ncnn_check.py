"""C++ refuses the same .param, .bin and .json as Python, in the same words, before ncnn sees them."""

import random
import shutil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ncnn_check import both, same
from ncnn_worker import mutated

from nanodet.export.stages import FP32


@pytest.fixture
def model(exported_small, tmp_path):
    """A copy of the small model's ``.param``, ``.bin`` and ``.json``."""
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(exported_small.files[FP32].with_suffix(suffix), tmp_path / f"m{suffix}")
    return tmp_path / "m.param"


def test_a_sound_model(probe, model):
    assert both(probe, model) == (None, None)
    assert both(probe, model, (320, 64)) == (None, None)
    model.write_bytes(model.read_bytes().replace(b"\n", b"\r\n"))
    assert both(probe, model) == (None, None)


@pytest.mark.parametrize("examples", [50, pytest.param(3_000, marks=pytest.mark.slow)])
def test_faults_of_a_graph(probe, model, examples):
    text = model.read_text()
    refused = []

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32 - 1))
    @example(1)  # is sound all the same, as one in ten is
    def check(seed):
        model.write_text(mutated(text, random.Random(seed)))
        refused.append(same(probe, model) is not None)

    check()
    assert any(refused) and not all(refused)


@pytest.mark.parametrize("examples", [30, pytest.param(3_000, marks=pytest.mark.slow)])
def test_damaged_bytes(probe, model, examples):
    files = [model, model.with_suffix(".bin")]
    sound = [file.read_bytes() for file in files]

    @settings(max_examples=examples)
    @given(
        st.booleans(), st.floats(0, 1), st.integers(0, 40),
        st.binary(max_size=8) | st.sampled_from(["ß", "\u2028", "\u0660", "\ufeff"]).map(str.encode),
    )  # fmt: skip
    def check(weights, at, length, put):
        at = int(at * len(sound[weights]))
        damaged = sound[weights][:at] + put + sound[weights][at + length :]
        files[weights].write_bytes(damaged)
        files[not weights].write_bytes(sound[not weights])
        same(probe, model)

    check()
