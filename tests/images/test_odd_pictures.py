"""Images of every depth, channel count and size: a right answer or one clear line."""

import json
import time

import cv2
import numpy as np
import pytest

from nanodet import Detector, NanodetError
from nanodet.cli.main import main
from nanodet.compare.tensors import generated_picture
from nanodet.export.stages import FP32
from nanodet.images.image_file import read_picture


@pytest.fixture(scope="module")
def model(exported_small):
    return exported_small.files[FP32]


@pytest.fixture(scope="module")
def detector(model):
    return Detector(model, threads=1)


PICTURE = generated_picture(3)
GREY = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2GRAY)
ALPHA = np.random.default_rng(0).integers(0, 256, GREY.shape, np.uint8)

# name of the file: what is written, and the BGR image that it stands for
KINDS = {
    "bgr.png": (PICTURE, PICTURE),
    "grey.png": (GREY, cv2.merge([GREY] * 3)),
    "grey16.png": (GREY.astype(np.uint16) * 256, cv2.merge([GREY] * 3)),
    "rgba.png": (np.dstack([PICTURE, ALPHA]), PICTURE),
    "deep.png": (PICTURE.astype(np.uint16) * 256, PICTURE),
    "deep_alpha.png": (np.dstack([PICTURE, ALPHA]).astype(np.uint16) * 256, PICTURE),
    "grey.pgm": (GREY, cv2.merge([GREY] * 3)),
    "rgba.webp": (np.dstack([PICTURE, ALPHA]), None),
    "grey.jpg": (GREY, None),
    "one pixel.png": (PICTURE[:1, :1], PICTURE[:1, :1]),
    "line.png": (PICTURE[:1], PICTURE[:1]),
    "pole.png": (PICTURE[:, :1], PICTURE[:, :1]),
}


def run(model, source, out):
    return main(["detect", str(model), str(source), "--threads", "1", "--out", str(out)])


def test_every_kind_of_picture_gives_the_boxes_of_what_it_shows(model, detector, tmp_path, capsys):
    for name, (written, _) in KINDS.items():
        assert cv2.imwrite(str(tmp_path / name), written)
    assert run(model, tmp_path, tmp_path / "out") == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "out" / "grey.pgm.png").is_file()  # a .pgm cannot hold coloured boxes
    lines = (tmp_path / "out" / "detections.jsonl").read_text(encoding="utf-8").splitlines()
    found = {json.loads(line)["source"]: json.loads(line) for line in lines}
    assert len(found) == len(KINDS)
    for name, (written, shown) in KINDS.items():
        shown = read_picture(tmp_path / name) if shown is None else shown
        expected, line = detector(shown), found[str(tmp_path / name)]
        assert (line["height"], line["width"]) == written.shape[:2]
        assert [one["class_id"] for one in line["detections"]] == expected.class_id.tolist(), name
        boxes = np.reshape([one["xyxy"] for one in line["detections"]], (-1, 4))
        np.testing.assert_allclose(boxes, expected.xyxy, atol=0.01)
        if min(written.shape[:2]) > 1:
            assert len(expected) > 3


def test_empty_and_broken_pictures_are_one_line_each(model, tmp_path, capsys):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    png = cv2.imencode(".png", PICTURE)[1].tobytes()
    (tmp_path / "cut.png").write_bytes(png[: len(png) // 2])
    # says 60000 x 60000 in its header
    (tmp_path / "huge.png").write_bytes(png[:16] + b"\0\0\xea\x60" * 2 + png[24:])
    for name in ("empty.png", "text.jpg", "cut.png", "huge.png"):
        assert (
            main(["detect", str(model), str(tmp_path / name), "--out", str(tmp_path / "out")]) == 1
        )
        err = capsys.readouterr().err
        assert err.startswith("nanodet: error: ") and err.count("\n") == 1 and name in err
    assert not (tmp_path / "out").exists()


def test_a_picture_of_20_megapixels(detector, tmp_path):
    large = cv2.resize(PICTURE, (5472, 3648), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(tmp_path / "large.jpg"), large)
    start = time.perf_counter()
    found = detector(read_picture(tmp_path / "large.jpg"))
    assert time.perf_counter() - start < 30  # seconds; it takes about half of one
    expected = detector(large)
    assert len(found) > 3 and found.xyxy.max() > 2000
    assert found.xyxy[:, [0, 2]].max() <= 5472 and found.xyxy[:, [1, 3]].max() <= 3648
    assert abs(len(found) - len(expected)) <= 1  # what JPEG changes


@pytest.mark.parametrize(
    "picture",
    [
        GREY, GREY[..., None], np.dstack([PICTURE, ALPHA]), PICTURE.astype(np.uint16),
        PICTURE.astype(np.float32), PICTURE[:0], PICTURE[None], "street.jpg", None,
    ],
    ids=["grey", "grey_1", "rgba", "uint16", "float", "empty", "batch", "path", "none"],
)  # fmt: skip
def test_arrays_that_are_no_picture_are_one_line(detector, picture):
    with pytest.raises(
        NanodetError, match=r"picture: must be a uint8 array \(height, width, 3\), not"
    ):
        detector(picture)


def test_views_are_pictures_too(detector):
    expected = detector(PICTURE)
    wide = np.zeros((*GREY.shape, 5), np.uint8)
    wide[..., 1:4] = PICTURE
    flipped = np.ascontiguousarray(PICTURE[::-1, :, ::-1])
    for view in (wide[..., 1:4], flipped[::-1, :, ::-1], np.asfortranarray(PICTURE)):
        np.testing.assert_array_equal(detector(view).xyxy, expected.xyxy)
