"""Labels in any script: what is drawn is the text, and never boxes or question marks."""

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanodet.drawing import fonts
from nanodet.drawing.draw import draw
from nanodet.drawing.lettering import put_text, readable_names, text_width
from nanodet.drawing.writing import in_drawing_order
from nanodet.runtime.detections import Detections

OWN = ("翘头剪", "止血钳", "ネコ", "고양이", "собака", "Γάτα", "Größe", "con mèo ượế", "חתול")


def drawn(text, size=24):
    canvas = np.zeros((60, text_width(text, size) + 20), np.uint8)
    put_text(canvas, text, (5, 40), (255,), size)
    return canvas


@pytest.mark.parametrize("name", OWN)
def test_scripts_of_opencvs_own_font(name):
    assert readable_names((name,)) == (name,)
    letters = [drawn(letter) for letter in name if letter.isalpha()]
    question = drawn("?")
    assert all(letter.any() and not np.array_equal(letter, question) for letter in letters)
    columns = np.flatnonzero(drawn(name).any(axis=0))
    assert columns[0] >= 4 and columns[-1] <= 5 + text_width(name, 24)


def test_every_label_is_another():
    """As boxes or question marks, names of equal length would look alike."""
    pictures = []
    for name in ("翘头剪", "止血钳", "방패연", "고양이"):
        found = Detections([[50, 60, 200, 180]], [0.9], [0], (name,))
        pictures.append(draw(np.full((240, 320, 3), 100, np.uint8), found, style="none"))
    for i, one in enumerate(pictures):
        assert not any(np.array_equal(one, other) for other in pictures[:i])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain (text) 12", "plain (text) 12"),
        ("翘头剪", "翘头剪"),
        ("חתול", "לותח"),
        ("חתול (cat)", "(cat) לותח"),
        ("חתול (cat 2) 0.70", "0.70 (cat 2) לותח"),
        ("cat חתול שחור 2", "cat רוחש לותח 2"),
        ("קָמָץ", "ץמָקָ"),  # marks stay with their letter
        ("قطة", "ﺔﻄﻗ"),
        ("سلام", "ﻡﻼﺳ"),  # lam and alef are one
        ("پلنگ", "ﮓﻨﻠﭘ"),  # Persian
        ("دود", "ﺩﻭﺩ"),  # letters that join on one side alone
    ],
)
def test_letters_stand_in_the_order_of_their_script(text, shown):
    assert in_drawing_order(text) == shown


@given(st.text(st.characters(blacklist_categories=("Cs",)), max_size=12))
def test_no_letter_is_lost(text):
    def letters(text):
        plain = unicodedata.normalize("NFKC", text)
        return sorted(c for c in plain if c.isalnum())

    assert letters(in_drawing_order(text)) == letters(text)
    assert text_width(text, 20) >= 0
    put_text(np.zeros((30, 300, 3), np.uint8), text, (2, 20), (0, 0, 0), 20)


@pytest.fixture
def installed(monkeypatch):
    """Set which font files are installed."""

    def install(*paths):
        monkeypatch.setattr(fonts, "_installed", lambda: tuple(map(str, paths)))
        for cached in (fonts.font_for, readable_names, lettering._prepared):
            cached.cache_clear()

    from nanodet.drawing import lettering

    yield install
    for cached in (fonts.font_for, readable_names, lettering._prepared):
        cached.cache_clear()


def dejavu():
    matplotlib = pytest.importorskip("matplotlib")
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_an_installed_font_is_taken_where_opencvs_lacks_letters(installed, caplog):
    installed()
    assert readable_names(("cat", "կատու")) == ("cat", "1")
    assert "կատու" in caplog.text and "install a TrueType font" in caplog.text
    caplog.clear()
    installed(dejavu())
    assert readable_names(("cat", "կատու")) == ("cat", "կատու")
    assert caplog.text == ""
    assert not np.array_equal(drawn("կատու"), drawn("?" * 5))


def test_what_no_font_has_becomes_the_number_of_the_class(installed, caplog):
    installed()
    assert readable_names(("แมว", "🔦 torch", "บ้าน")) == ("0", "1 torch", "2")
    readable_names(("แมว", "🔦 torch", "บ้าน"))
    assert len(caplog.messages) == 1  # told once
    found = Detections([[50, 60, 200, 180]], [0.9], [0], ("แมว", "dog"))
    numbered = Detections([[50, 60, 200, 180]], [0.9], [0], ("0", "dog"))
    grey = np.full((240, 320, 3), 100, np.uint8)
    assert np.array_equal(draw(grey, found), draw(grey, numbered))


def test_damaged_fonts_are_left_alone(tmp_path, installed):
    """OpenCV ends the process on them."""
    whole = dejavu().read_bytes()
    for name, data in {
        "cut.ttf": whole[: len(whole) // 2], "words.ttf": b"words " * 200, "none.ttf": b"",
        "other.ttf": b"OTTO" + whole[4:],
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(data)
    installed(*sorted(tmp_path.iterdir()), tmp_path / "missing.ttf")
    assert readable_names(("կատու",)) == ("0",)


@given(st.data())
def test_headers_of_fonts_never_fail(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("font") / "f.ttf"
    damaged = bytearray(dejavu().read_bytes()[:4000])
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    for first, last in fonts._ranges(str(path)):
        assert first >= 0 and last >= 0
