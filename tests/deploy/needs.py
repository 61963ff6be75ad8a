"""What the C++ part needs on this machine."""

import shutil
from pathlib import Path

import pytest

HEADER = Path("nlohmann/json.hpp")


def need(*programs):
    """Skip unless all of them are installed."""
    missing = [name for name in programs if shutil.which(name) is None]
    if not any(
        (Path(place) / HEADER).is_file() for place in ("/usr/include", "/usr/local/include")
    ):
        missing.append("nlohmann-json3-dev")
    if missing:
        pytest.skip(f"the C++ part needs {', '.join(missing)}")
