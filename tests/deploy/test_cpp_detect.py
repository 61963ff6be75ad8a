"""nanodet-detect finds what `nanodet detect` finds."""

import dataclasses
import json
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import maps_model
import numpy as np
import pytest
from cpp_detect import fails, run

from nanodet.compare.tensors import generated_picture
from nanodet.images.image_file import read_picture
from nanodet.runtime.detector import Detector
from nanodet.runtime.quality import QualityPredictor

IOU, SCORE = 0.99, 0.003


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def count_differing(expected, found):
    """Return how many detections of either side have no partner on the other."""
    left = list(found)
    for one in expected:
        same = [
            other for other in left
            if other["class_id"] == one["class_id"] and iou(one["xyxy"], other["xyxy"]) > IOU
            and abs(one["confidence"] - other["confidence"]) <= SCORE
        ]  # fmt: skip
        if same:
            left.remove(same[0])
    return max(len(left), len(expected) - (len(found) - len(left)))


def compare(program, model, folder, tmp_path, *words, **options):
    """Return (detections of Python, how many of them C++ has not) over a folder of images.

    ``words`` are the options of the program, ``options`` those of Python.
    """
    run(program, model, folder, "--jsonl", tmp_path / "found.jsonl", "--threads", 1, *words)
    engine = "openvino" if Path(model).suffix == ".onnx" else None
    detector = Detector(model, threads=1, engine=engine, **options)
    count = differing = 0
    for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines():
        found = json.loads(line)
        picture = cv2.imread(found["source"])
        height, width = picture.shape[:2]
        expected = json.loads(detector(picture).to_json(found["source"], width, height))
        assert {**expected, "detections": 0} == {**found, "detections": 0}
        count += len(expected["detections"])
        differing += count_differing(expected["detections"], found["detections"])
    return count, differing


@pytest.mark.parametrize("form", ["png", "jpg"])
@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_fifty_real_pictures(
    request, cpp_programs, real_models, coco_mini, tmp_path, engine, form
):  # fmt: skip
    """PNG holds raw pixels; JPEG decoders may differ by a grey level."""
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in sorted((coco_mini / "images").iterdir())[:50]:
        if form == "jpg":
            shutil.copy(file, folder)
        else:
            cv2.imwrite(str(folder / f"{file.stem}.png"), cv2.imread(str(file)))
    count, differing = compare(cpp_programs.detect, real_models[engine], folder, tmp_path)
    assert count > 200
    assert differing <= (0 if form == "png" else count // 100)


@pytest.mark.parametrize("engine", ["openvino", "ncnn"])
def test_a_score_for_each_class(request, cpp_programs, tmp_path, engine):
    """The model's own decide, and a score that is given replaces all of them."""
    if engine == "ncnn":
        request.getfixturevalue("ncnn_option")
    (tmp_path / "in").mkdir()
    for i in range(3):
        cells = np.random.default_rng(i).integers(0, 256, (8, 12, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "in" / f"{i}.png"), cv2.resize(cells, (288, 192)))
    spec = dataclasses.replace(maps_model.SPEC, class_scores=(0.2, 0.9, 0.5), per_picture=10_000)
    if engine == "ncnn":
        model = maps_model.write_ncnn(tmp_path / "m.param", spec)
    else:
        model = maps_model.write_onnx(tmp_path / "m.onnx", spec)
    place = cpp_programs.detect, model, tmp_path / "in", tmp_path
    own, differing = compare(*place)
    assert own > 20 and differing == 0
    for score in (0.2, 0.9):
        count, differing = compare(*place, "--score", score, score=score)
        assert (count > own) == (score < 0.5) and count > 0 and differing == 0


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--score", 0.05], {"score": 0.05}),
        (["--score", 0.05, "--class-agnostic-nms"], {"score": 0.05, "class_agnostic_nms": True}),
        (["--fit=own", "--size", "416x320", "--score=0.2"],
         {"fit": "own", "size": (416, 320), "score": 0.2}),
        (["--fit", "stretch", "--size", "512x288"], {"fit": "stretch", "size": (512, 288)}),
        (["--fit", "stretch", "--size", "500x300", "--uncertainty"],
         {"fit": "stretch", "size": (500, 300)}),
        (["--size", "96x224", "--score", 0.1], {"size": (96, 224), "score": 0.1}),
    ],
)  # fmt: skip
def test_options_and_number_formats_are_those_of_python(
    cpp_programs, real_model, coco_mini, tmp_path, words, options
):
    file = tmp_path / "p.png"
    cv2.imwrite(str(file), cv2.imread(str(sorted((coco_mini / "images").iterdir())[0])))
    said, _ = run(cpp_programs.detect, real_model, file, "--jsonl", "-", *words)
    picture = cv2.imread(str(file))
    detector = Detector(real_model, engine="openvino", **options)
    expected = detector(picture).to_json(
        file, picture.shape[1], picture.shape[0], uncertainty="--uncertainty" in words
    )
    found, expected = json.loads(said), json.loads(expected)
    assert list(found) == list(expected)
    pairs = list(zip(found["detections"], expected["detections"], strict=True))
    assert pairs
    for one, other in pairs:
        assert list(one) == list(other)
        assert one["class_name"] == other["class_name"]
        # a grey level of a pixel may have been rounded to the other side
        assert one["confidence"] == pytest.approx(other["confidence"], abs=5e-4)
        assert one["xyxy"] == pytest.approx(other["xyxy"], abs=0.3)
        assert one.get("edge_std") == pytest.approx(other.get("edge_std"), abs=0.1)
        assert one["confidence"] == round(one["confidence"], 5)
        assert one["xyxy"] == [round(v, 2) for v in one["xyxy"]]
    if len(pairs) > 5:
        assert any(one["confidence"] != round(one["confidence"], 4) for one, _ in pairs)
        assert any(v != round(v, 1) for one, _ in pairs for v in one["xyxy"])


