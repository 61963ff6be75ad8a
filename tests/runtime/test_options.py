"""Odd arguments from Python: one line for each, in processes that native code may end."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from specs import NANODET_M

from nanodet import Detector, NanodetError
from nanodet.drawing.draw import draw
from nanodet.drawing.lettering import readable_names
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.images.limits import MOST_BYTES, check_pixels
from nanodet.runtime.decode import MOST_CANDIDATES, decode
from nanodet.runtime.detections import Detections
from nanodet.runtime.spec import Spec

# the argument, as Python's text, and what no engine may see
ODD = {
    "threads": ["-1", "0", "1.5", "True", "10**9", "'2'", "float('nan')", "2**70"],
    "score": ["float('nan')", "float('inf')", "-1", "2", "'0.3'", "[]", "10**400", "True"],
    "nms_iou": ["float('nan')", "-0.5", "3", "'a'"],
    "per_level": ["0", "-5", "1.5", "10**12", "'5'", "True"],
    "per_picture": ["0", "-1", "2.5", "10**12", "'a'"],
    "size": [
        "(0, 0)", "(-32, 32)", "(10**9, 10**9)", "(33, 33)", "5", "'320'", "(320,)", "(320.0, 320.0)",
        "(32768, 32)",
    ],
    "class_agnostic_nms": ["'yes'", "3"],
    "fit": ["5", "'x'", "[]"],
    "engine": ["5", "[]"],
    "precision": ["5", "[]", "None"],
    "path": ["5", "None", "b'x'", "['a']", "'a\\0b'", "'x' * 5000", "'\\ud800'"],
}  # fmt: skip
PICTURES = [
    "None", "5", "'a.jpg'", "[[1]]", "np.zeros((0, 5, 3), np.uint8)", "np.zeros((5, 5), np.uint8)",
    "np.zeros((5, 5, 4), np.uint8)", "np.zeros((5, 5, 3))", "np.zeros((5, 5, 3), object)",
    "np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (30000, 30000, 3), (0, 0, 0))",
]  # fmt: skip
PROGRAM = """
import json, sys
import numpy as np
from nanodet import Detector, NanodetError
from nanodet.drawing.draw import draw

model, cases, images = sys.argv[1], *map(json.loads, sys.argv[2:])
found = []
def case(text, act):
    try:
        act()
        found.append(f"{text}: accepted")
    except NanodetError as error:
        if len(str(error).splitlines()) != 1:
            found.append(f"{text}: {error}")
    except Exception as error:
        found.append(f"{text}: {type(error).__name__}: {error}")
    print(text, file=sys.stderr, flush=True)  # the last one names what ended the process

for key, value in cases:
    options = {"path": model, key: eval(value)}
    case(f"{key}={value}", lambda: Detector(**options))
detector = Detector(model, threads=1)
image = np.zeros((96, 160, 3), np.uint8)
for value in images:
    case(f"image {value}", lambda: detector(eval(value)))
    case(f"draw {value}", lambda: draw(eval(value), detector(image)))
