"""The page of a model, looked at in a browser: every link, filter and button, at two widths."""

import json
import re

import numpy as np
import pytest
from browser import chromium, requests, set_size
from specs import NANODET_M

from nanodet.data.records import Annotations, Picture
from nanodet.errors import NanodetError
from nanodet.evaluate.coco_metrics import evaluate_detections
from nanodet.evaluate.intervals import intervals_of
from nanodet.images.image_file import write_picture
from nanodet.pages.page import Page
from nanodet.report.page import _add_cards, model_page
from nanodet.report.report import report
from nanodet.report.results import measured_of
from nanodet.report.speed import Speed, Timing
from nanodet.report.subject import find_subject
from nanodet.report.training import Training
from nanodet.runtime.detections import Detections
from nanodet.runtime.spec import Spec

pytest.importorskip("pycocotools")
PICTURES = 30
# a click at the middle of an element that can be seen, without the pauses of selenium's
PRESS = """arguments[0].scrollIntoView({block: "nearest"});
const box = arguments[0].getBoundingClientRect();
const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
if (!arguments[0].contains(there)) throw Error(`${arguments[0].outerHTML} is covered`);
arguments[0].click();"""
CHOOSE = (
    "arguments[0].selectedIndex = arguments[1]; arguments[0].dispatchEvent(new Event('change'))"
)
MEASURED = []  # of the page
NAMES = ("cell", '<script>throw "x"</script>', "دجاجة", "鸡**`")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a model that does not exist, with mistakes of all kinds on 30 drawn images."""
    folder = tmp_path_factory.mktemp("model")
    random = np.random.default_rng(0)
    pictures, detections = [], []
    for number in range(30):
        path = folder / f"<b>{number}.png"
        write_picture(path, random.integers(0, 256, (90, 120, 3), np.uint8))
        corner = random.uniform(0, 60, (3, 2))
        boxes = np.concatenate([corner, corner + random.uniform(10, 30, (3, 2))], axis=1)
        labels = random.integers(0, 4, 3)
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        pictures.append(Picture(path, number + 1, 120, 90, boxes, labels, areas))
        found = np.concatenate([boxes[:2] + random.normal(0, 5, (2, 4)), [[90, 60, 115, 85]]])
        guess = [labels[0], random.integers(0, 4), random.integers(0, 4)]
        detections.append(
            Detections(found, random.uniform(0.1, 1, 3), guess, NAMES, random.uniform(1, 9, (3, 4)))
        )
    annotations = Annotations(NAMES, (1, 2, 3, 4), pictures)
    metrics = evaluate_detections(annotations, detections)
    metrics.intervals = intervals_of(metrics)
    spec = Spec(NAMES, class_scores=(0.3, 0.4, 0.5, 0.2), **NANODET_M)
    stage = {
        "pictures": 8,
        "score_max": 1e-6,
        "edge_max": 2e-4,
        "tolerance": {"score": 0.001, "edge": 0.05},
    }
    spec.measured = {"compared_on": "8 generated images", "against_torch": {"ncnn fp32": stage}}
    for name in ("model.param", "model.bin"):
        (folder / name).write_text("")
    spec.files = {"model.bin": "0" * 64}
    spec.save(folder / "model.json")
    steps = np.arange(50.0)
    training = Training(
        config={"a": "</pre>"},
        source="my.yml",
        curves={"train/loss": (steps, steps, 1 / (1 + steps))},
    )
    timing = Timing("model", "ncnn 1", "fp32", 1, "320x320", 4.5, 5.5, 6.0)
    shown = [one[one.confidence > spec.scores_of(one.class_id)] for one in detections]
    MEASURED[:] = [measured_of(spec, annotations, detections, shown, metrics, "drawn images")]
    built = model_page(
        find_subject(folder / "model.param"), spec, MEASURED[0], detections, training,
        Speed([timing], "a <machine>", "measured", ["busy"]), None, PICTURES,
    )  # fmt: skip
    path = folder / "report.html"
    path.write_text(built.html(), encoding="utf-8")
    return path


def test_what_the_page_says(page):
    html = page.read_text(encoding="utf-8")
    for text in ("another file", "5.5 ms", "1e-06", "0.0002", "threshold 0.40", "own thresholds"):
        assert text in html
    assert "throw &quot;x&quot;" in html and "دجاجة" in html and "<machine>" not in html
    assert len(re.findall("<script", html)) == 2 and len(html) < 2_000_000


def test_the_time_at_the_top_is_the_models_own(page):
    subject, cards = find_subject(page.parent / "model.param"), []
    for names, shown in ((["other", "model"], "9.0 ms"), (["other"], None)):
        timings = [Timing(name, "ncnn", "fp32", 1, "320x320", 1.0, 9.0 if name == "model" else 2.0, 9.0)
                   for name in names]  # fmt: skip
        found = Page("")
        _add_cards(found, subject, MEASURED[0], Speed(timings, "board", "of a file", []))
        cards.append(found.markdown())
        assert ("Per image" in cards[-1]) == bool(shown) and (shown or "MB") in cards[-1]


@pytest.mark.parametrize("text", [None, "a: ["])
def test_a_config_that_cannot_be_read_is_told_though_images_are_given(page, tmp_path, text):
    config = tmp_path / "my.yml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(NanodetError, match=r"my\.yml"):
        report(
            page.parent / "model.param", tmp_path, config, config=config, out=tmp_path / "x.html"
        )
    assert not (tmp_path / "x.html").exists()


def test_every_link_filter_and_button(page):
    with chromium() as driver:
        for width in (1280, 390):
            set_size(driver, width, 800)
            driver.get(page.as_uri())
            _use(driver, width)
        assert [entry["message"] for entry in driver.get_log("browser")] == []
        assert set(requests(driver)) == {page.as_uri()}


def _use(driver, width):
    """Click everything on the page."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    def every(selector):
        return driver.find_elements(By.CSS_SELECTOR, selector)

    def one(selector):
        return driver.find_element(By.CSS_SELECTOR, selector)

    def press(element):
        driver.execute_script(PRESS, element)

    def visible():
        shown = "return [...document.querySelectorAll('.shots > li')].map(item => item.checkVisibility())"
        return np.flatnonzero(driver.execute_script(shown)).tolist()

    def widest():
        return driver.execute_script("return document.documentElement.scrollWidth")

    assert widest() <= width  # nothing has to be scrolled sideways
    for link in every("nav a"):
        press(link)
        target = link.get_attribute("href").partition("#")[2]
        assert -2 < one(f"#{target}").rect["y"] - driver.execute_script("return scrollY") < 800
    for folded in every("details"):
        press(folded.find_element(By.TAG_NAME, "summary"))
        assert folded.get_property("open")
    assert widest() <= width
    panels, plots = one(".choice select"), every(".choice .panel")
    for number in range(len(plots)):
        driver.execute_script(CHOOSE, panels, number)
        shown = driver.execute_script(
            "return arguments[0].map(panel => panel.checkVisibility())", plots
        )
        assert shown.count(True) == 1 and shown[number]
    assert panels.text.split("\n")[1:] == list(NAMES)
    heads = every("table.sortable th button")
    press(heads[2])
    driver.execute_script("for (const head of arguments[0]) head.click()", heads[3:])
    assert len(every("th[aria-sort]")) == len(every("table.sortable"))

    shots = json.loads(one(".gallery script").get_attribute("textContent"))["shots"]
    assert len(visible()) == (24 if width > 600 else 12) and len(shots) == PICTURES
    press(one(".more"))
    assert len(visible()) == PICTURES
    kinds = every(".kinds button")
    assert len(kinds) > 4
    for button in reversed(kinds):  # "all" comes last
        press(button)
        kind = button.get_attribute("data-kind")
        assert visible() == [i for i, shot in enumerate(shots) if kind in ("", shot["kind"])]
    classes = one(".filters select")
    groups = [option.get_attribute("value") for option in every(".filters option")]
    for number in reversed(range(len(groups))):
        group = groups[number]
        driver.execute_script(CHOOSE, classes, number)
        assert visible() == [i for i, shot in enumerate(shots) if group in ("", shot["group"])]
    score = one(".filters input")
    score.send_keys(Keys.END, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert visible() == [i for i, shot in enumerate(shots) if (shot["score"] or 0) >= 0.9]
    score.send_keys(Keys.HOME)

    second = every(".shots button")[1]
    second.click()
    viewer = one("dialog")
    title = viewer.find_element(By.TAG_NAME, "h3")
    assert (
        viewer.is_displayed()
        and title.text.split() == shots[1]["title"].split()
        and widest() <= width
    )
    one(".viewer .on").click()
    assert title.text.split() == shots[2]["title"].split()
    walk = """return arguments[0].map(() => {
        document.querySelector(".viewer .on").click();
        return document.querySelector(".viewer h3").textContent;
    })"""
    assert driver.execute_script(walk, shots[:-1]) == [s["title"] for s in shots[3:] + shots[:2]]
    viewer.send_keys(Keys.ARROW_LEFT)
    assert title.text.split() == shots[0]["title"].split()
    press(one(".viewer .back"))
    assert title.text.split() == shots[-1]["title"].split()
    viewer.send_keys(Keys.ARROW_RIGHT)
    marks = len(every(".stage rect"))
    assert marks == len(shots[0]["marks"])
    for toggle in every(".viewer button[data-marks]"):
        press(toggle)
    assert every(".stage rect") == []
    before = one(".stage svg").get_dom_attribute("viewBox")
    press(one(".close-up"))
    assert one(".stage svg").get_dom_attribute("viewBox") != before
    unnamed = "return [...document.querySelectorAll('button')].filter(b => !(b.ariaLabel || b.textContent))"
    assert driver.execute_script(unnamed) == []
    for button in every(".viewer button"):
        assert button.rect["x"] >= 0 and button.rect["x"] + button.rect["width"] <= width
    viewer.send_keys(Keys.ESCAPE)
    assert (
        not viewer.is_displayed() and driver.switch_to.active_element == every(".shots button")[0]
    )
    second.click()
    press(one(".viewer .close"))
    assert not viewer.is_displayed()
