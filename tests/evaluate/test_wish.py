"""`nanodet eval --wish`: which scores are chosen, and that they reach the specs."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from specs import NANODET_M
from test_eval_command import evaluate as evaluate_command
from test_eval_command import trained  # noqa: F401
from test_score_curves import curves_of, made

from nanodet import Detector, NanodetError
from nanodet.evaluate.model_specs import change_specs
from nanodet.evaluate.score_curves import ScoreCurve
from nanodet.evaluate.wish import (
    FEWEST,
    OPTION,
    Wish,
    choose,
    kept,
    threshold_of,
)
from nanodet.evaluate.wish_spec import check_wish, write_scores
from nanodet.evaluate.wish_text import format_scores
from nanodet.export.stages import SIMPLIFIED
from nanodet.files.files import write_text
from nanodet.images.image_file import read_picture
from nanodet.runtime.spec import Spec
from nanodet.verify.specs import differing_beside, differing_thresholds

pytest.importorskip("pycocotools")
LOWEST = 0.05


def curve(hits, objects, scores=None, name="a"):
    """A curve of independent detections, best first."""
    true, found = np.cumsum(hits).astype(float), np.arange(1, len(hits) + 1)
    scores = np.linspace(0.9, 0.1, len(hits)) if scores is None else scores
    return ScoreCurve(
        name, objects, np.asarray(scores, np.float32), found, true / found, true / objects,
        2 * true / (found + objects), found.astype(float), np.full(len(hits), float(objects)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "measure", "value"),
    [
        ("precision=0.9", "precision", 0.9),
        ("recall=.8", "recall", 0.8),
        ("f1", "f1", None),
        ("keep", "keep", None),
        ("none", "none", None),
    ],
)
def test_a_wish_is_read(text, measure, value):
    assert Wish.parse(text) == Wish(measure, value)
    assert Wish.parse(str(Wish.parse(text))) == Wish.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "precision",
        "precision=",
        "precision=1",
        "recall=nan",
        "recall=90",
        "f1=0.5",
        "AP=0.5",
        "keep=1",
    ],
)
def test_another_wish_is_one_line(text):
    with pytest.raises(NanodetError, match=r"^--wish: must be precision=P or recall=R, .*, not '"):
        Wish.parse(text)


def test_a_precision_takes_the_lowest_score_and_a_recall_the_highest():
    good = [True] * 100 + [False] * 300
    precision, holds = Wish("precision", 0.9).entry(curve(good, 200))
    assert holds and 100 < precision < 111  # 100 of 111 are 0.9, which is not certain
    assert Wish("precision", 0.5).entry(curve(good, 200))[0] > precision
    recall, holds = Wish("recall", 0.4).entry(curve(good, 200))
    assert holds and 80 < recall < 100
    assert Wish("f1").entry(curve(good, 200)) == (99, True)


def test_luck_is_not_enough():
    """Two true detections of two are no precision of 0.9; of fewer boxes per image even less."""
    assert Wish("precision", 0.9).entry(curve([True, True, False], 60)) == (1, False)
    one = curve([True] * 40 + [False] * 2, 60)
    assert Wish("precision", 0.9).entry(one)[1]
    together = dataclasses.replace(one, precision_size=one.precision_size / 4)
    assert not Wish("precision", 0.9).entry(together)[1]
    assert Wish("recall", 0.8).entry(one) == (39, False)  # it finds two thirds at most
    for empty in (curve([], 60), dataclasses.replace(one, objects=0)):
        assert Wish("f1").entry(empty) is None


@pytest.mark.parametrize(("wanted", "fewest"), [(0.9, 15), (0.8, 7)])
def test_so_many_true_boxes_make_a_wish_certain(wanted, fewest):
    """All of n true: Wilson's lower end is 1 / (1 + z^2 / n), of which 90 % is certain at z = 1.28."""
    for count in (fewest - 1, fewest):
        assert Wish("precision", wanted).entry(curve([True] * count, 60))[1] == (count == fewest)


def test_a_threshold_keeps_the_detections_of_its_entry_in_few_digits():
    one = curve([True] * 4, 60, scores=[0.81234, 0.8123, 0.4, 0.1])
    scores = [threshold_of(one, entry, LOWEST) for entry in range(4)]
    assert scores == [0.8123, 0.4, 0.1, 0.05]
    for entry, score in enumerate(scores):
        assert one.at(score) == entry
    close = np.float32(0.7)
    near = curve([True] * 2, 60, scores=[np.nextafter(close, np.float32(1)), close])
    assert near.at(threshold_of(near, 0, LOWEST)) == 0


