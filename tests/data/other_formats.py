"""A valid document of each JSON format for one image a.jpg of 40 x 30 pixels, to be damaged by tests."""

import copy

_REGION = {
    "original_width": 40, "original_height": 30, "image_rotation": 0, "id": "x", "type": "rectanglelabels",
    "value": {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 5, "rectanglelabels": ["cat"]},
}  # fmt: skip
_POLYGON = {**_REGION, "value": {"points": [[1, 2], [3, 4], [5, 9]], "polygonlabels": ["cat"]}}
DOCUMENTS = {
    "labelstudio": [{
        "id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}, "file_upload": "0a1b2c3d-a.jpg",
        "annotations": [{"id": 1, "was_cancelled": False, "ground_truth": True, "updated_at": "2024",
                         "result": [_REGION, _POLYGON]}],
    }],
    "labelme": {
        "version": "5.7.0", "flags": {}, "imagePath": "a.jpg", "imageData": None, "imageHeight": 30,
        "imageWidth": 40, "shapes": [
            {"label": "cat", "points": [[1, 2], [8, 9]], "group_id": 1, "shape_type": "rectangle",
             "difficult": False},
            {"label": "cat", "points": [[9, 9], [12, 9]], "shape_type": "circle"},
        ],
    },
    "via": {
        "_via_settings": {},
        "_via_attributes": {"region": {"kind": {"type": "radio", "options": {"cat": ""}}}},
        "_via_img_metadata": {"a.jpg1": {"filename": "a.jpg", "size": 1, "regions": [
            {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 8, "height": 6},
             "region_attributes": {"kind": "cat"}},
            {"shape_attributes": {"name": "polygon", "all_points_x": [1, 5, 3], "all_points_y": [2, 9, 4]},
             "region_attributes": {"kind": {"cat": True}}},
        ]}},
    },
    "createml": [{"image": "a.jpg", "annotations": [
        {"label": "cat", "coordinates": {"x": 10, "y": 8, "width": 8, "height": 6}}
    ]}],
}  # fmt: skip


def places(value, path=()):
    """Yield the path of each value of a document, itself first."""
    yield path
    parts = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(document, path, value):
    """Return a copy of a document with another value at a path."""
    if not path:
        return value
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document
