"""A healthy set for each test; its images are drawn once a module."""

import pytest
from healthy import HealthySet, write_images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.fixture
def healthy(tmp_path, images):
    return HealthySet(tmp_path, images)
