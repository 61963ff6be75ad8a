"""nanodet-detect finds what `nanodet detect` finds, and says in one line what is wrong."""

import json
import resource
import shutil
import signal
import struct
import subprocess
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_pictures import frame_times, lasts, serving, write_uneven_video, write_video

from nanodet.compare.tensors import generated_picture
from nanodet.runtime.detector import Detector
from nanodet.runtime.pictures import read_picture

IOU, SCORE = 0.99, 0.003
SIMPLIFIED = "onnx simplified"  # of `nanodet.export.export`


def run(program, *words, status=0, **how):
    """Run a program; return (stdout, stderr)."""
    command = [str(program), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **how)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


def fails(program, *words, **how):
    """Run a program that fails; return its one line."""
    _, said = run(program, *words, status=1, **how)
    (line,) = said.splitlines()
    assert line.startswith("nanodet-detect: error: ")
    return line.removeprefix("nanodet-detect: error: ")


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


def compare(program, model, folder, tmp_path):
    """Return (detections of Python, how many of them C++ has not) over a folder of pictures."""
    run(program, model, folder, "--jsonl", tmp_path / "found.jsonl", "--threads", 1)
    engine = "openvino" if Path(model).suffix == ".onnx" else None
    detector = Detector(model, threads=1, engine=engine)
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


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--score", 0.05], {"score": 0.05}),
        (["--score", 0.05, "--class-agnostic-nms"], {"score": 0.05, "class_agnostic_nms": True}),
        (["--fit=own", "--size", "416x320", "--score=0.2"],
         {"fit": "own", "size": (416, 320), "score": 0.2}),
        (["--fit", "stretch", "--size", "512x288"], {"fit": "stretch", "size": (512, 288)}),
        (["--fit", "stretch", "--size", "500x300"], {"fit": "stretch", "size": (500, 300)}),
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
    expected = detector(picture).to_json(file, picture.shape[1], picture.shape[0])
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
        assert one["confidence"] == round(one["confidence"], 5)
        assert one["xyxy"] == [round(v, 2) for v in one["xyxy"]]
    if len(pairs) > 5:
        assert any(one["confidence"] != round(one["confidence"], 4) for one, _ in pairs)
        assert any(v != round(v, 1) for one, _ in pairs for v in one["xyxy"])


@pytest.fixture
def small(exported_small, tmp_path):
    """The small ONNX model, copied so that it may be damaged."""
    return shutil.copy(exported_small.files[SIMPLIFIED], tmp_path / "small.onnx")


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in" / "a b.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    return path


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


