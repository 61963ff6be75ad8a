"""What C++ and Python say of the files of an ncnn model, before ncnn sees them."""

import re

from ncnn_worker import vouch
from probe import ProbeError

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.shapes import blob_shapes
from nanodet.ncnn_files.weights import load_weights
from nanodet.runtime.engines.backend import check_form
from nanodet.runtime.spec import Spec

SIZE = (160, 96)


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


def same(probe, model):
    """Check that both say the same of a model; return what."""
    found, expected = both(probe, model)
    if found is not None and expected is not None:
        found, expected = (_without_quoted(message) for message in (found, expected))
    assert found == expected
    return found


def _without_quoted(message):
    """Leave out what is quoted from a damaged file: each language cuts it in its own way."""
    return re.split("['\"]", message)[0].partition(", not ")[0]
