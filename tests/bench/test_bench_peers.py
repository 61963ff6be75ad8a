"""`tools/bench_peers.py`: plans it refuses, what it makes of times and AP, and one run of it all."""

import importlib.util
import json
import sys
from types import SimpleNamespace

import cv2
import pytest
import yaml
from foreign_files import CLASSES, SIZE, write_onnx, write_onnx_maps

from nanodet.compare.tensors import generated_picture
from nanodet.errors import NanodetError
from nanodet.files.files import write_text

GRAPH = "7767517\n2 2\nInput in 0 1 data\nConvolution conv 1 1 data a 0=8 1=3 3=2 4=1 5=1 6=216\n"
SMALL = {"model": "small.param", "sizes": {"160x96": None}}


@pytest.fixture(scope="module")
def tool(root):
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("bench_peers", root / "tools" / "bench_peers.py")
    sys.modules["bench_peers"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["bench_peers"]


def plan(folder, peers):
    path = folder / "plan.yml"
    path.write_text(yaml.safe_dump(peers, sort_keys=False))
    return path


def test_the_plan_of_the_repository(tool, root, shared, tmp_path):
    """Its models are looked for where they are made, its graphs where they were got."""
    for name in ("m_320.param", "m_320-int8.param", "m_320.onnx"):
        for network in ("nanodet-", "nanodet-plus-"):
            (tmp_path / f"{network}{name}").touch()
    rows = tool.read_plan(root / "config" / "bench" / "peers.yml", [tmp_path, shared / "peers"])
    peers = {row.name: [one.input for one in rows if one.name == row.name] for row in rows}
    assert set(peers) > {"NanoDet-m, int8", "NanoDet-Plus-m", "PicoDet-S LCNet", "FastestDet"}
    assert peers["PicoDet-S ESNet, ONNX"] == ["320x320", "416x416"]
    files = {row.file.name for row in rows if row.name == "PicoDet-S ESNet, ONNX"}
    assert files == {"picodet_s_320.onnx", "picodet_s_416.onnx"}
    unused = {path.name for path in (shared / "peers").iterdir()} - {row.file.name for row in rows}
    assert not unused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modle": "a"}, r"a\.modle: .*did you mean model"),
        ({"graph": "small.param"}, "a: needs either model or graph"),
        ({"model": None}, "a: needs either model or graph"),
        ({"sizes": {}}, "a.sizes: is empty"),
        ({"sizes": {"320": 1.0}}, "a.sizes: '320' is not a size"),
        ({"sizes": {"160x96": 20.6}}, "a.source: is missing"),
        ({"adopt": {"fit": "own"}}, r"a\.adopt\.fit: "),
        ({"model": None, "graph": "small.param", "adopt": {}}, "a.adopt: is for a model"),
        ({"model": "{width}.param"}, r"not in --files .*: a: 160\.param$"),
    ],
)
def test_plans_that_are_refused(tool, tmp_path, change, words):
    (tmp_path / "small.param").touch()
    path = plan(tmp_path, {"a": SMALL | change})
    with pytest.raises(NanodetError, match=words) as caught:
        tool.read_plan(path, [tmp_path])
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_many_missing_files_are_a_short_line(tool, root, tmp_path):
    plan = root / "config" / "bench" / "peers.yml"
    with pytest.raises(
        NanodetError, match=r": .*; NanoDet-m: nanodet-m_320\.param; .*; and \d+ more$"
    ):
        tool.read_plan(plan, [tmp_path])


def made_up_rows(tool):
    peer = tool.Peer({}, graph="x", source="its README", note="Timed without its last layer")
    sizes = ((320, 320), (416, 416))
    rows = [tool.Row("first | $one$", peer, size, 20.0 + n, "x") for n, size in enumerate(sizes)]
    ours = tool.Peer({}, model="y")
    rows.append(tool.Row("ours", ours, (320, 256), None, "y", {"AP": 18.5, "images": 500}))
    for n, row in enumerate(rows, 5):
        row.engine, row.ratio, row.milliseconds = "ncnn 1", n / 5, float(n)
    return rows


