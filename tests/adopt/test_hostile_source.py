"""Files of strangers that are opened to be adopted: one line, soon."""

import hostile_models
import hostile_onnx
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


@pytest.mark.parametrize("step", [40, pytest.param(1, marks=pytest.mark.slow)])
def test_the_hostile_sets_open_or_are_one_line_without_their_specs(exported_small, tmp_path, step):
    """A spec that vouches for a file is not there; what is wrong must be found without it."""
    param, model = tmp_path / "m.param", tmp_path / "m.onnx"
    good = hostile_models.Model.load(exported_small.files["ncnn fp32"])
    sets = [*hostile_models.refused(good).items(), *hostile_models.others(good).items()]
    kinds = hostile_models.other_kinds(good)
    sets += [(f"kind {number}", one) for number, (one, _) in enumerate(kinds)]
    opened = 0
    for name, one in sets[::step]:
        one.write(param)
        param.with_suffix(".json").unlink()
        opened += 1
        _opens_or_is_one_line(name, param)
    for name, data in [*hostile_onnx.sets(exported_small.files["onnx simplified"]).items()][::step]:
        model.write_bytes(data)
        opened += 1
        _opens_or_is_one_line(name, model)
    assert opened > 500 / step


def _opens_or_is_one_line(name, path):
    try:
        open_source(path, strict=False)
    except NanodetError as error:
        assert "\n" not in str(error) and f"{path.with_suffix('')}." in str(error), name
