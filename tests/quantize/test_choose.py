"""The search for the layers that stay in floating point."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.errors import NanodetError
from nanodet.quantize.choose import ALL, fewest
from nanodet.quantize.quantize import _search
from nanodet.quantize.sensitivity import LayerReport


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


class Strict:
    """Accepts all on the calibration images, and ``needed`` layers on the measuring ones."""

    def __init__(self, most, reports):
        self.most, self.reports, self.asked = most, reports, []

    def accepts(self, model, final):
        count = sum(one.precision == "int8" for one in self.reports)
        self.asked.append((count, final))
        return not final or count <= self.most, "words"


@pytest.mark.parametrize(
    ("most", "asked"),
    [(9, [(9, False), (9, True)]), (7, [(9, False), (9, True), (8, True), (6, True)])],
)
def test_the_measuring_images_are_asked_rarely(most, asked):
    reports = [LayerReport(str(i), "", 1, (), "", 1, i, 2, 1) for i in range(9)]
    judge = Strict(most, reports)
    _search(lambda: ("graph", "weights"), "made", reports, judge, ALL, lambda line: None)
    assert judge.asked == asked
    given = [one.name for one in reports if one.precision != "int8"]
    assert given == [one.name for one in reports[::-1][: len(given)]][::-1]  # those that cost most


def test_no_layer_is_accepted():
    reports = [LayerReport(str(i), "", 1, (), "", 1, i, 2, 1) for i in range(9)]
    with pytest.raises(NanodetError, match=r"^no convolution can be int8"):
        _search(lambda: (0, 0), "made", reports, Strict(0, reports), ALL, lambda line: None)
