"""What the outputs of a NanoDet are: read off their shapes, whichever engine's file they are in.

Converters leave one output, one for scores and one for edges, one per level, or two per level; as
points x channels, channels x points, or maps; with class scores before or after sigmoid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.ncnn_files.rules.step import Shape
from nanodet.text.counted import counted

STRIDES = (4, 8, 16, 32, 64, 128)
USUAL_BINS = 8  # of an edge's distribution: reg_max 7, which every config of the original has


@dataclass(frozen=True)
class Output:
    """An output as its file has it.

    Attributes:
        name: of the blob or tensor.
        shapes: its shape at each of the sizes it was asked at, without the batch.
        scores: how many of its channels come after a sigmoid; 0 for none.
    """

    name: str
    shapes: tuple[Shape, ...]
    scores: int = 0


@dataclass(frozen=True)
class Part:
    """An output that was understood.

    Attributes:
        name: of the output.
        axis: of its channels, 0 or the last.
        channels: their number.
        rank: number of dimensions, 2 or 3 (a map).
        strides: of the levels whose points it holds, ascending.
        scores: see `Output`.
    """

    name: str
    axis: int
    channels: int
    rank: int
    strides: tuple[int, ...]
    scores: int


@dataclass(frozen=True)
class Form:
    """What a NanoDet gives.

    Attributes:
        classes: number of classes.
        reg_max: edges are distributions over 0..reg_max.
        strides: of the levels, ascending.
        groups: the outputs as the file has them: of one or several levels each, in order, tuples of
            one `Part` (scores and edges in one) or two (scores, edges).
        sigmoid: whether the scores come after a sigmoid in the file.
        guessed: what was taken for granted as the file does not tell, in words; else empty.
        size: (width, height) that the file was made for, None where it does not say.
        usual: whether it has activations as the original's detectors have them.
    """

    classes: int
    reg_max: int
    strides: tuple[int, ...]
    groups: tuple[tuple[Part, ...], ...] = field(default=(), compare=False)
    sigmoid: bool = field(default=True, compare=False)
    guessed: str = field(default="", compare=False)
    size: tuple[int, int] | None = field(default=None, compare=False)
    usual: bool = field(default=True, compare=False)

    @property
    def plus(self) -> bool:
        """Whether it has the levels of NanoDet-Plus."""
        return self.strides == (8, 16, 32, 64)

    def __str__(self) -> str:
        name = "NanoDet-Plus" if self.plus else "NanoDet"
        name = name if self.usual else "detector like NanoDet"
        return (
            f"a {name} with strides {self.strides[0]} to {self.strides[-1]}, "
            f"{counted(self.classes, 'class', 'es')} and reg_max {self.reg_max}"
        )


def form_of(
    outputs: Sequence[Output],
    sizes: Sequence[tuple[int, int]],
    file: StrPath,
    classes: int | None = None,
    strict: bool = True,
) -> Form:
    """Tell what the outputs of a network are.

    Args:
        outputs: list of `Output`.
        sizes: (height, width) of each size at which their shapes were asked.
        file: names the file in messages.
        classes: how many classes it has, where the user knows.
        strict: whether another number than the file tells is refused; else the file's counts.

    Returns:
        `Form`.

    Raises:
        NanodetError: not a NanoDet, or several readings are possible; one line that says why.
    """
    parts = _parts(outputs, sizes, file)
    levels: dict[tuple[int, ...], list[Part]] = {}
    for part in parts:
        levels.setdefault(part.strides, []).append(part)
    groups = [levels[key] for key in sorted(levels)]
    strides = tuple(stride for key in sorted(levels) for stride in key)
    if strides not in _runs() or any(len(group) > 2 for group in groups):
        raise no_nanodet(file, sizes[0], outputs)
    shapes = {tuple(sorted((part.channels, part.scores) for part in group)) for group in groups}
    if len(shapes) > 1:
        raise no_nanodet(file, sizes[0], outputs)
    if len(groups[0]) == 1:
        found, edges, guessed = _joint(groups[0][0], file, classes)
    else:
        found, edges, guessed = _separate(groups[0], file, classes)
        groups = [_scores_first(group, found, edges) for group in groups]
    if edges == 4:
        raise NanodetError(
            f"{file}: has {found} classes and 4 values for the edges of a point: its boxes are decoded "
            "in the graph, as a YOLO's are; of a NanoDet, the distributions before softmax are needed"
        )
    if edges < 8 or edges % 4:
        raise NanodetError(f"{file}: not a NanoDet: {edges} channels for four distributions")
    if strict and classes not in (None, found):
        raise NanodetError(f"{file}: has {counted(found, 'class', 'es')}, but {classes} were named")
    sigmoid = any(part.scores for part in groups[0])
    return Form(found, edges // 4 - 1, strides, tuple(map(tuple, groups)), sigmoid, guessed)


def part_of(output: Output, sizes: Sequence[tuple[int, int]]) -> list[Part]:
    """Return the readings of an output as `Part`s: several where channels and points could swap."""
    found: list[Part] = []
    ranks = {len(shape) for shape in output.shapes}
    if ranks not in ({2}, {3}):
        return found
    rank = ranks.pop()
    for axis in (rank - 1, 0):
        channels = {shape[axis] for shape in output.shapes}
        if len(channels) > 1:
            continue
        rests = [shape[:axis] + shape[axis + 1 :] for shape in output.shapes]
        for strides in _runs():
            wanted = [
                [(_rows(height, s), _rows(width, s)) for s in strides] for height, width in sizes
            ]
            if rank == 3:
                fits = len(strides) == 1 and rests == [tuple(sides[0]) for sides in wanted]
            else:
                fits = [rest[0] for rest in rests] == [sum(map(prod, sides)) for sides in wanted]
            if fits:
                found.append(Part(output.name, axis, channels.pop(), rank, strides, output.scores))
                break
    return found


def no_nanodet(file: StrPath, size: tuple[int, int], outputs: Sequence[Output]) -> NanodetError:
    """Return the `NanodetError` for outputs that are no NanoDet's, with what they look like."""
    height, width = size
    shapes = ", ".join(f"{output.name} ({_text(output.shapes[0])})" for output in outputs[:4])
    more = f" and {len(outputs) - 4} more" if len(outputs) > 4 else ""
    word = "an output" if len(outputs) == 1 else "outputs"
    return NanodetError(
        f"{file}: not a NanoDet: for {width}x{height} it has {word} {shapes or 'of no kind'}{more}"
        f"{_looks_like(outputs, size)}; expected is one output of points x (classes + 4 (reg_max + 1)), "
        "or class scores and distributions, each whole or per level"
    )


