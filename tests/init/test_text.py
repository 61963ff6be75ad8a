"""The text of a config: every value is read back as it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nanodet.files.yaml_text import parse_yaml
from nanodet.init.text import _names, _value

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
ODD = st.sampled_from(
    ["yes", "null", "1", "1.5", "# a", "a: b", "[x]", "a, b", "'", "- a", "2024-01-01"]
)
NAMES = st.lists(WORDS | ODD, min_size=1, max_size=30)


@settings(max_examples=50)
@given(NAMES)
def test_names_are_read_back(names):
    assert parse_yaml(f"class_names: {_names(names)}\nlast: 1\n", "a") == {
        "class_names": names,
        "last": 1,
    }


@settings(max_examples=50)
@given(
    st.recursive(
        WORDS
        | ODD
        | st.booleans()
        | st.integers()
        | st.floats(1e-9, 1e6).map(lambda x: round(x, 9)),
        lambda some: st.lists(some, max_size=3) | st.dictionaries(ODD, some, max_size=3),
        max_leaves=6,
    )
)
def test_values_are_read_back_on_one_line(value):
    text = _value(value)
    assert "\n" not in text
    assert parse_yaml(f"key: {text} # why\n", "a") == {"key": value}
