"""Each fault that the doctor claims to find is planted into a healthy set, found, and named."""

import json
import re
from dataclasses import replace

import pytest
from healthy import NAMES
from planted_faults import CASES

from nanodet.cli.main import main
from nanodet.config.load import save_config
from nanodet.doctor.doctor import diagnose
from nanodet.doctor.finding import Finding
from nanodet.doctor.page import _show
from nanodet.doctor.points import Learner
from nanodet.doctor.report import as_json, headline, lines
from nanodet.doctor.subject import Subject
from nanodet.pages.gallery import Gallery
from nanodet.pages.page import Page


@pytest.fixture(scope="module")
def learners():
    """The real `Learner.of`, which builds a network, and what it returned."""
    return Learner.of, {}


@pytest.fixture(autouse=True)
def one_learner(monkeypatch, learners):
    """Build one network for all tests of the same architecture and classes."""
    make, made = learners

    def of(arch, classes):
        key = repr(arch), classes
        if key not in made:
            made[key] = make(arch, classes)
        return made[key]

    monkeypatch.setattr(Learner, "of", of)


@pytest.mark.parametrize("name", CASES)
def test_a_planted_fault_is_found_and_named(name, healthy):
    function, code, severity, named, decode = CASES[name]
    function(healthy)
    found = diagnose(healthy.subject(), decode)
    ours = [one for one in found.findings if one.code == code and one.severity == severity]
    assert ours, [(one.code, one.severity) for one in found.findings]
    texts = [
        f"{one.amount} {one.what} " + " ".join(example.text for example in one.examples)
        for one in ours
    ]
    assert any(all(word in text for word in named) for text in texts), texts
    assert all(one.advice for one in found.findings)
    assert found.healthy == (severity != "error")


def test_a_healthy_set_passes(healthy):
    found = diagnose(healthy.subject())
    assert [(one.code, one.what) for one in found.findings] == []
    assert list(lines(found))[-1] == "no findings: nothing is wrong"


def test_one_fault_does_not_hide_another(healthy):
    for name in ("missing", "truncated", "resized", "class_of_another_name", "broken_entry"):
        CASES[name][0](healthy)
    healthy.train["annotations"][1]["category_id"] = 3
    found = diagnose(healthy.subject(), decode=False)
    codes = {one.code for one in found.findings}
    assert codes >= {
        "missing-images", "unreadable-images", "image-sizes", "broken-entries", "class-names",
    }  # fmt: skip


def test_the_command_writes_page_and_json(healthy, tmp_path, capsys):
    CASES["copy_in_both"][0](healthy)
    CASES["tiny"][0](healthy)
    config, page, out = (str(tmp_path / name) for name in ("my.yml", "page.html", "out.json"))
    save_config(healthy.build(), config)
    assert main(["doctor", config, "--page", page, "--json", out]) == 0
    said = capsys.readouterr().out
    assert "is a copy of" in said and "[tiny-boxes]" in said
    html = (tmp_path / "page.html").read_text()
    assert html.count("<img") == 5 + (2 + 1) + 2 * 12  # plots, findings, samples
    assert 'src="http' not in html
    assert "<li><code>" in html and "<pre" not in html  # long lines wrap
    found = json.loads((tmp_path / "out.json").read_text())
    assert {one["code"] for one in found["findings"]} == {"copies-in-both", "tiny-boxes"}
    assert found["healthy"] and found["sets"]["data.train"]["images"] == 30
    CASES["missing"][0](healthy)
    assert main(["doctor", config, "--quick"]) == 1


def test_a_box_of_another_class_is_shown_with_its_own(healthy):
    CASES["duplicate_box_of_another_class"][0](healthy)
    (example,) = next(
        one.examples
        for one in diagnose(healthy.subject(), decode=False).findings
        if one.code == "duplicate-boxes-other-class"
    )
    assert "(square" in example.text
    gallery, page = Gallery(1), Page("")
    _show(gallery, example.pictures[0], NAMES, example.text, example.box)
    gallery.add_to(page)
    same = example.pictures[0].boxes[example.box].tolist()
    (shot,) = json.loads(re.search(r"json\">(.*?)</script>", page.html(), re.S)[1])["shots"]
    marks = [(one["label"], one["box"] == same) for one in shot["marks"]]
    assert marks == [("disc", True), ("square", False), ("square", True)]
    assert [one.get("focus") for one in shot["marks"]] == [None, None, True]