@pytest.fixture
def curves():
    """Of two classes, of which one has too few boxes, and of all."""
    many = curve([True] * 90 + [False] * 60, 100, name="many\n")
    few = curve([False, True], FEWEST - 1, name="few")
    return [many, few, curve([], 0, name="none")], many


def test_few_boxes_take_the_score_of_all(curves):
    found = choose(Wish("precision", 0.9), *curves, LOWEST, "m.onnx")
    many, few, none = found.classes
    assert (many.own, few.own, none.own) == (True, False, False)
    assert found.class_scores == (found.together.score,) * 3
    # of the two boxes of "few", the false one alone scores above that
    assert (few.detections, few.precision.value, few.recall.value) == (1, 0, 0)
    assert (none.detections, none.precision, none.recall, none.f1) == (0, None, None, None)
    text = format_scores(found)
    assert text.splitlines()[0].startswith("scores for precision=0.9 at IoU 0.5")
    assert "shared: fewer than 50 objects" in text and "not certain" not in text
    record = found.summary(7, "x/val.json", "lists/half.txt")
    assert record == {
        "wish": "precision=0.9", "images": 7, "annotations": "val.json", "list": "half.txt",
        "of_all_classes": ["few", "none"], "not_certain": [],
    }  # fmt: skip
    json.dumps(found.to_dict())


def test_what_the_scores_of_a_spec_are_worth(curves):
    spec = Spec(("many", "few", "none"), score=0.5, **NANODET_M)
    found = kept(*curves, spec)
    assert found.class_scores == (0.5,) * 3 and found.together.detections == 75
    assert found.classes[0].recall.value == 0.75
    spec.class_scores = (0.5, 0.2, 0.9)
    found = kept(*curves, spec)
    assert found.class_scores == spec.class_scores and found.together is None
    assert (found.classes[1].detections, found.classes[2].recall) == (1, None)
    spec.class_scores = (0.5, 0.95, 0.9)  # of "few" nothing is found
    missed = kept(*curves, spec).classes[1]
    assert (missed.precision, missed.recall.value, missed.f1) == (None, 0, 0)
    assert "all classes" not in format_scores(found)


def test_a_wish_that_cannot_be_met_is_one_line_of_the_class(curves):
    found = choose(Wish("recall", 0.95), *curves, LOWEST, "m.onnx")
    lines = [line for line in format_scores(found).splitlines() if "not certain" in line]
    assert len(lines) == 2  # of all, and of the class
    assert lines[1].startswith(
        "many\\n: recall=0.95 is not certain at any threshold on these images; "
    )
    # a class that shares a threshold knows no more than that
    assert found.summary(7, "val", None)["not_certain"] == ["many\n", "few", "none"]
    with pytest.raises(NanodetError, match=r"^m\.onnx: --wish: it finds nothing in these images"):
        choose(Wish("f1"), curves[0], curve([], 10), LOWEST, "m.onnx")
    with pytest.raises(NanodetError, match=r"^m\.onnx: --wish: these images have no objects"):
        choose(Wish("f1"), curves[0], curve([], 0), LOWEST, "m.onnx")


def test_the_wish_holds_on_other_images():
    """Scores chosen on some images, measured on as many others of the same kind."""
    truth, found = made(2, images=400)
    parts = [
        curves_of(dataclasses.replace(truth, pictures=truth.pictures[a:b]), found[a:b])
        for a, b in ((0, 200), (200, 400))
    ]
    for (curves, together), (others, _) in (parts, parts[::-1]):
        chosen = choose(Wish("precision", 0.9), curves, together, LOWEST, "m")
        for one, other in zip(chosen.classes[:2], others[:2], strict=True):
            measured = other.interval("precision", other.at(one.score))
            assert one.own and one.holds and measured.high > 0.9 and measured.value > 0.85
        for least, certain in ((0.5, False), (0.4, True)):
            recall = choose(Wish("recall", least), curves, together, LOWEST, "m").classes[0]
            measured = others[0].interval("recall", others[0].at(recall.score))
            assert measured.high > 0.5 and measured.value > least - 0.05
            assert recall.own and recall.holds == certain