def _parts(
    outputs: Sequence[Output], sizes: Sequence[tuple[int, int]], file: StrPath
) -> list[Part]:
    """Return one `Part` for each output; where two readings are possible, the one others have."""
    readings = [part_of(output, sizes) for output in outputs]
    if not outputs or not all(readings):
        raise no_nanodet(file, sizes[0], outputs)
    sure = {(r[0].axis, r[0].rank) for r in readings if len(r) == 1}
    return [
        next((part for part in one if (part.axis, part.rank) in sure), one[0]) for one in readings
    ]


def _joint(part: Part, file: StrPath, classes: int | None) -> tuple[int, int, str]:
    """Return (classes, channels of the edges, what was guessed) of scores and edges in one."""
    if part.scores:
        return part.scores, part.channels - part.scores, ""
    if classes is not None:
        return classes, part.channels - classes, ""
    found = part.channels - 4 * USUAL_BINS
    if found < 1:
        raise NanodetError(
            f"{file}: not a NanoDet: {part.channels} channels, none of them after a sigmoid, and no "
            "class names given"
        )
    return found, 4 * USUAL_BINS, f"its {part.channels} channels are {found} classes and 4 x 8 bins"


def _separate(group: list[Part], file: StrPath, classes: int | None) -> tuple[int, int, str]:
    """Return the same of two outputs; which of both the scores are."""
    first, second = sorted(group, key=lambda part: -part.scores)
    if first.scores and second.scores:
        raise NanodetError(f"{file}: not a NanoDet: {first.name} and {second.name} are both scores")
    if first.scores:
        if first.scores != first.channels:
            raise NanodetError(
                f"{file}: {first.name} has scores and edges, and so has {second.name} something of the "
                "same points"
            )
        return first.channels, second.channels, ""
    ways = [
        (ours.channels, theirs.channels)
        for ours, theirs in ((first, second), (second, first))
        if theirs.channels % 4 == 0 and theirs.channels >= 8
    ]
    if classes is not None:
        ways = [way for way in ways if way[0] == classes]
    ways = [way for way in ways if way[1] == 4 * USUAL_BINS] or ways
    if len(set(ways)) != 1 or first.channels == second.channels:
        raise NanodetError(
            f"{file}: no sigmoid shows which of {first.name} ({first.channels} channels) and "
            f"{second.name} ({second.channels}) the class scores are: name the classes"
        )
    return *ways[0], f"its {ways[0][0]} channels are scores, as they are not 4 x 8 bins"


def _scores_first(group: list[Part], classes: int, edges: int) -> list[Part]:
    if group[0].scores or (not group[1].scores and group[0].channels == classes):
        return group
    return group[::-1]


def _looks_like(outputs: Sequence[Output], size: tuple[int, int]) -> str:
    """Return words for what other networks give, else an empty text."""
    shapes = [output.shapes[0] for output in outputs]
    points = [sum(_rows(size[0], s) * _rows(size[1], s) for s in run) for run in _runs()]
    if all(prod(shape) == max(shape, default=1) for shape in shapes):
        return " (one row of values, as a classifier has)"
    if any(side in [3 * count for count in points] for shape in shapes for side in shape):
        return " (three boxes a point, as a YOLO with anchors has)"
    return ""


def _runs() -> list[tuple[int, ...]]:
    return [STRIDES[i:j] for i, j in combinations(range(len(STRIDES) + 1), 2)]


def _rows(side: int, stride: int) -> int:
    return -(-side // stride)


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
