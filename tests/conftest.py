"""What tests of all rooms share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of real pictures, weights and reference outputs that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared (pictures, weights, references) is not beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def coco_mini(shared):
    """500 COCO val2017 pictures with boxes."""
    return shared / "data" / "coco-val-mini"


@pytest.fixture(scope="session")
def root():
    """The checkout."""
    return Path(__file__).resolve().parents[1]
