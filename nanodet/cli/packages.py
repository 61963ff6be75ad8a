"""One line where a room cannot be imported, because something it needs is not installed."""

import contextlib
from collections.abc import Iterator

from nanodet.errors import NanodetError


@contextlib.contextmanager
def needed_packages() -> Iterator[None]:
    """Import a room in this context.

    Raises:
        NanodetError: a package is missing, or a system library that OpenCV wants.
    """
    try:
        yield
    except ImportError as error:
        if (error.name or "").startswith("nanodet"):
            raise
        from nanodet.detect.window import import_problem

        line = import_problem(error)
        if line is None and not isinstance(error, ModuleNotFoundError):
            raise
        raise NanodetError(
            line
            or f'needs {error.name}, which is not installed: pip install -e ".[all]" in its folder'
        ) from None
