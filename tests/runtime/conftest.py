"""What tests of this room share."""

import pytest
from box_model import write_box_model


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An ONNX file by `write_box_model`, which finds one box."""
    return write_box_model(tmp_path_factory.mktemp("model") / "box.onnx")