@pytest.fixture
def exported(exported_small, tmp_path):
    """The files of the stem ``small``: ONNX and ncnn, with one spec."""
    source = exported_small.files[SIMPLIFIED]
    (tmp_path / "out").mkdir()
    for suffix in (".onnx", ".param", ".bin", ".json"):
        shutil.copy(source.with_suffix(suffix), tmp_path / "out")
    return tmp_path / "out" / source.name


def test_the_command_writes_the_specs(exported, trained, capsys):  # noqa: F811
    data = "--images", "val/images", "--annotations", "val/labels"
    evaluate_command(exported, *data, "--json", "plain.json")
    plain, before = capsys.readouterr().out, Spec.load(exported.with_suffix(".json"))
    inside = Detector(exported).spec
    evaluate_command(exported, *data, "--wish", "f1", "--json", "wish.json")
    printed = capsys.readouterr().out
    assert printed.startswith(plain)  # AP is that of all detections, whatever the wish
    assert printed.splitlines()[-1] == f"{exported.with_suffix('.json')}: scores written"
    results = json.loads(open("wish.json").read())
    after = Spec.load(exported.with_suffix(".json"))
    assert after.class_scores == tuple(one["score"] for one in results.pop("wish")["classes"])
    assert results == json.loads(open("plain.json").read())
    assert after.to_dict()["format"] == 6 and len(after.class_scores) == 3
    assert after.measured["class_scores"]["wish"] == "f1"
    assert after.measured["class_scores"]["images"] == 2
    kept = {"class_scores": None, "files": before.files, "measured": before.measured}
    assert dataclasses.replace(after, **kept) == before
    for model in (exported, exported.with_suffix(".param")):
        assert Detector(model).thresholds.class_scores == after.class_scores
        assert Detector(model, score=0.2).thresholds.class_scores is None
    evaluate_command(exported, *data, "--wish", "keep", "--json", "again.json")
    again = json.loads(open("again.json").read())
    assert [one["score"] for one in again.pop("wish")["classes"]] == list(after.class_scores)
    assert again == results and Spec.load(exported.with_suffix(".json")) == after
    assert "scores of the spec at IoU 0.5" in capsys.readouterr().out
    evaluate_command(exported, *data, "--wish", "none", "--json", "none.json")
    printed = capsys.readouterr().out
    assert "the score of all classes at IoU 0.5" in printed
    assert printed.splitlines()[-1] == f"{exported.with_suffix('.json')}: scores removed"
    one = json.loads(open("none.json").read())["wish"]
    assert [row["score"] for row in (*one["classes"], one["all"])] == [before.score] * 4
    back = Spec.load(exported.with_suffix(".json"))
    assert dataclasses.replace(back, files=before.files) == before
    assert Detector(exported).spec.class_scores is None and Detector(exported).spec == inside


def test_what_another_input_measures_is_not_written(exported, trained):  # noqa: F811
    before = exported.with_suffix(".json").read_bytes()
    data = "--images", "val/images", "--annotations", "val/labels"
    width, height = Spec.load(exported.with_suffix(".json")).input_size
    for option, other in (
        (("--wish", "f1"), ("--size", "128x128")),
        (("--wish", "none"), ("--fit", "stretch")),
        (("--calibrate",), ("--size", "128x128")),
    ):
        line = rf"^{exported}: {option[0]}: writes .* for {width}x{height}, letterbox: leave out"
        with pytest.raises(NanodetError, match=line):
            evaluate_command(exported, *data, *option, *other)
        assert exported.with_suffix(".json").read_bytes() == before


def shown(model):
    """How many boxes of each class a model shows on the images of `trained`."""
    detector = Detector(model)
    found = [detector(read_picture(f"val/images/{i}.png")).class_id for i in range(2)]
    return np.bincount(np.concatenate(found), minlength=3).tolist()


