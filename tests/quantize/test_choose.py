"""The search for the layers that stay in floating point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.quantize.choose import fewest, fewest_in_the_end


@given(st.data())
def test_as_few_as_are_accepted(data):
    most = data.draw(st.integers(0, 130))
    needed = data.draw(st.integers(0, most))
    tried = []

    def accepts(count):
        tried.append(count)
        return count >= needed

    assert fewest(most, accepts) == needed
    assert len(tried) == len(set(tried)) <= 16 and set(tried) <= set(range(most))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_what_is_found_was_accepted_and_what_lies_below_it_was_not(answers):
    """Accuracy on few images does not grow with every layer."""
    count = fewest(len(answers), answers.__getitem__)
    assert count == len(answers) or answers[count]
    assert count == 0 or not answers[count - 1]


@pytest.mark.parametrize(
    ("needed", "asked", "count"),
    [
        (0, [(0, False), (0, True)], 0),
        (2, [(0, False), (0, True), (1, True), (3, True)], 3),
        (9, [(0, False), (0, True), (1, True), (3, True), (7, True)], 9),
    ],
)
def test_the_measuring_images_are_asked_rarely(needed, asked, count):
    tried = []

    def accepts(count, final):
        tried.append((count, final))
        return not final or count >= needed

    assert fewest_in_the_end(9, accepts) == count
    assert tried == asked
