"""The input size that is chosen for images and boxes."""

import numpy as np
import pytest

from nanodet.data.records import Picture
from nanodet.init.size import choose_size, smallest_side


def pictures(width, height, side, count=10):
    box = np.array([[0, 0, side, 2 * side]], np.float32)
    return [
        Picture(f"{n}.jpg", n, width, height, box, np.zeros(1, int), np.ones(1))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("width", "height", "side", "size"),
    [
        (640, 480, 100, (384, 288)),
        (640, 480, 13, (416, 320)),
        (640, 480, 2, (480, 352)),
        (480, 640, 100, (288, 384)),
        (1920, 1080, 400, (416, 256)),
        (1920, 1080, 31, (512, 288)),
        (500, 500, 50, (320, 320)),
        (200, 200, 50, (224, 224)),
        (40, 40, 30, (128, 128)),
    ],
)
def test_the_smallest_size_of_the_images_shape_that_shows_the_boxes(width, height, side, size):
    found = pictures(width, height, side)
    chosen, why = choose_size(found)
    assert chosen == size
    assert f"{width} x {height}" in why[0]
    assert ("a larger size may help" in why[1]) == (smallest_side(found, chosen) < 8)


def test_upright_and_wide_images_get_a_square():
    mixed = pictures(640, 480, 100) + pictures(480, 640, 100)
    assert choose_size(mixed)[0] == (320, 320)


def test_images_without_boxes_decide_nothing():
    found = pictures(640, 480, 1)
    for picture in found:
        picture.boxes = np.zeros((0, 4), np.float32)
    assert choose_size(found)[0] == (384, 288)
