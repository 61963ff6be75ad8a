"""Images for annotations."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def images(tmp_path):
    """A folder with a.jpg and b.jpg, 40 x 30 pixels each."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        assert cv2.imwrite(str(folder / name), np.full((30, 40, 3), 90, np.uint8))
    return folder
