"""What a reader must say of bad annotations."""

import pytest

from nanodet.data.read import read_annotations
from nanodet.errors import NanodetError


def fails(*words, name, img, ann, **more):
    """Reading must raise one line that has all ``words``."""
    with pytest.raises(NanodetError) as caught:
        read_annotations(name, img, ann, **more)
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text