def test_the_page(tool, tmp_path):
    report = {
        "machine": {"soc": None, "architecture": "x86_64"}, "effort": {"name": "quick"},
        "throttling": {"reasons": ["hot"]}, "results": [{"waited": 0.3}, {"waited": None}],
        "command": "the command",
    }  # fmt: skip
    args = SimpleNamespace(threads=2)
    (tmp_path / "peers.png").touch()
    lines = tool.page_of(made_up_rows(tool), report, tmp_path / "peers.png", args).splitlines()
    assert r"| first \| $one$ | 320x320 | ncnn | 5.00 | 1.00 | 20.0 | - |" in lines
    assert "| ours | 320x256 | ncnn | 7.00 | 1.40 | - | 18.50 |" in lines
    text = "\n".join(lines)
    for words in (
        "AP, measured on 500 images", "2 threads", "not for publication",
        "**Busy**: other processes had the CPU for up to 30 %",
        "**Throttled?** 1 signs, all in peers.json; the first: hot",
        "- **first | $one$**: its README. Timed without its last layer", "the command",
    ):  # fmt: skip
        assert words in text


def test_the_plot(tool, tmp_path):
    pytest.importorskip("matplotlib")
    tool.draw(made_up_rows(tool), "some machine", tmp_path / "peers.png")
    assert cv2.imread(str(tmp_path / "peers.png")).std() > 5


def test_images_without_annotations(tool, tmp_path, capsys):
    words = [plan(tmp_path, {"a": SMALL}), "--files", tmp_path, "--out", tmp_path / "out"]
    assert tool.main([*map(str, words), "--images", str(tmp_path)]) == 1
    assert "AP is measured with both, or not at all" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_all_of_it(tool, exported_small, small_checkpoint, tmp_path, capsys):
    """An export of ours, a file made elsewhere and a graph: timed in turns, AP of the first two."""
    from nanodet.model.torch_backend import TorchBackend

    network = TorchBackend(small_checkpoint).network
    write_onnx(write_onnx_maps(network, tmp_path / "maps.onnx"), tmp_path, "six")
    (tmp_path / "bare.param").write_text(GRAPH)
    (tmp_path / "images").mkdir()
    picture = generated_picture(0)
    cv2.imwrite(str(tmp_path / "images" / "a.png"), picture)
    names = exported_small.spec.class_names
    truth = {
        "images": [{"id": 1, "file_name": "a.png", "width": picture.shape[1], "height": picture.shape[0]}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 0, "bbox": [8, 8, 40, 40],
                         "area": 1600, "iscrowd": 0}],
    }  # fmt: skip
    write_text(tmp_path / "truth.json", json.dumps(truth))
    param = exported_small.files["ncnn fp32"]
    width, height = SIZE
    peers = {
        "bare": {"graph": "bare.param", "sizes": {"64x64": 3.5}, "source": "nobody"},
        "ours": {"model": param.name, "sizes": {f"{width}x{height}": None, "96x64": None}},
        "theirs": {
            "model": "six.onnx", "adopt": {"classes": list(names)}, "sizes": {f"{width}x{height}": None},
        },
    }  # fmt: skip
    out = tmp_path / "out"
    words = [
        plan(tmp_path, peers), "--files", tmp_path, param.parent, "--out", out, "--runs", 1,
        "--seconds", 0.1, "--images", tmp_path / "images", "--annotations", tmp_path / "truth.json",
    ]  # fmt: skip
    assert len(names) == CLASSES
    assert tool.main(list(map(str, words))) == 0
    written = json.loads((out / "peers.json").read_text())
    assert [row["name"] for row in written["rows"]] == ["bare", "ours", "ours", "theirs"]
    bare, ours, small, theirs = written["rows"]
    assert bare["ratio"] == 1 and bare["measured"] is None and bare["published"] == 3.5
    assert ours["measured"] == theirs["measured"] and small["measured"]["images"] == 1
    assert ours["engine"].startswith("ncnn") and theirs["engine"].lower().startswith("onnx")
    results = written["bench"]["results"]
    assert [result["name"] for result in results] == ["small", "small", "six", "bare"]
    assert theirs["ratio"] == pytest.approx(
        results[2]["network_ratio"]["median"] / results[3]["network_ratio"]["median"]
    )
    assert bare["milliseconds"] == results[3]["times_us"]["network"]["median"] / 1000
    assert {path.name for path in out.iterdir()} == {*tool.NAMES, "adopted"}
    assert (out / "peers.md").read_text() in capsys.readouterr().out
