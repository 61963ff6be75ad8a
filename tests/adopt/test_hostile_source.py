"""Files of strangers that are opened to be adopted: one line, soon."""

import onnx
import pytest
from onnx import TensorProto, helper

from nanodet import NanodetError
from nanodet.adopt.source import open_source
from nanodet.onnx_files.unify import _sigmoids

_INPUT = "Input data 0 1 data 0=1 1=1 2=3"
_CONV = "Convolution c 1 1 data a 0=8 1=3 3={} 6=216"
PARAMS = {
    "text": [_INPUT, "Interp u 1 1 data b 0=2 1=abc 2=2.0"],
    "nan": [_INPUT, "Interp u 1 1 data b 0=2 1=nan 2=2.0"],
    "inf": [_INPUT, "Interp u 1 1 data b 0=2 1=inf 2=2.0"],
    "slice": [_INPUT, _CONV.format(2), "Slice s 1 2 a b d 0=abc 1=0"],
    "step 0": [_INPUT, _CONV.format(0), "Interp u 1 1 a b 0=2 3=20 4=20"],
    "one pixel": [_INPUT, "Interp u 1 1 data b 0=2 3=1 4=1"],
    "no input": [_INPUT, "Reshape r 0 1 b 0=10 1=3"],
}
ONNX = {
    "cycle": [
        helper.make_node("Identity", ["x40"], ["a"]), helper.make_node("Identity", ["a"], ["x40"]),
    ],
    "no inputs": [helper.make_node("Reshape", [], ["x40"])],
    "doubles": [
        helper.make_node("Concat", [name] * 2, [f"x{i + 1}"], axis=1)
        for i, name in enumerate(["data", *(f"x{i}" for i in range(1, 40))])
    ],
    "twice": [helper.make_node("Identity", ["data"], ["x40"]) for _ in range(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", PARAMS)
def test_ncnn_graphs(name, tmp_path):
    lines, path = PARAMS[name], tmp_path / "m.param"
    path.write_text(f"7767517\n{len(lines)} 9\n" + "\n".join(lines) + "\n")
    path.with_suffix(".bin").write_bytes(bytes(1000))
    with pytest.raises(NanodetError, match=r"m\.param: "):
        open_source(path)


@pytest.mark.parametrize("name", ONNX)
def test_onnx_graphs(name, tmp_path):
    path, kind = tmp_path / "m.onnx", TensorProto.FLOAT
    given = helper.make_tensor_value_info("data", kind, [1, 3, 96, 160])
    made = helper.make_tensor_value_info("x40", kind, None)
    model = helper.make_model(
        helper.make_graph(ONNX[name], "g", [given], [made]),
        opset_imports=[helper.make_opsetid("", 13)],
    )
    model.ir_version = 8
    onnx.save(model, path)
    with pytest.raises(NanodetError, match=r"m\.onnx: "):
        open_source(path)


def test_what_doubles_at_every_node_is_walked_once():
    nodes = [helper.make_node("Concat", [f"x{i}"] * 2, [f"x{i + 1}"], axis=1) for i in range(40)]
    nodes.append(helper.make_node("Sigmoid", ["data"], ["x0"]))
    assert _sigmoids("x40", {node.output[0]: node for node in nodes}) == ["x0"]