def test_a_video(cpp_programs, small, tmp_path):
    video = write_video(tmp_path / "v.mp4", frames=12, fps=10)
    run(cpp_programs.detect, small, video, "--out", tmp_path / "out")
    lines = (tmp_path / "out" / "detections.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    assert [line["frame"] for line in lines] == list(range(12))
    assert [line["time_s"] for line in lines] == pytest.approx(
        [i / 10 for i in range(12)], abs=0.02
    )
    capture = cv2.VideoCapture(str(tmp_path / "out" / "v.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 12
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_an_uneven_video_keeps_the_time_of_each_frame(cpp_programs, small, tmp_path):
    times = [0, 32, 74, 116, 150, 1185, 1218, 1251, 1285, 2318, 2350]
    (tmp_path / "12:30").mkdir()
    write_uneven_video(tmp_path / "12:30" / "a:b.mkv", times, 2390)
    # FFmpeg must not take what precedes the colon for a protocol
    run(cpp_programs.detect, small, "a:b.mkv", "--out", ".:out", cwd=tmp_path / "12:30")
    out = tmp_path / "12:30" / ".:out"
    lines = (out / "detections.jsonl").read_text().splitlines()
    expected = pytest.approx([t / 1000 for t in times], abs=2e-3)
    assert [json.loads(line)["time_s"] for line in lines] == expected
    assert [time_s for time_s, _ in frame_times(out / "a:b.mp4")] == expected
    assert lasts(out / "a:b.mp4") == pytest.approx(2.39, abs=0.02)


def test_devices_are_cameras(cpp_programs, small, tmp_path):
    line = fails(cpp_programs.detect, small, "/dev/null", "--out", tmp_path / "out")
    assert line == "/dev/null: there is no such camera, or it is in use"


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
        "such pictures are read as 12 bits\n"
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


def test_json_lines_on_standard_output(cpp_programs, small, picture):
    said, _ = run(cpp_programs.detect, small, picture.parent, "--jsonl", "-")
    assert json.loads(said)["source"] == str(picture)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs a MODEL and a SOURCE"),
        (["--what", "1"], "--what: there is no such option"),
        (["M", "P", "--score", "2"], "--score: must be a number, 0 to 1, not '2'"),
        (["M", "P", "--score", "x"], "--score: must be a number"),
        (["M", "P", "--threads", "0"], "--threads: must be a whole number"),
        (["M", "P", "--threads"], "--threads: needs a value"),
        (["M", "P", "--size", "300x320", "--jsonl", "-"], "300x320: width and height must be mult"),
        (["M", "P", "--size", "300"], "--size: must be WxH"),
        (["M", "P", "--fit", "crop"], "--fit: must be own, letterbox or stretch"),
        (["M", "missing.jpg", "--jsonl", "-"], "missing.jpg: there is no such file"),
        (["missing.onnx", "P", "--jsonl", "-"], "missing.onnx: there is no such model file"),
        (["P", "P", "--jsonl", "-"], "unknown kind of model"),
        (["M", "P", "--jsonl", "/nowhere/x"], "/nowhere/x: cannot be written"),
        (["M", "P", "--precision", "fp16", "--jsonl", "-"], "only an ncnn model"),
        (["M", "P", "--vulkan", "--jsonl", "-"], "this build has no Vulkan"),
    ],
)
def test_bad_arguments(cpp_programs, small, picture, words, message):
    words = [{"M": small, "P": picture}.get(word, word) for word in words]
    assert message in fails(cpp_programs.detect, *words)


def test_a_model_that_takes_several_pictures_at_once(cpp_programs, small_batch, picture):
    line = fails(cpp_programs.detect, small_batch, picture, "--jsonl", "-")
    assert line == (
        f"{small_batch} (its own spec): input.batch: the model takes 3 pictures at once, this "
        "library one: export without --batch"
    )


def test_a_window_without_a_display(cpp_programs, small, picture, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "no display" in fails(cpp_programs.detect, small, picture)


class TestNothingIsLost:
    """What is there already stays, what cannot be written whole is not written."""

    @staticmethod
    def limit_files():
        """A stand-in for a full disk: no file may have more than 2000 bytes."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".ppm", ".webp"])
    def test_a_full_disk_and_pictures(self, cpp_programs, small, tmp_path, suffix):
        source, out = tmp_path / f"p{suffix}", tmp_path / "out"
        cv2.imwrite(str(source), np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8))
        line = fails(cpp_programs.detect, small, source, "--out", out, preexec_fn=self.limit_files)
        assert line == f"{out}/p{suffix}: cannot be written (File too large)"
        assert list(out.glob("*.*")) in ([], [out / "detections.jsonl"])

    def test_a_full_disk_and_a_video(self, cpp_programs, small, tmp_path):
        video, out = write_video(tmp_path / "v.avi", frames=50), tmp_path / "out"
        line = fails(cpp_programs.detect, small, video, "--out", out, preexec_fn=self.limit_files)
        assert line.startswith(f"{out}/")
        assert [f.name for f in out.iterdir()] == []

    def test_sources_and_models_are_not_replaced(self, cpp_programs, small, picture, tmp_path):
        (tmp_path / "small.json").write_text("{}")
        for file in (picture, small, tmp_path / "small.json"):
            before = Path(file).read_bytes()
            assert "would replace" in fails(cpp_programs.detect, small, picture, "--jsonl", file)
            assert Path(file).read_bytes() == before

    def test_a_folder_of_links_to_sources(self, cpp_programs, small, picture, tmp_path):
        links = tmp_path / "links"
        links.mkdir()
        (links / "a b.png").symlink_to(picture)
        for out in (links, picture.parent, picture.parent / ".." / "in"):
            line = fails(cpp_programs.detect, small, links, "--out", out)
            assert "holds the source pictures" in line

    def test_json_lines_into_a_pipe_and_behind_a_link(self, cpp_programs, small, picture, tmp_path):
        link, target = tmp_path / "link.jsonl", tmp_path / "target.jsonl"
        target.write_text("old")
        link.symlink_to(target)
        run(cpp_programs.detect, small, picture, "--jsonl", link)
        assert link.is_symlink()
        assert json.loads(target.read_text())["source"] == str(picture)
        said, _ = run(cpp_programs.detect, small, picture, "--jsonl", "/dev/stdout")
        assert said.count('"source"') == 1
        assert Path("/dev/null").is_char_device()
        run(cpp_programs.detect, small, picture, "--jsonl", "/dev/null")
        assert Path("/dev/null").is_char_device()
        line = fails(cpp_programs.detect, small, picture, "--jsonl", "/dev/full")
        assert "No space left on device" in line

    def test_a_reader_that_goes(self, cpp_programs, small, tmp_path):
        video, out = write_video(tmp_path / "v.avi", frames=50), tmp_path / "out"
        command = f"'{cpp_programs.detect}' {small} {video} --out {out} --jsonl - | head -n 1"
        done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert sorted(f.name for f in out.iterdir()) == ["detections.jsonl", "v.mp4"]

    def test_ctrl_c(self, cpp_programs, small, tmp_path):
        video, out = write_video(tmp_path / "v.avi", frames=5000), tmp_path / "out"
        command = [cpp_programs.detect, small, video, "--out", out, "--jsonl", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert said.decode() == "nanodet-detect: stopped\n"
        assert sorted(f.name for f in out.iterdir()) == ["detections.jsonl", "v.mp4"]
        lines = (out / "detections.jsonl").read_text().splitlines()
        capture = cv2.VideoCapture(str(out / "v.mp4"))
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(lines) < 5000


def test_pictures_are_known_by_content(cpp_programs, small, picture, tmp_path):
    (tmp_path / "no suffix").write_bytes(picture.read_bytes())
    run(cpp_programs.detect, small, tmp_path / "no suffix", "--out", tmp_path / "out")
    line = json.loads((tmp_path / "out" / "detections.jsonl").read_text())
    assert (line["frame"], line["time_s"]) == (None, None)
    assert (tmp_path / "out" / "no suffix.png").is_file()


def test_a_video_on_a_server_loses_no_frame(cpp_programs, small, tmp_path):
    with serving(file=write_video(tmp_path / "v.avi", frames=40)) as address:
        run(cpp_programs.detect, small, f"{address}/video.avi", "--out", tmp_path / "out")
    assert len((tmp_path / "out" / "detections.jsonl").read_text().splitlines()) == 40
    assert (tmp_path / "out" / "video.mp4").is_file()


def test_a_live_stream_keeps_its_clock(cpp_programs, small, tmp_path):
    with serving(frames=60) as address:
        # it ends after 60 frames, which is told
        line = fails(cpp_programs.detect, small, f"{address}/stream", "--out", tmp_path / "out")
    assert "no more frames after" in line
    times = [
        json.loads(line)["time_s"]
        for line in (tmp_path / "out" / "detections.jsonl").read_text().splitlines()
    ]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "stream.mp4"))
    lasts = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    assert lasts == pytest.approx(times[-1] - times[0], abs=0.1)


class TestUnderSanitizers:
    """What users hand in ends in a message, and in no sanitizer's report (which would not be one line)."""

    @pytest.fixture
    def detect(self, sanitized):
        return sanitized / "programs" / "detect" / "nanodet-detect"

    @pytest.mark.parametrize("size", [(1, 1), (8000, 1), (1, 8000)])
    def test_tiny_and_thin_pictures(self, detect, small, tmp_path, size):
        cv2.imwrite(str(tmp_path / "p.png"), np.full((*size, 3), 200, np.uint8))
        run(detect, small, tmp_path / "p.png", "--jsonl", "-", "--score", 0.05)

    @pytest.mark.parametrize("suffix", [".jpg", ".png"])
    def test_truncated_pictures(self, detect, small, tmp_path, suffix):
        picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
        data = cv2.imencode(suffix, picture)[1].tobytes()
        folder = tmp_path / "in"
        folder.mkdir()
        lengths = (0, 1, 30, len(data) // 2, len(data) - 5, len(data))
        for n, length in enumerate(lengths):
            (folder / f"{n}{suffix}").write_bytes(data[:length])
        said, warned = run(detect, small, folder, "--jsonl", "-", status=1)
        (line,) = said.splitlines()
        assert json.loads(line)["source"] == f"{folder}/5{suffix}", "the sound picture is done"
        *warnings, last = warned.splitlines()
        assert last.endswith("5 of 6 pictures could not be read")
        for n, warning in enumerate(warnings):
            assert warning.startswith(f"nanodet-detect: warning: {folder}/{n}{suffix}: ")
        assert fails(detect, small, folder / f"3{suffix}", "--jsonl", "-").endswith("truncated")

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("class_names", ["a"], "its output is"),
            ("output.reg_max", 15, "its output is"),
            ("output.strides", [8, 16], "its output is"),
            ("output.name", "other", "its spec says input data and output other"),
            ("input.name", "other", "its spec says input other"),
            ("input.width", 96, None),
            ("input.width", 100, "multiples of 32"),
            ("input.fit", "crop", "input.fit: must be one of"),
        ],
    )
    def test_models_that_do_not_fit_their_spec(self, detect, small, picture, key, value, message):
        import onnx

        model = onnx.load(small)
        (entry,) = (p for p in model.metadata_props if p.key == "nanodet")
        spec = json.loads(entry.value)
        *parents, last = key.split(".")
        inner = spec
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
        entry.value = json.dumps(spec)
        onnx.save(model, small)
        if message is None:  # the graph takes other sizes too
            run(detect, small, picture, "--jsonl", "-")
        else:
            line = fails(detect, small, picture, "--jsonl", "-")
            assert line.startswith(str(small))
            assert message in line

    def test_files_that_are_no_models(self, detect, picture, tmp_path):
        for data in (b"", b"\x08", bytes(1000)):
            (tmp_path / "no.onnx").write_bytes(data)
            assert "no.onnx: " in fails(detect, tmp_path / "no.onnx", picture, "--jsonl", "-")
