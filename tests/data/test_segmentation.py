"""Boxes of COCO's segmentations, beside those of its API; and what tools write into COCO files."""

import json

import numpy as np
import pytest
from coco_files import box, coco
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails

from nanodet.data.formats.segmentation import box_of_segmentation
from nanodet.data.read import read_annotations


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32), st.floats(0.02, 0.98))
@settings(max_examples=100, deadline=None)
def test_masks_as_of_the_api(height, width, seed, share):
    api = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(seed).random((height, width)) < share
    mask[:, : width // 4] = False
    packed = api.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = {"size": [height, width], "counts": packed["counts"].decode()}
    plain = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], plain, [not plain[-1]]]))).tolist()
    runs = np.diff([0, *edges]).tolist()
    wanted = api.toBbox(packed).tolist() if mask.any() else None
    assert box_of_segmentation(text) == wanted
    assert box_of_segmentation({"size": [height, width], "counts": runs}) == wanted


def test_boxes_come_from_segmentations_only_where_there_is_none(tmp_path, images):
    polygons = [[1, 2, 5, 9, 3, 4], [10, 1, 12, 1, 12, 3]]
    mask = {"size": [30, 40], "counts": [30 * 4 + 5, 3, 27, 4, 1200 - 159]}
    entries = [
        box(1, 7, [1, 2, 3, 4], segmentation=polygons),
        *(
            box(2, 7, bbox, segmentation=polygons)
            for bbox in ([], None, [0, 0, 0, 0], [0.0, 0, 0, 0])
        ),
        box(3, 7, [], segmentation=mask, iscrowd=1),
    ]
    del entries[2]["bbox"]
    first, _ = read_annotations("coco", images, coco(tmp_path, annotations=entries)).pictures
    assert first.boxes.tolist() == [[1, 2, 4, 6], *[[1, 1, 12, 9]] * 4]
    assert first.ignored.tolist() == [[4, 5, 6, 9]]


WRONG = [
    [], [[]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, None]], 5, {}, {"size": [30, 40]}, {"counts": [1]},
    {"size": [30, 40], "counts": [1200]}, {"size": [30, 40], "counts": [0, 1201]},
    {"size": [0, 40], "counts": [1]},
    {"size": [30, 40], "counts": [5, -3, 2]}, {"size": [30, 40], "counts": "\u00ff"},
    {"size": [30, 40], "counts": "oooooooooooooooooo"}, {"size": [30, 40], "counts": [9**999]},
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG)
def test_wrong_segmentations(tmp_path, images, value):
    path = coco(tmp_path, annotations=[box(1, 7, [], segmentation=value)])
    fails("coco.json: annotation 1", "bbox", name="coco", img=images, ann=path)


def test_an_export_of_cvat_with_turned_boxes(tmp_path, images):
    turned = {"occluded": False, "rotation": 90.0}
    entries = [
        box(1, 7, [10, 10, 10, 4], segmentation=[], attributes=turned),
        box(2, 7, [1, 2, 3, 4], segmentation=[], attributes={"occluded": True, "rotation": 0.0}),
    ]
    first, _ = read_annotations("coco", images, coco(tmp_path, annotations=entries)).pictures
    assert first.boxes.round(4).tolist() == [[13, 7, 17, 17], [1, 2, 4, 6]]


def test_an_export_of_roboflow(images):
    content = {
        "info": {"year": "2024", "version": "1", "description": "Exported from roboflow.com"},
        "licenses": [{"id": 1, "url": "https://x", "name": "CC BY 4.0"}],
        "categories": [
            {"id": 0, "name": "pets", "supercategory": "none"},
            {"id": 1, "name": "cat", "supercategory": "pets"},
            {"id": 2, "name": "dog", "supercategory": "pets"},
        ],
        "images": [{"id": 0, "license": 1, "file_name": "a.jpg", "height": 30, "width": 40,
                    "date_captured": "2024-01-01T00:00:00+00:00", "extra": {"name": "A photo.jpg"}}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 2, "bbox": [1, 2, 8, 6.5], "area": 52,
                         "segmentation": [], "iscrowd": 0}],
    }  # fmt: skip
    path = images / "_annotations.coco.json"
    path.write_text(json.dumps(content))
    data = read_annotations("coco", images, path)
    assert data.class_names == ("cat", "dog")
    assert (data.pictures[0].boxes.tolist(), data.pictures[0].labels.tolist()) == (
        [[1, 2, 9, 8.5]],
        [1],
    )


@pytest.mark.parametrize(
    "name", ["images\\0a1b2c3d-a.jpg", "../../label-studio/data/media/upload/1/0a1b2c3d-a.jpg"]
)
def test_an_export_of_label_studio(tmp_path, images, name):
    (images / "a.jpg").rename(images / "0a1b2c3d-a.jpg")
    content = {"images": [{"width": 40, "height": 30, "id": 0, "file_name": name}],
               "categories": [{"id": 0, "name": "cat"}],
               "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "segmentation": [], "ignore": 0,
                                "bbox": [1.0, 2.0, 8.0, 6.0], "iscrowd": 0, "area": 48.0}]}  # fmt: skip
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    (picture,) = read_annotations("coco", images, path).pictures
    assert picture.boxes.tolist() == [[1, 2, 9, 8]]