transposed = np.random.default_rng(0).integers(0, 256, (3, 160, 96), np.uint8).T
whole = detector(np.ascontiguousarray(transposed))
assert (detector(transposed).xyxy == whole.xyxy).all() and len(whole)
print(json.dumps(found))
"""


@pytest.mark.parametrize("stage", [FP32, SIMPLIFIED])
def test_odd_arguments_are_one_line_each(exported_small, stage):
    cases = [(key, value) for key, values in ODD.items() for value in values]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, exported_small.files[stage],
         *map(json.dumps, (cases, PICTURES))],
        capture_output=True, text=True, timeout=300, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is of Linux")
@pytest.mark.parametrize("stage", [FP32, SIMPLIFIED])
def test_more_threads_than_the_system_starts(exported_small, stage):
    """ONNX Runtime would wait for them for ever, and OpenMP end the process."""
    program = (
        "import resource, sys\nfrom nanodet import Detector, NanodetError\nimport numpy as np\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))\n"  # stacks have 8 MiB each
        "Detector(sys.argv[1], threads=2)(np.zeros((8, 8, 3), np.uint8))\n"
        "try:\n    Detector(sys.argv[1], threads=1000)(np.zeros((8, 8, 3), np.uint8))\n"
        "except NanodetError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, exported_small.files[stage]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("threads: 1000 are more than this system lets a process start")


def test_numbers_of_numpy_are_numbers(exported_small):
    model = exported_small.files[FP32]
    odd = Detector(
        model, threads=np.int64(1), score=np.float32(0.25), per_picture=np.uint8(7),
        size=np.array([160, 96]),
    )  # fmt: skip
    plain = Detector(model, threads=1, score=0.25, per_picture=7)
    picture = np.random.default_rng(1).integers(0, 256, (96, 160, 3), np.uint8)
    assert odd(picture).to_json("a", 1, 1) == plain(picture).to_json("a", 1, 1)


def test_a_picture_of_as_many_bytes_as_opencv_counts():
    check_pixels(26754, 26754, "picture")
    with pytest.raises(NanodetError, match="picture: 26755 x 26755 pixels are too many"):
        check_pixels(26755, 26755, "picture")
    assert 3 * 26754**2 <= MOST_BYTES < 3 * 26755**2


def test_a_huge_picture_is_told_before_it_is_decoded(tmp_path):
    """A PNG of some bytes that says it has 27,000 x 27,000 pixels."""
    import struct
    import zlib

    from nanodet.images.image_file import read_picture

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 27000, 27000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    path = tmp_path / "huge.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))
    with pytest.raises(NanodetError, match=r"huge\.png: 27000 x 27000 pixels are too many"):
        read_picture(path)


def test_thresholds_that_keep_everything_take_no_time_for_ever():
    spec = Spec(tuple(f"class {n}" for n in range(80)), (640, 640), score=0.0, nms_iou=1.0,
                per_level=10**9, per_picture=10**9, **NANODET_M)  # fmt: skip
    rng = np.random.default_rng(0)
    points = spec.point_count(spec.input_size)
    output = rng.uniform(0, 1, (points, spec.channels)).astype(np.float32)
    found = decode(output, spec, spec.input_size)
    assert len(found) == MOST_CANDIDATES
    best = np.sort(output[:, :80].ravel())[::-1]
    np.testing.assert_array_equal(found.confidence, best[:MOST_CANDIDATES])
    draw(np.zeros((640, 640, 3), np.uint8), found)


@pytest.mark.parametrize(
    "name", ["\ud800", "a\0b", "a\nb", "\x1b[31m", "x" * 5000, "", "\u2028", "\U0010ffff", "\t", "\udcff"],
    ids=ascii,
)  # fmt: skip
def test_any_class_name_is_drawn(name):
    """In this process, which would end with a name that OpenCV cannot take."""
    picture = np.zeros((100, 200, 3), np.uint8)
    found = Detections([[10, 40, 90, 90]], [0.5], [0], (name,))
    assert draw(picture, found).any()
    assert readable_names((name,))


def test_half_a_character_in_a_spec():
    text = json.dumps(Spec(("a",), **NANODET_M).to_dict())
    for damaged in (text.replace('["a"]', '["\\ud800"]'), text[:-1] + ', "\\uDFFF": 1}'):
        with pytest.raises(NanodetError, match=r"spec\.json: this spec is not valid JSON"):
            Spec.from_json(damaged, "spec.json")
    whole = Spec.from_json(text.replace('["a"]', '["\\ud83d\\ude42"]'), "spec.json")
    assert whole.class_names == ("🙂",)


def test_half_a_character_in_a_config(root, tmp_path):
    config = tmp_path / "c.yml"
    text = (root / "config" / "nanodet-m.yml").read_text(encoding="utf-8")
    config.write_text(text.replace("person", '"\\ud800"', 1))
    done = subprocess.run(
        [sys.executable, "-m", "nanodet", "train", config], capture_output=True, text=True,
        env=os.environ,
    )  # fmt: skip
    assert done.returncode == 1 and "holds half a character" in done.stderr
    assert len(done.stderr.splitlines()) == 1
