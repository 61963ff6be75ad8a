"""A page of the kit: one file, with every text of a file escaped."""

import json
import re

import numpy as np
import pytest

from nanodet.pages.charts import Line, line_chart, span, ticks
from nanodet.pages.gallery import Gallery, Mark
from nanodet.pages.markup import literal
from nanodet.pages.page import Page

HOSTILE = '</script><script>alert("1")</script>'


def noise(width=640, height=480):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def a_page():
    page = Page(HOSTILE, HOSTILE, contents=True)
    page.heading(HOSTILE)
    page.cards([(HOSTILE, HOSTILE, HOSTILE)])
    page.table([HOSTILE, "AP"], [[literal(HOSTILE), span(40, 30, 50)]], sortable=True)
    page.drawing(line_chart([Line(HOSTILE, np.arange(3), np.arange(3))], HOSTILE, HOSTILE, (0, 2), (0, 2),
                            [(1, HOSTILE)]), HOSTILE)  # fmt: skip
    page.choice(HOSTILE, {HOSTILE: Page(HOSTILE), "دجاجة": Page("")})
    with page.folded(HOSTILE):
        page.code(HOSTILE)
    gallery = Gallery(expected=1)
    gallery.add(noise(), [Mark((1, 2, 30, 40), "wrong", HOSTILE, focus=True)],
                HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.5)  # fmt: skip
    gallery.add_to(page, HOSTILE)
    return page


def test_texts_of_files_stay_texts_and_nothing_is_loaded():
    html = a_page().html()
    assert len(re.findall("<script", html)) == len(re.findall("</script", html)) == 2
    assert "alert(&quot;1&quot;)" in html and "دجاجة" in html
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(?!data:|#)\w""", html)
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])
    assert data["shots"][0]["title"] == HOSTILE


def test_markdown_has_no_html():
    text = a_page().markdown()
    assert "(1 pictures: see the HTML page)" in text and "<div" not in text and "data:" not in text


@pytest.mark.parametrize("count", [2, 8])
def test_gallery_keeps_within_its_bytes(count):
    gallery = Gallery(expected=count, limit=150_000 * count)
    big = noise(1600, 1200)
    for number in range(count):
        gallery.add(big, [Mark((10, 10, 500, 700), "missed", focus=True)], "x", key=number)
    page = Page("")
    gallery.add_to(page)
    assert 100_000 * count < len(page.html()) < 150_000 * count + 30_000


def test_one_image_is_embedded_once():
    gallery = Gallery(expected=3)
    for number in range(3):
        gallery.add(noise(), [Mark((0, 0, 9, 9))], f"box {number}", key="same")
    page = Page("")
    gallery.add_to(page)
    data = json.loads(re.search(r"json\">(.*?)</script>", page.html(), re.S)[1])
    assert len(data["pictures"]) == 1 and [shot["picture"] for shot in data["shots"]] == [0, 0, 0]


def test_chart_interrupts_lines_without_values():
    y = np.array([0, 1, np.nan, 1, 0])
    assert line_chart([Line("a", np.arange(5), y)], "", "", (0, 4), (0, 1)).count("<polyline") == 2
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1] and ticks(3, 3) == [3]