def test_a_folder_of_results(cpp_programs, small, picture, tmp_path):
    said, _ = run(cpp_programs.detect, small, picture, "--out", tmp_path / "out", "--score", 0.1)
    assert str(picture) in said
    assert sorted(f.name for f in (tmp_path / "out").iterdir()) == ["a b.png", "detections.jsonl"]
    line = json.loads((tmp_path / "out" / "detections.jsonl").read_text())
    assert (line["width"], line["height"], line["frame"], line["time_s"]) == (64, 48, None, None)
    assert line["detections"], "the small model finds something in noise"
    names = Detector(small).class_names
    assert all(d["class_name"] == names[d["class_id"]] for d in line["detections"])
    drawn = cv2.imread(str(tmp_path / "out" / "a b.png"))
    assert drawn.shape == (48, 64, 3)
    assert (drawn != cv2.imread(str(picture))).any()


def test_pictures_are_read_as_in_python(cpp_programs, small, tmp_path):
    """Turned by their files, and of 16 bits of which fewer are used."""
    folder, picture = tmp_path / "in", cv2.resize(generated_picture(3), (160, 96))
    folder.mkdir()
    block = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    webp = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()[12:]
    for name, exif in (("a.webp", block), ("b.webp", b"Exif\0\0" + block)):
        parts = b"WEBPVP8X" + struct.pack("<II", 10, 8) + b"\x9f\0\0\x5f\0\0" + webp
        parts += b"EXIF" + struct.pack("<I", len(exif)) + exif
        (folder / name).write_bytes(b"RIFF" + struct.pack("<I", len(parts)) + parts)
    png = cv2.imencode(".png", picture)[1].tobytes()
    chunk = b"eXIf" + block
    chunk = struct.pack(">I", len(block)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (folder / "c.png").write_bytes(png[:33] + chunk + png[33:])
    for name, values in (
        ("d.png", picture.astype(np.uint16) * 16), ("e.tif", picture.astype(np.uint16) * 4),
        ("f.png", picture.astype(np.uint16) * 257),
    ):  # fmt: skip
        cv2.imwrite(str(folder / name), values)
    grey = (picture[..., 0].astype(np.uint16) * 16).astype(">u2")
    (folder / "g.pgm").write_bytes(b"P5\n# 12 bits\n160 96\n4095\n" + grey.tobytes())
    said, warned = run(cpp_programs.detect, small, folder, "--jsonl", "-", "--score", 0.1)
    assert warned == (
        f"nanodet-detect: warning: {folder}/d.png: 16 bits, but no value above 4080: "
        "such images are read as 12 bits\n"
    )
    detector = Detector(small, threads=1, engine="openvino", score=0.1)
    found = [json.loads(line) for line in said.splitlines()]
    assert [Path(line["source"]).name[0] for line in found] == list("abcdefg")
    for line in found:
        shown = read_picture(line["source"])
        assert (line["height"], line["width"]) == shown.shape[:2]
        expected = json.loads(detector(shown).to_json("", 0, 0))["detections"]
        assert len(expected) > 3, line["source"]
        for one, other in zip(expected[:3], line["detections"], strict=False):
            assert one["class_id"] == other["class_id"], line["source"]
            assert one["confidence"] == pytest.approx(other["confidence"], abs=5e-3)
            assert one["xyxy"] == pytest.approx(other["xyxy"], abs=0.5)


def test_labels_are_no_question_marks(cpp_programs, small, picture, tmp_path):
    """OpenCV 4 has the letters of English alone: the number of the class tells boxes apart."""
    import onnx

    model, drawn = onnx.load(small), []
    (entry,) = (p for p in model.metadata_props if p.key == "nanodet")
    spec = json.loads(entry.value)
    for n, names in enumerate((["???", "? ?", "?"], ["翘头剪", "止 钳", "块"])):
        spec["class_names"] = names
        entry.value = json.dumps(spec)
        onnx.save(model, tmp_path / f"{n}.onnx")
        words = [tmp_path / f"{n}.onnx", picture, "--out", tmp_path / f"{n}", "--score", 0.1]
        said, warned = run(cpp_programs.detect, *words)
        assert warned == "" and any(name in said for name in names)
        drawn.append(cv2.imread(str(tmp_path / f"{n}" / picture.name)))
    assert (drawn[0] != drawn[1]).any()


def test_the_spread_of_edges_is_drawn(cpp_programs, small, picture, tmp_path):
    drawn = []
    for words in ([], ["--uncertainty"]):
        out = tmp_path / str(len(drawn))
        run(cpp_programs.detect, small, picture, "--out", out, "--score", 0.1, *words)
        drawn.append(cv2.imread(str(out / picture.name)))
    assert (drawn[0] != drawn[1]).any(axis=-1).sum() > 20
    line = json.loads((tmp_path / "1" / "detections.jsonl").read_text())
    assert all(min(found["edge_std"]) > 0 for found in line["detections"])


def change_spec(model, **output):
    """Change keys of the output in the spec inside an ONNX file, and make it of format 4."""
    import onnx

    graph = onnx.load(model)
    (entry,) = (p for p in graph.metadata_props if p.key == "nanodet")
    spec = json.loads(entry.value)
    spec["output"] |= {"form": "distributions", **output}
    values = 4 if spec["output"]["form"] == "distances" else 32
    names = [f"c{i}" for i in range(len(spec["class_names"]) + 32 - values)]
    entry.value = json.dumps(spec | {"format": 4, "class_names": names})
    onnx.save(graph, model)


def test_the_quality_predictor_of_a_model(cpp_programs, small, picture):
    plain = Detector(small, engine="openvino", score=0.1)(cv2.imread(str(picture)))
    random = np.random.default_rng(0)
    quality = QualityPredictor.of(
        4,
        random.normal(0, 1, 64 * 20),
        random.normal(0, 1, 64),
        random.normal(0, 1, 64),
        np.ones(1),
    )
    change_spec(small, quality=quality.to_dict(), edge_std_factors=[0.5, 2, 3])
    words = (small, picture, "--jsonl", "-", "--score", 0.1, "--uncertainty")
    found = json.loads(run(cpp_programs.detect, *words)[0])["detections"]
    expected = Detector(small, engine="openvino", score=0.1)(cv2.imread(str(picture)))
    assert len(expected) > 3 and expected.confidence.tolist() != plain.confidence.tolist()
    confidence = [one["confidence"] for one in found]
    assert confidence == pytest.approx(expected.confidence.tolist(), abs=1e-3)
    stds = np.array([one["edge_std"] for one in found])
    np.testing.assert_allclose(stds, expected.edge_std, atol=0.1)


def test_models_that_do_not_tell_the_spread_of_edges(cpp_programs, small, picture):
    change_spec(small, form="distances")
    run(cpp_programs.detect, small, picture, "--jsonl", "-")
    assert fails(cpp_programs.detect, small, picture, "--jsonl", "-", "--uncertainty") == (
        f"{small}: --uncertainty: its edges (distances) have no standard deviation"
    )


def test_json_lines_on_standard_output(cpp_programs, small, picture):
    said, _ = run(cpp_programs.detect, small, picture.parent, "--jsonl", "-")
    assert json.loads(said)["source"] == str(picture)


def test_pictures_are_known_by_content(cpp_programs, small, picture, tmp_path):
    (tmp_path / "no suffix").write_bytes(picture.read_bytes())
    run(cpp_programs.detect, small, tmp_path / "no suffix", "--out", tmp_path / "out")
    line = json.loads((tmp_path / "out" / "detections.jsonl").read_text())
    assert (line["frame"], line["time_s"]) == (None, None)
    assert (tmp_path / "out" / "no suffix.png").is_file()
