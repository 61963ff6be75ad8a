"""Text for users: values, names and progress in messages; only imports `nanodet.errors`."""

from collections.abc import Callable

Say = Callable[[str], object]  # takes a line of text for the user
