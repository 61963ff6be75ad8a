"""The search for the layers that stay in floating point."""

from hypothesis import given
from hypothesis import strategies as st

from nanodet.quantize.choose import fewest


@given(st.data())
def test_as_few_as_are_accepted(data):
    most = data.draw(st.integers(0, 130))
    least = data.draw(st.integers(0, most))
    needed = data.draw(st.integers(0, most))
    tried = []

    def accepts(count):
        tried.append(count)
        return count >= needed

    assert fewest(least, most, accepts) == max(least, needed)
    assert len(tried) == len(set(tried)) <= 16 and set(tried) <= set(range(least, most))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_what_is_found_was_accepted_and_what_lies_below_it_was_not(answers):
    """Accuracy on few images does not grow with every layer."""
    count = fewest(0, len(answers), answers.__getitem__)
    assert count == len(answers) or answers[count]
    assert count == 0 or not answers[count - 1]