def test_the_json_names_every_finding(healthy):
    CASES["duplicate_box"][0](healthy)
    found = as_json(diagnose(healthy.subject(), decode=False), "my.yml")
    one, other = found["findings"]  # of two boxes at one place, the points learn the first
    assert (one["code"], other["code"]) == ("duplicate-boxes", "unlearned-boxes")
    assert (one["set"], one["count"], one["of"]) == ("data.train", 1, 61)
    assert "000.png: box 3 of 3 (disc; " in one["examples"][0]


def test_a_count_reads_well_for_one():
    one = Finding("error", "a", "data.train", "entries cannot be read", "", 1)
    assert headline(one) == "error: data.train: entries cannot be read (1)"
    assert headline(replace(one, of=1200)) == "error: data.train: 1 of 1,200 entries cannot be read"
    assert headline(replace(one, count=0)) == "error: data.train: entries cannot be read"


@pytest.mark.parametrize("suffix", ["", "my.yml"])
def test_a_set_is_read_as_init_reads_it(healthy, suffix):
    """A folder that needs an option can be examined before it has a config."""
    config = healthy.build()
    if suffix:
        save_config(config, healthy.folder / suffix)
    found = Subject.of(healthy.folder / suffix, choices={"orientation": "stored"})
    assert {one.orientation for one in found.sections.values()} == {"stored"}


def test_a_folder_is_examined_as_init_would_train_on_it(healthy, capsys):
    CASES["duplicate_box"][0](healthy)
    healthy.build()
    assert main(["doctor", str(healthy.folder), "--quick"]) == 0
    said = capsys.readouterr().out
    assert "data.train: 30 images" in said and "data.val: 16 images" in said
    assert "000.png: box 3 of 3" in said
    assert main(["doctor", str(healthy.folder / "val.json"), "--quick", "--size", "32x32"]) == 0
    said = capsys.readouterr().out
    assert "input of 32x32" in said and "data.val" not in said
    for words in (["--size", "32x32"], ["data.val.fit=own"]):
        config = healthy.folder / "my.yml"
        save_config(healthy.build(), config)
        file = config if "--size" in words else healthy.folder
        assert main(["doctor", str(file), *words]) == 1
        assert capsys.readouterr().err.startswith(f"nanodet: error: {words[0]}: ")


def test_a_network_with_an_auxiliary_head_takes_its_classes_from_the_data(healthy):
    """Its keys follow from the head's, whose number of classes the data has."""
    healthy.config.pop("class_names")
    arch = healthy.config["model"]["arch"]
    arch |= {"name": "NanoDetPlus", "head": {"name": "NanoDetPlusHead"}}
    arch |= {"fpn": {"name": "GhostPAN", "out_channels": 96, "num_extra_level": 1}}
    arch |= {"aux_head": {"name": "SimpleConvHead", "stacked_convs": 2}}
    CASES["no_point"][0](healthy)
    found = diagnose(healthy.subject(), decode=False)
    (one,) = [one for one in found.findings if one.code == "unlearned-boxes"]
    assert "DSLA with strides 8, 16, 32, 64" in one.what and one.count == 12


def test_a_set_of_which_no_image_can_be_read_is_not_healthy(healthy):
    for path in (healthy.folder / "val").iterdir():
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    for image in healthy.val["images"]:
        del image["width"], image["height"]
    found = diagnose(healthy.subject(), decode=False)
    (one,) = [one for one in found.findings if one.code == "unreadable-images"]
    assert (one.severity, one.part, one.count) == ("error", "data.val", 16) and not found.healthy


def test_classes_of_one_levelled_name_count_together(healthy):
    """`Disc` has the boxes, `disc` none: whichever comes last, the class is trained."""
    healthy.config["class_names"] = ["Disc", "square", "disc"]
    for found in (healthy.train, healthy.val):
        found["categories"][0]["name"] = "Disc"
        found["categories"].append({"id": 3, "name": "disc"})
    codes = {one.code for one in diagnose(healthy.subject(), decode=False).findings}
    assert "classes-named-twice" in codes
    assert not codes & {"classes-only-validated", "different-classes"}
