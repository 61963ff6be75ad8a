"""C++ refuses the same .param, .bin and .json as Python, in the same words, before ncnn sees them."""

import random
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ncnn_worker import mutated, vouch
from probe import ProbeError

from nanodet.errors import NanodetError
from nanodet.export.stages import FP32
from nanodet.runtime.backends import check_form
from nanodet.runtime.ncnn_graph import Graph
from nanodet.runtime.ncnn_shapes import blob_shapes
from nanodet.runtime.ncnn_weights import load_weights
from nanodet.runtime.spec import Spec

SIZE = (160, 96)


@pytest.fixture
def model(exported_small, tmp_path):
    """A copy of the small model's ``.param``, ``.bin`` and ``.json``."""
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(exported_small.files[FP32].with_suffix(suffix), tmp_path / f"m{suffix}")
    return tmp_path / "m.param"


def both(probe, param, size=SIZE):
    """Return what C++ and Python say of a model; None is that it can be loaded."""
    vouch(param)
    try:
        probe.ask("check_ncnn", model=str(param), size=list(size))
        found = None
    except ProbeError as error:
        found = " ".join(str(error).split())  # as Python does it
    try:
        check(param, size)
        return found, None
    except NanodetError as error:
        return found, str(error)


def check(param, size):
    """Do what `NcnnBackend` does before ncnn sees a file."""
    spec = Spec.load(param.with_suffix(".json"))
    graph = Graph.load(param)
    for width, height in dict.fromkeys((spec.input_size, size)):
        shapes = blob_shapes(graph, (3, height, width), str(param))
        inputs = dict.fromkeys(graph.inputs(), (1, 3, height, width))
        outputs = {blob: (1, *shapes[blob]) for blob in graph.outputs()}
        check_form(spec.at_size((width, height)), str(param), inputs, outputs)
    load_weights(param.with_suffix(".bin"), graph, param)


def test_a_sound_model(probe, model):
    assert both(probe, model) == (None, None)
    assert both(probe, model, (320, 64)) == (None, None)
    model.write_bytes(model.read_bytes().replace(b"\n", b"\r\n"))
    assert both(probe, model) == (None, None)


def same(probe, model):
    """Check that both say the same of a model; return what."""
    found, expected = both(probe, model)
    if found is not None and expected is not None:
        found, expected = (_without_quoted(message) for message in (found, expected))
    assert found == expected
    return found


def _without_quoted(message):
    """Leave out what is quoted from a damaged file: each language cuts it in its own way."""
    return message.partition("'")[0].partition(", not ")[0]


@pytest.mark.parametrize("examples", [50, pytest.param(3_000, marks=pytest.mark.slow)])
def test_faults_of_a_graph(probe, model, examples):
    text = model.read_text()
    refused = []

    @settings(max_examples=examples)
    @given(st.integers(0, 2**32 - 1))
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
