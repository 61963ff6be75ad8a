"""The parity of exported forms, from whatever their specs hold."""

import json

import pytest
from specs import NANODET_M

from nanodet.errors import NanodetError
from nanodet.files.files import sha256
from nanodet.pages.page import Page
from nanodet.report.forms import add_forms, read_verified
from nanodet.report.making import add_files
from nanodet.report.speed import read_speed
from nanodet.report.subject import find_subject
from nanodet.runtime.spec import Spec

STAGE = {"score_max": 1e-3, "score_most": 1e-4, "edge_max": 0.25, "edge_most": 0.125, "matched": 0.999,
         "tolerance": {"score": 0.01, "edge": 0.5, "matched": 0.98}}  # fmt: skip
INT8 = {"ap": {"fp32": 50.0, "int8": 49.5, "drop": 0.5, "intervals": {"drop": [-0.25, 1.25]}},
        "measuring_pictures": 40, "twins": 0.9}  # fmt: skip


def save(folder, name, checkpoint, **measured):
    spec = Spec(("a",), **NANODET_M)
    spec.source, spec.measured = {"sha256": checkpoint}, measured
    spec.save(folder / f"{name}.json")
    for end in (".param", ".bin"):
        (folder / f"{name}{end}").write_text(name)


def page_of(model, exports=None, verified=None):
    page = Page("")
    add_forms(page, find_subject(model, exports), verified)
    return page.markdown()


def test_forms_of_the_same_checkpoint_are_shown(tmp_path):
    save(tmp_path, "m", "1" * 64, compared_on="8 images", against_torch={"ncnn fp32": STAGE})
    save(tmp_path, "m-int8", "1" * 64, int8=INT8)
    save(tmp_path, "other", "2" * 64, against_torch={"ncnn of another": STAGE})
    text = page_of(tmp_path / "m.param")
    for part in ("ncnn fp32 | 8 images", "0.001 | 0.0001 | 0.25 | 0.125 | 99.9 %", "95 %: 0.01, 0.5 px",
                 "AP 49.50 in int8, 50.00 in fp32, a drop of 0.50 (95 %: -0.25 .. 1.25), on 40 images",
                 "90.0 % of the detections"):  # fmt: skip
        assert part in text
    assert "another" not in text
    assert "1 other exported files" in page_of(tmp_path / "m.param", exports=tmp_path)


def test_the_thresholds_are_those_of_the_file_that_is_handed_over(tmp_path):
    """A checkpoint has none of its own: `nanodet eval --wish` writes them into an exported form."""
    checkpoint = tmp_path / "run" / "model_last.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_text("weights")
    (checkpoint.parent / "config.yml").write_text("")
    assert find_subject(checkpoint).shipped_spec is None
    (tmp_path / "exported").mkdir()
    save(tmp_path / "exported", "m", sha256(checkpoint))
    spec = Spec.load(tmp_path / "exported" / "m.json")
    spec.class_scores = (0.21,)
    spec.save(tmp_path / "exported" / "m.json")
    for given in (checkpoint, tmp_path / "exported" / "m.param"):
        shown = find_subject(given, tmp_path / "exported").shipped_spec
        assert shown.class_scores == (0.21,)


def test_exports_of_one_name_in_several_folders_are_told_apart(tmp_path):
    page, checkpoint = Page(""), tmp_path / "run" / "model_last.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_text("weights")
    (checkpoint.parent / "config.yml").write_text("")
    for name, error in (("arm", 0.125), ("x86", 0.25)):
        folder = checkpoint.parent / name
        folder.mkdir()
        stage = STAGE | {"edge_max": error}
        save(folder, "m", sha256(checkpoint), against_torch={"ncnn fp32": stage})
        (folder / "m.bin").write_text(name)
        spec = Spec.load(folder / "m.json")
        spec.files = {"m.bin": sha256(folder / "m.bin")}
        spec.save(folder / "m.json")
    subject = find_subject(checkpoint.parent)
    add_forms(page, subject, None)
    add_files(page, subject)
    text = page.markdown()
    for name, error in (("arm", 0.125), ("x86", 0.25)):
        assert f"ncnn fp32, {name} |" in text and f"| {error} |" in text and f"{name}/m.bin" in text
    assert text.count("the same") == 2 and "another file" not in text


@pytest.mark.parametrize("measured", [
    {"against_torch": []}, {"against_torch": {"a": 3, "b": {"score_max": "x", "tolerance": [1]}}},
    {"int8": 5}, {"int8": {"ap": {"fp32": None, "int8": True, "intervals": 3}, "twins": "x"}},
    {"against_torch": {"a": {"score_max": 1e300, "edge_max": 10**400}}},
])  # fmt: skip
def test_strange_figures_are_left_out(tmp_path, measured):
    save(tmp_path, "m", "1" * 64, **measured)
    assert "Traceback" not in page_of(tmp_path / "m.param")


def test_the_report_of_verify_is_shown(tmp_path):
    save(tmp_path, "m", "1" * 64)
    stage = {"name": "ncnn fp32", "verdict": "agrees", "result": None, "ap": 40.0, "ap_change": 0.01,
             "ap_change_interval": [-0.02, 0.03], "twins": 1.0}  # fmt: skip
    path = tmp_path / "verified.json"
    path.write_text(
        json.dumps({"stages": [stage], "pictures": "20 images", "reference": "/x/my.ckpt"})
    )
    text = page_of(tmp_path / "m.param", verified=read_verified(path))
    assert (
        "agrees | - | - | 100.0 % | 40.00 | 0.01 (95 %: -0.02 .. 0.03)" in text
        and "`my.ckpt`" in text
    )


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"stages": [1]}', '{"results": 1, "machine": 2}']
)
def test_other_files_are_one_line(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    for read in (read_verified, read_speed):
        with pytest.raises(NanodetError, match=r"x\.json") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(NanodetError, match=r"is a folder without model_best/model_best\.ckpt"):
        find_subject(tmp_path)
    save(tmp_path, "m", "1" * 64)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NanodetError, match="empty: holds no exported model"):
        find_subject(tmp_path / "m.param", tmp_path / "empty")
