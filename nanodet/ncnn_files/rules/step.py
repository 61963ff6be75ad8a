"""One layer and the shapes that it is given, as the rules see them."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, NoReturn

from nanodet.errors import NanodetError
from nanodet.ncnn_files.graph import Layer

# in numpy's order: channels, depth, rows, columns; or channels, rows, columns; or rows, columns
Shape = tuple[int, ...]


class Step(NamedTuple):
    """One layer, the shapes of its inputs, and what names it in messages."""

    layer: Layer
    given: list[Shape]
    where: str

    def whole(self, key: int, default: int = 0) -> int:
        return self.layer.whole(key, default)

    def wholes(self, key: int) -> list[int]:
        """Return the array of whole numbers under ``key``; empty where there is none."""
        return [int(value) for value in self.layer.numbers(key)]

    def fail(self, why: str) -> NoReturn:
        raise NanodetError(f"{self.where}: {why}")

    def refuse(self) -> NoReturn:
        self.fail(f"cannot work on {text_of(self.given)}")

    def map(self) -> Shape:
        """Return the shape of the only input: channels, rows, columns."""
        if len(self.given) != 1 or len(self.given[0]) != 3:
            self.fail(f"{self.layer.kind}: cannot work on {text_of(self.given)}")
        return self.given[0]

    def axis(self, axis: int, rank: int | None = None) -> int:
        """Return an axis counted from the first one; ``rank``: of what, by default the first input."""
        rank = len(self.given[0]) if rank is None else rank
        if not -rank <= axis < rank:
            self.fail(f"has no axis {axis}")
        return axis % rank


def bytes_of(shapes: Sequence[Shape | None]) -> int:
    """Return the bytes of float32 values of some shapes, as far as they are known."""
    return sum(4 * prod(shape) for shape in shapes if shape is not None)


def text_of(shapes: Sequence[Shape | None]) -> str:
    return ", ".join(" x ".join(map(str, shape or ("unknown",))) for shape in shapes)
