"""Names of strangers reach no terminal raw from the C++ programs, and are shown as in Python."""

import json
import os
import subprocess

import cv2
from box_model import write_box_model
from hostile_text import LINES, NAME, assert_harmless
from moving_pictures import grey

from nanodet.bench.bench import bench as bench_in_python
from nanodet.bench.plan import effort_of
from nanodet.bench.target.there import There, open_device
from nanodet.text.printable import printable

NOT_TEXT = os.fsdecode(b"caf\xe9\xed\xa0\x80\xf5")


def said_by(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, timeout=60)
    return assert_harmless(done.stdout) + assert_harmless(done.stderr)


def test_every_text(cpp_programs, tmp_path, capfdbinary):
    folder = tmp_path / NAME
    (folder / "in").mkdir(parents=True)
    model = write_box_model(folder / f"{NAME}.onnx", (f"dark{LINES}", LINES))
    os.rename(model, folder / f"{NAME}{NOT_TEXT}.onnx")
    model = folder / f"{NAME}{NOT_TEXT}.onnx"
    picture = folder / "in" / f"{NAME}{NOT_TEXT}.png"
    picture.write_bytes(cv2.imencode(".png", grey(150))[1].tobytes())
    (folder / "in" / f"broken{NAME}.png").write_bytes(b"no picture")
    (folder / f"broken{NAME}.onnx").write_bytes(b"no model")
    detect, bench, out = cpp_programs.detect, cpp_programs.bench, folder / "out"

    said = said_by(detect, model, folder / "in", "--out", out)
    assert f"{printable(picture)}: 1 {printable(LINES)}  " in said
    assert f"nanodet-detect: warning: {printable(folder / 'in')}/broken" in said
    assert f"results in {printable(out)}" in said
    lines = said_by(detect, model, picture, "--jsonl", "-")
    assert json.loads(lines)["detections"][0]["class_name"] == LINES
    assert_harmless((out / "detections.jsonl").read_bytes())
    for words in ([model, folder / f"gone{NAME}"], [folder / f"broken{NAME}.onnx", picture],
                  [model, picture, f"--{NAME}"], [model, picture, "--size", LINES],
                  [model, picture, "--score", LINES]):  # fmt: skip
        said = said_by(detect, *words, "--out", out)
        assert said.startswith("nanodet-detect: error: ") and printable(NAME) in said

    report = folder / "report.json"
    said = said_by(bench, model, "--runs", "2", "--seconds", "0.01")
    assert printable(f"{NAME}{NOT_TEXT}") in said
    place = There(open_device("here"), bench, str(tmp_path))
    bench_in_python(
        [str(model)], effort=effort_of(runs=2, seconds=0.01), place=place, json_path=report
    )
    out, err = capfdbinary.readouterr()
    assert printable(f"{NAME}{NOT_TEXT}").encode() in out
    for text in (report.read_bytes(), out, err):
        assert_harmless(text)
    for words in ([folder / f"broken{NAME}.onnx"], [model, f"--{NAME}"], [model, "--image", LINES]):
        assert printable(NAME) in said_by(bench, *words)
