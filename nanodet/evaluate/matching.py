"""How many pairs a bipartite graph has at most, while its left side grows."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence


def matching_sizes(edges: Iterable[Sequence[int]]) -> Iterator[int]:
    """Yield the size of a maximum matching after each vertex of the left side.

    A vertex added to the left side makes a maximum matching larger exactly if an augmenting path
    starts at it (Berge), so that one search for each is enough.

    Args:
        edges: for each vertex of the left side, in the order in which they are added, the vertices of
            the right side that it may be matched with.
    """
    neighbours: list[Sequence[int]] = []
    partner: dict[int, int] = {}  # of each matched vertex of the right side
    for own in edges:
        neighbours.append(own)
        _augment(len(neighbours) - 1, neighbours, partner)
        yield len(partner)


def _augment(start: int, neighbours: Sequence[Sequence[int]], partner: dict[int, int]) -> None:
    """Match one more vertex of the left side, if a path leads from it to a free one of the right."""
    before: dict[int, int] = {}  # right vertex to the left one from which it was reached
    taken: dict[int, int] = {}  # left vertex to its partner in the matching so far
    waiting = deque([start])
    while waiting:
        left = waiting.popleft()
        for right in neighbours[left]:
            if right in before:
                continue
            before[right] = left
            if right in partner:
                taken[partner[right]] = right
                waiting.append(partner[right])
                continue
            step: int | None = right
            while step is not None:  # back along the path, exchanging its pairs
                left = before[step]
                partner[step] = left
                step = taken.get(left)
            return
