"""A trained model and annotations that can be read in two ways, or not at all: the right AP, or a line."""

import re

import pytest

from nanodet.cli.main import main
from nanodet.data.read import read_annotations
from nanodet.data.summary import summarise, warnings_of
from nanodet.errors import NanodetError

RIGHT, STORED = 86.90, 84.44  # of base/val; of exif/o6, by the sizes in COCO's and VOC's form


@pytest.fixture
def cases(shared, monkeypatch):
    """The folder of small cases, as the working folder."""
    monkeypatch.chdir(shared / "cases")
    return shared / "cases"


def ap_of(capsys, images, annotations, *options):
    """Return the AP that ``nanodet eval`` prints, and what it says on stderr."""
    pytest.importorskip("pycocotools")
    pytest.importorskip("torch")
    command = ["eval", "base/m.ckpt", "--images", images, "--annotations", annotations, *options]
    status = main(command)
    shown = capsys.readouterr()
    if status:
        return None, shown.err
    return float(re.search(r"images\s+(\S+)", shown.out)[1]), shown.err


@pytest.mark.parametrize("options", [(), ("--yolo-labels", "boxes")])
def test_keypoints(cases, capsys, options):
    ap, _ = ap_of(capsys, "yolo_pose43/images", "yolo_pose43/labels", *options)
    assert ap == RIGHT


def test_keypoints_taken_for_polygons_on_demand(cases, capsys):
    ap, said = ap_of(
        capsys, "yolo_pose43/images", "yolo_pose43/labels", "--yolo-labels", "polygons"
    )
    assert ap is None  # visibilities of 2 are no place in the image
    assert "39 of 39 boxes lie far outside 0..1" in said


@pytest.mark.parametrize(
    ("annotations", "options"),
    [("coco.json", ()), ("xml", ()), ("labels", ("--orientation", "stored"))],
)
def test_labelled_on_the_stored_pixels(cases, capsys, annotations, options):
    ap, said = ap_of(capsys, "exif/o6/images", f"exif/o6/{annotations}", *options)
    assert ap == STORED
    assert "12 images turned by EXIF, 12 of them labelled as stored" in said


@pytest.mark.parametrize(
    ("kind", "images", "annotations", "words"),
    [
        ("yolo", "exif/o6/images", "exif/o6/labels", "12 labelled images are turned by EXIF"),
        ("yolo", "yolo_px/images", "yolo_px/labels", "39 of 39 boxes lie far outside 0..1"),
        ("coco", "base/train/images", "base/train/norm.json", "all 101 boxes lie in 0..1"),
        ("coco", "base/train/images", "base/train/xyxy.json", "look like x1 y1 x2 y2"),
        ("coco", "badval/images", "badval/coco.json", "005.jpg: this image is truncated; bad"),
        ("coco", "badval/images", "badval/coco.json", "has 320 x 240 pixels, its annotation says"),
    ],
)
def test_one_line(cases, kind, images, annotations, words):
    with pytest.raises(NanodetError, match=re.escape(words)):
        read_annotations(kind, images, annotations)


@pytest.mark.parametrize(
    ("annotations", "words"),
    [("dupbox", "39 of 78 boxes repeat one of"), ("twice", "24 of 48 images are listed twice")],
)
def test_repeats(cases, annotations, words):
    found = read_annotations("coco", "yolo_px/images", f"yolo_px/{annotations}.json")
    (line,) = warnings_of(summarise(found), "a.json")
    assert line.startswith(f"warning: a.json: {words}")


@pytest.mark.parametrize("annotations", ["noboxes", "allcrowd"])
def test_nothing_to_measure(cases, capsys, annotations):
    ap, said = ap_of(capsys, "base/val/images", f"base/val/{annotations}.json")
    assert ap is None
    assert f"base/val/{annotations}.json: nothing to measure: " in said
