"""`nanodet adopt` of PicoDet, a detector of others that is decoded as a NanoDet is."""

import pytest

from nanodet import Detector
from nanodet.adopt.adopt import adopt
from nanodet.adopt.facts import Facts
from nanodet.evaluate.evaluate import evaluate
from nanodet.images.image_file import read_picture

PICODET = Facts(
    fit="stretch", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), colour_order="rgb",
    point_offset=0.5,
)  # fmt: skip


def test_picodet(shared, coco_mini, tmp_path):
    """Eight outputs, scores and distributions of each level, of a network that is no NanoDet."""
    done = adopt(shared / "peers" / "picodet_s_320.onnx", tmp_path, PICODET, report=[].append)
    assert [len(group) for group in done.form.groups] == [2, 2, 2, 2] and not done.form.usual
    found = Detector(done.path)(read_picture(coco_mini / "images" / "000000000139.jpg"))
    assert found.name_of(found.class_id[0]) == "tv" and found.confidence[0] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("side, ap", [(320, 25.53), (416, 29.27)])
def test_ap_of_picodet(shared, coco_mini, tmp_path, side, ap):
    model = adopt(
        shared / "peers" / f"picodet_s_{side}.onnx", tmp_path, PICODET, report=[].append
    ).path
    found = evaluate(model, coco_mini / "images", coco_mini / "annotations.json")
    assert found.images == 500 and found.AP == pytest.approx(ap, abs=0.05)
