"""Which spellings are one class name, and that a match is one to one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.data.classes import match_classes
from nanodet.data.reading import Reading
from nanodet.errors import NanodetError
from nanodet.text.names import levelled, match_names


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("traffic light", "Traffic_Light"), ("traffic light", "traffic-light"), ("a  b", "a b "),
        ("STRASSE", "straße"), ("ﬁsh", "fish"), ("é", "e\u0301"), ("_a", "a"),
        ("यातायात प्रकाश", "यातायात_प्रकाश"),
    ],
)  # fmt: skip
def test_spellings_of_one_name(first, second):
    assert levelled(first) == levelled(second)


@pytest.mark.parametrize(
    ("first", "second"), [("5-10", "510"), ("A", "A-"), ("-1", "1"), ("-", "_"), ("c", "c++")]
)
def test_other_names(first, second):
    assert levelled(first) != levelled(second)


NAMES = st.lists(
    st.text(st.sampled_from("abAB _-1"), min_size=1, max_size=4), unique=True, max_size=6
)


@given(NAMES, NAMES)
@settings(max_examples=300, deadline=None)
def test_a_match_is_one_to_one_and_of_the_same_name(first, second):
    try:
        found = match_names(first, second, "file")
    except NanodetError:
        return
    matched = [n for n in found if n is not None]
    assert len(set(matched)) == len(matched)
    for name, index in zip(first, found, strict=True):
        if index is not None:
            assert levelled(name) == levelled(second[index])
            assert name == second[index] or name not in second
        else:
            others = [n for n, other in enumerate(second) if levelled(other) == levelled(name)]
            assert all(second[n] in first for n in others)


@given(NAMES.filter(bool), st.randoms())
@settings(max_examples=200, deadline=None)
def test_any_order_and_any_spelling_of_the_file_gives_the_same_labels(names, random):
    names = list({levelled(name): name for name in names}.values())
    shuffled = random.sample(names, len(names))
    spelled = [
        name.upper().replace(" ", "_") if random.random() < 0.5 else name for name in shuffled
    ]
    if len({levelled(name) for name in spelled}) < len(names):
        return
    try:
        found = match_classes(spelled, [1] * len(names), names, "file", Reading("error"))
    except NanodetError:
        return
    assert [names[n] for n in found.labels] == shuffled