@pytest.mark.parametrize("wish", ["recall=0.3", "f1"])
@pytest.mark.parametrize("limit", [("per_picture", 3), ("per_level", 4)])
def test_the_table_is_of_what_the_model_shows(exported, trained, monkeypatch, limit, wish):  # noqa: F811
    """Boxes that others push out of an image, or of a level, as long as these are below their thresholds."""
    change_specs(exported, OPTION, dict([limit]))
    monkeypatch.setattr("nanodet.evaluate.wish.FEWEST", 1)
    detector = Detector(exported, score=LOWEST, per_level=1000, per_picture=1000)
    for i in range(2):  # objects of all classes, where the model finds some, however low they score
        picture = read_picture(f"val/images/{i}.png")
        found, (height, width) = detector(picture), picture.shape[:2]
        lines = []
        for label in range(3):
            for x0, y0, x1, y1 in found[found.class_id == label].xyxy[:8:2] / np.tile(
                [width, height], 2
            ):
                middle = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
                lines.append(" ".join(map(str, (label, *middle))) + "\n")
        write_text(f"val/labels/{i}.txt", "".join(lines))
    data = "--images", "val/images", "--annotations", "val/labels"
    evaluate_command(exported, *data, "--wish", wish, "--json", "wish.json")
    chosen = json.loads(open("wish.json").read())["wish"]["classes"]
    assert len({one["score"] for one in chosen}) > 1
    assert [one["detections"] for one in chosen] == shown(exported)
    evaluate_command(exported, *data, "--wish", "keep", "--json", "keep.json")
    kept_ones = json.loads(open("keep.json").read())["wish"]["classes"]
    for one, other in zip(chosen, kept_ones, strict=True):
        assert all(one[key] == other[key] for key in ("detections", "precision", "recall", "f1"))


def test_a_score_below_that_of_eval_is_measured_as_it_is(exported, trained):  # noqa: F811
    change_specs(exported, OPTION, {"class_scores": (0.5, 0.01, 0.5)})
    evaluate_command(
        exported, "--images", "val/images", "--annotations", "val/labels", "--wish", "keep",
        "--json", "keep.json",
    )  # fmt: skip
    rows = json.loads(open("keep.json").read())["wish"]["classes"]
    assert [one["detections"] for one in rows] == shown(exported)


def test_copies_of_a_spec_have_the_same_scores(exported):
    names = Spec.load(exported.with_suffix(".json")).class_names
    found = choose(
        Wish("f1"), [curve([True], 60, name=one) for one in names], curve([True], 60), 0.1, "m"
    )
    write_scores(exported, found, {"wish": "f1"})
    spec, inside = Spec.load(exported.with_suffix(".json")), Detector(exported).spec
    assert spec.class_scores == inside.class_scores == found.class_scores
    assert differing_beside(exported, inside) == []
    other = dataclasses.replace(spec, class_scores=(0.5, 0.6, 0.7))
    other.save(exported.with_suffix(".json"))
    assert [key for key, _ in differing_beside(exported, inside)] == ["thresholds.class_scores"]
    plain = dataclasses.replace(spec, class_scores=None)
    assert differing_thresholds(other, plain) == [
        "thresholds.class_scores: 3 from 0.5 to 0.7, the reference has none"
    ]
    assert differing_thresholds(plain, dataclasses.replace(plain, class_scores=(0.5,) * 3)) == [
        "thresholds.class_scores: none, not 3 of 0.5"
    ]


@pytest.mark.slow
def test_verify_notes_the_scores_and_measures_without_them(exported, small_checkpoint):
    from nanodet.verify.verify import verify

    plain = verify(small_checkpoint, [exported])
    change_specs(exported, OPTION, {"class_scores": (0.9, 0.95, 1.0)})
    report = verify(small_checkpoint, [exported])
    assert plain.agrees and report.agrees
    assert report.rows[0].notes == [
        *plain.rows[0].notes, "thresholds.class_scores: 3 from 0.9 to 1, the reference has none"
    ]  # fmt: skip
    assert report.rows[0].detections == plain.rows[0].detections


def test_what_has_no_spec_or_one_score_is_one_line(tmp_path):
    spec, f1 = Spec(("a",), class_agnostic_nms=True, **NANODET_M), Wish("f1")
    with pytest.raises(
        NanodetError, match=r"m\.ckpt: --wish: a checkpoint has no spec to keep the "
    ):
        check_wish("m.ckpt", spec, f1)
    with pytest.raises(NanodetError, match=r"m\.onnx: --wish: with class-agnostic NMS"):
        check_wish("m.onnx", spec, f1)
    check_wish("m.onnx", spec, Wish("none"))  # removes them
    for wish, line in (
        ("f1", "nanodet-m_320: --wish: a published model"),
        ("F1", "--wish: must be"),
    ):
        with pytest.raises(NanodetError, match=line):
            evaluate_command(
                "nanodet-m_320", "--images", tmp_path, "--annotations", tmp_path, "--wish", wish
            )
