"""The split of a set without one: disjoint, complete, groups together, the same for the same seed."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.init.split import joined, split


@st.composite
def sets(draw):
    """Labels of some images, and disjoint groups of them."""
    count = draw(st.integers(1, 20))
    labels = [
        np.array(draw(st.lists(st.integers(0, 4), max_size=4)), np.int64) for _ in range(count)
    ]
    order = draw(st.permutations(range(count)))
    cuts = sorted(draw(st.lists(st.integers(0, count), max_size=4)))
    groups = [order[a:b] for a, b in pairwise(cuts)]
    return labels, groups


@settings(max_examples=40, deadline=None)
@given(sets(), st.floats(0.05, 0.5), st.integers(0, 99))
def test_a_split_is_a_partition_that_keeps_groups(made, share, seed):
    labels, groups = made
    train, val = split(labels, groups, share, seed)
    assert (train, val) == split(labels, groups, share, seed)
    assert sorted(train + val) == list(range(len(labels)))
    for group in groups:
        assert len({n in val for n in group}) <= 1
    several = len(labels) - sum(max(len(group) - 1, 0) for group in groups) > 1
    assert train
    assert bool(val) == several
    together = {n: tuple(group) for group in groups for n in group}
    if len({together.get(n, n) for n in val}) > 1:  # a single one is taken whatever it has
        learned = set(np.concatenate([labels[n] for n in train]).tolist())
        assert learned >= set(np.concatenate([labels[n] for n in val]).tolist())


@pytest.mark.parametrize("count", [10, 50, 333])
def test_images_and_classes_get_their_share(count):
    rng = np.random.default_rng(count)
    labels = [rng.choice(4, 2, p=[0.6, 0.3, 0.06, 0.04]) for _ in range(count)]
    train, val = split(labels, [], 0.2, 0)
    assert abs(len(val) - 0.2 * count) <= 0.05 * count + 1
    for label in range(4):
        has = np.array([label in one for one in labels])
        if has.sum() > 1:
            assert has[val].sum() >= 1
            assert has[train].sum() >= 1
        assert abs(has[val].sum() - 0.2 * has.sum()) <= 0.1 * has.sum() + 1


def test_the_seed_decides():
    labels = [np.array([0])] * 30
    assert len({tuple(split(labels, [], 0.2, seed)[1]) for seed in range(5)}) == 5


def test_groups_that_share_an_image_are_joined():
    assert joined([[1, 2], [5, 3], [2, 4], [3, 1], [7, 8]]) == [[1, 2, 3, 4, 5], [7, 8]]
    assert joined([]) == []
