"""Every kind of layer that is known: ncnn makes what the rules say, and what they refuse is refused."""

import json
import subprocess
import sys

import ncnn_layers
import pytest

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Graph
from nanodet.ncnn_files.parameters import KINDS
from nanodet.ncnn_files.rules import RULES
from nanodet.ncnn_files.rules.maps import is_grouped
from nanodet.ncnn_files.shapes import blob_shapes

INPUT = (3, *ncnn_layers.SIZE)

# runs models, and prints the shapes of all their blobs; the last line names the one that ended it
_RUN = """
import json, sys
import ncnn, numpy as np
image = np.random.default_rng(0).normal(0, 1, (3, 32, 32)).astype(np.float32)
for line in sys.stdin:
    param, blobs, half = json.loads(line)
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_bf16_storage = half
    shapes = {}
    if net.load_param(param) == 0 and net.load_model(param.replace(".param", ".bin")) == 0:
        for blob in blobs:
            extractor = net.create_extractor()
            extractor.input("data", ncnn.Mat(image).clone())
            status, output = extractor.extract(blob)
            shapes[blob] = list(np.array(output).shape) if status == 0 else f"status {status}"
    print(json.dumps(shapes), flush=True)
"""


@pytest.mark.parametrize("half", [False, True])
def test_ncnn_makes_what_the_rules_say(tmp_path, half):
    graphs, questions = [], []
    for number, (form, lines, _) in enumerate(ncnn_layers.SOUND):
        param = tmp_path / f"{number}.param"
        graphs.append(ncnn_layers.write(param, form, lines))
        # grouped ones are refused in 16 bits
        here = half and not any(map(is_grouped, graphs[-1].layers))
        questions.append(json.dumps([str(param), graphs[-1].blobs(), here]))
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input="\n".join(questions), text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for graph, answer, (_, lines, output) in zip(graphs, answers, ncnn_layers.SOUND, strict=False):
        shapes = blob_shapes(graph, INPUT, "m")
        assert answer == {blob: list(shape) for blob, shape in shapes.items()}, lines
        assert output in (None, shapes["output"]), lines
    assert len(answers) == len(graphs), f"ended: {ncnn_layers.SOUND[len(answers)]}"


def test_what_ncnn_cannot_work_on_is_refused():
    for form, lines, words in ncnn_layers.UNSOUND:
        with pytest.raises(NanodetError) as caught:
            blob_shapes(Graph.parse(ncnn_layers.text_of(form, lines), "m"), INPUT, "m")
        assert words in str(caught.value), lines
        assert str(caught.value).startswith("m: layer ")


def test_every_kind_has_a_rule_and_a_case():
    assert set(RULES) | {"Input"} == KINDS
    tried = {line.split()[0] for _, lines, _ in ncnn_layers.SOUND for line in lines.split("\n")}
    # these are in every NanoDet
    assert KINDS - tried <= {"Input", "ConvolutionDepthWise", "Noop"}


def test_unknown_kinds_pass_where_they_may():
    lines = "ArgMax a 1 1 x y 1=1\nConvolution c 1 1 y z 0=4 1=1 6=48\nSigmoid s 1 1 z output"
    graph = Graph.parse(ncnn_layers.text_of(ncnn_layers.MAP, lines), "m")
    shapes = blob_shapes(graph, INPUT, "m", lambda kind: kind == "ArgMax")
    assert shapes["x"] == ncnn_layers.MAP
    assert [shapes[blob] for blob in "yz"] == [None, None] and shapes["output"] is None
    with pytest.raises(NanodetError, match="layer a: ArgMax is not known"):
        blob_shapes(graph, INPUT, "m", lambda kind: kind == "Embed")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("ArgMax a 0 1 output", "ArgMax cannot work on 0 inputs"),
        ("ArgMax a 1 0 x", "ArgMax has no outputs"),
        (
            "ArgMax a 1 1 x y\nConvolution c 1 1 y output 1=0",
            "parameter 1: Convolution cannot work",
        ),
        ("ArgMax a 1 1 x y\nSoftmax c 1 1 y output", "Softmax is not known"),
        ("ArgMax a 1 1 x y\nMatMul c 1 1 y output", "MatMul cannot work on 1 inputs"),
        ("ArgMax a 1 1 x y\nSigmoid c 1 2 y z output", "cannot work on unknown"),
    ],
)
def test_around_unknown_kinds_the_rest_is_checked(lines, words):
    graph = Graph.parse(ncnn_layers.text_of(ncnn_layers.MAP, lines), "m")
    with pytest.raises(NanodetError, match=words):
        blob_shapes(graph, INPUT, "m", lambda kind: True)
