"""`nanodet bench --target adb` from end to end, with adb scripted: no Android device is here."""

import json
from pathlib import Path

from scripted_adb import ScriptedAdb

from nanodet.bench.bench import bench
from nanodet.bench.plan import effort_of
from nanodet.bench.target.there import There, open_device


def test_the_whole_way_over_a_scripted_adb(cpp_programs, exported_small, tmp_path, capsys):
    model, there = Path(exported_small.files["onnx simplified"]), tmp_path / "there"
    there.mkdir()
    adb, out = ScriptedAdb(), tmp_path / "out.json"
    report = bench(
        [str(model)], effort=effort_of(runs=3, seconds=0.1), json_path=out, command="as typed",
        place=There(open_device("adb", start=adb), cpp_programs.bench, str(there)),
    )  # fmt: skip
    assert json.loads(out.read_text()) == report
    (result,) = report["results"]
    assert (result["path"], result["runs"] >= 3) == (str(model), True)
    assert (report["command"], report["effort"]["name"]) == ("as typed", "quick")
    assert "network, ms " in capsys.readouterr().out
    assert not list(there.iterdir())
    assert [words[3] for words in adb.said if words[1] == "-s"].count("push") == 4
