"""`nanodet bench --best`: what it tries, what it measures again, and the lines to copy."""

import argparse
import shlex
import shutil
from pathlib import Path

import pytest

from nanodet.bench import best as best_settings
from nanodet.bench.bench import bench
from nanodet.bench.best import advice, finalists, settings, with_siblings
from nanodet.bench.line_process import LinkLost
from nanodet.bench.plan import Effort, Entry, effort_of
from nanodet.bench.turns import Measured
from nanodet.cli.detect import add_arguments
from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.export.stages import FP32, SIMPLIFIED

PARAM = Entry("a.param", False, None, 1, "fp32", "a.param")
ONNX = Entry("a.onnx", False, (64, 32), 1, "fp32", "a.onnx")


def tried(*arguments, **options):
    return [
        (e.name, e.engine, e.threads, e.precision, e.cores) for e in settings(*arguments, **options)
    ]


def test_what_is_tried(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name != "openvino" or None)
    assert tried([PARAM, ONNX], [(0, 1, 2)], (), here=True) == [
        *(("a.param", None, count, precision, (0, 1, 2))
          for precision in ("fp32", "bf16") for count in (1, 2, 3)),
        *(("a.onnx onnxruntime", "onnxruntime", count, "fp32", (0, 1, 2)) for count in (1, 2, 3)),
    ]  # fmt: skip
    # a device with two kinds of cores, and 16-bit arithmetic
    sets = [(2, 3), (0, 1, 2, 3)]
    found = tried([PARAM], sets, ("fp", "asimdhp"), here=False, precisions=("fp16",))
    assert found == [
        ("a.param on 2 cores", None, 1, "fp16", (2, 3)), ("a.param on 2 cores", None, 2, "fp16", (2, 3)),
        *(("a.param on 4 cores", None, count, "fp16", (0, 1, 2, 3)) for count in (1, 2, 4)),
    ]  # fmt: skip
    assert tried([ONNX], [()], (), here=False, threads=(3,)) == [("a.onnx", None, 3, "fp32", ())]


def test_the_other_files_of_an_export(tmp_path):
    for name in ("a.param", "a.onnx", "a.ckpt", "b.onnx"):
        (tmp_path / name).write_text("")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert with_siblings([f"{a}.onnx", f"{b}.onnx"]) == [f"{a}.onnx", f"{a}.param", f"{b}.onnx"]
    assert with_siblings([f"{a}.param@64x32"]) == [f"{a}.param@64x32", f"{a}.onnx@64x32"]


def test_the_fastest_are_measured_again(monkeypatch, capsys):
    entries = settings([PARAM], [tuple(range(16))], (), here=True)  # 1 to 16 threads, fp32 and bf16
    asked = []

    def measure(entries, effort, session, cores):
        (entry,) = entries
        asked.append(entry)
        if entry.precision == "bf16":
            raise NanodetError("a.param: no bf16 here")
        microseconds = 100 + 20 * abs(entry.threads - 4)
        return [Measured(entry, {"stages": ["network"]}, [[[1000 * microseconds]]])]

    monkeypatch.setattr(best_settings, "measure", measure)
    found = finalists(entries, None)
    assert [(e.threads, e.precision) for e in found] == [(n, "fp32") for n in (4, 2)]
    assert [e.precision for e in asked].count("bf16") == 1  # what cannot be run is tried once
    assert capsys.readouterr().err == "left out: a.param: no bf16 here\n"
    with pytest.raises(NanodetError, match=r"^a.param: no bf16 here$"):
        finalists([e for e in entries if e.precision == "bf16"], None)
    assert not capsys.readouterr().err  # the error says it

    def lost(*arguments):
        raise LinkLost("board", "cut")

    monkeypatch.setattr(best_settings, "measure", lost)
    with pytest.raises(LinkLost):
        finalists(entries, None)


def test_the_lines_to_copy():
    (entry,) = settings([PARAM], [(2, 3)], (), True, threads=(2,), precisions=("bf16",))
    assert advice(entry, everywhere=False, here=True) == {
        "command": "taskset -c 2,3 nanodet detect a.param SOURCE --precision bf16 --threads 2",
        "python": "os.sched_setaffinity(0, {2, 3}); Detector('a.param', precision='bf16', threads=2)",
    }
    assert advice(ONNX, everywhere=True, here=False)["command"] == (
        "nanodet-detect a.onnx SOURCE --threads 1 --size 64x32"
    )


def test_one_command(exported_small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(best_settings, "TRIAL", Effort(1, 0.02, "quick"))
    model = Path(exported_small.files[FP32])
    (tmp_path / "it's").mkdir()
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(model.with_suffix(suffix), tmp_path / "it's")
    param = str(tmp_path / "it's" / model.name)
    report = bench([param], best=True, threads=(1,), effort=effort_of(runs=3, seconds=0.1))
    times = [r["times_us"]["end_to_end"]["median"] for r in report["results"]]
    assert times == sorted(times)
    first = report["results"][0]
    assert first["network_ratio"]["median"] == 1
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    words = shlex.split(report["best"]["command"])
    args = parser.parse_args(words[words.index("detect") + 1 :])
    assert (args.model, args.threads, args.precision) == (param, 1, first["precision"])
    made = {"os": None, "Detector": lambda path, **given: (path, given.get("precision", "fp32"))}
    assert eval(report["best"]["python"].rpartition("; ")[2], made) == (param, first["precision"])
    out = capsys.readouterr().out
    assert f"command     {report['best']['command']}\n" in out and "fastest     small, " in out


@pytest.mark.slow
def test_all_engines_of_an_export(exported_small, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    monkeypatch.setattr(best_settings, "TRIAL", Effort(1, 0.02, "quick"))
    monkeypatch.setattr(best_settings, "FAR", 1000)
    report = bench(
        [str(exported_small.files[SIMPLIFIED])], best=True, threads=(1,), precisions=("fp32",),
        effort=effort_of(runs=3, seconds=0.1),
    )  # fmt: skip
    engines = {r["engine"].split()[0] for r in report["results"]}
    assert engines == {"ncnn", "onnxruntime", "openvino"}


@pytest.mark.parametrize("best", [False, True])
def test_a_missing_spec_is_one_line(exported_small, tmp_path, capsys, best):
    model = Path(exported_small.files[FP32])
    for suffix in (".param", ".bin"):
        shutil.copy(model.with_suffix(suffix), tmp_path)
    param = tmp_path / model.name
    options = ["--best", "--threads", "1", "--precision", "fp32"] if best else []
    assert main(["bench", str(param), *options]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"nanodet: error: {param}: its spec {param.with_suffix('.json')} does not exist"
    )
    assert f"nanodet adopt {param} " in line


def test_what_does_not_fit(exported_small, tmp_path, capsys):
    assert main(["bench", "--graph", "g.param", "--size", "64x32", "--best"]) == 1
    assert capsys.readouterr().err == "nanodet: error: --best: is for models, not for a --graph\n"
    words = ["detect", str(exported_small.files[SIMPLIFIED]), "0.png", "--precision", "bf16"]
    (tmp_path / "0.png").write_bytes(b"")
    words[2] = str(tmp_path)
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    assert "precision bf16: " in capsys.readouterr().err
