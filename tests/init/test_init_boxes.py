"""Which boxes `nanodet init` takes: those of the named classes, and none without a word."""

from collections import Counter

import pytest
from layouts import LAYOUTS

from nanodet.cli.main import main
from nanodet.data.read import read_annotations
from nanodet.data.reading import Reading

SKIP = ["--unknown-classes", "skip"]


@pytest.mark.parametrize(
    "layout, options", [("coco_alone", SKIP), ("yolo_names", SKIP), ("voc", [])]
)
def test_only_the_classes_that_are_named_are_learned_in_their_order(layout, options, written):
    config = written(layout, *options, "--classes", "star", "circle")
    assert config.class_names == ["star", "circle"]
    counts = []
    for names in (None, config.class_names):
        section = config.data.train
        found = read_annotations(
            section.name, section.img_path, section.ann_path, section.list_path, names,
            reading=Reading(unknown_classes="skip"),
        )  # fmt: skip
        counts.append(Counter(found.class_names[n] for p in found.pictures for n in p.labels))
    assert counts[1] == {name: counts[0][name] for name in config.class_names}
    assert counts[1].total() < counts[0].total()


@pytest.mark.parametrize("names", [["circle", "hexagon"], ["circle", "circle"], [""]])
def test_a_class_that_no_box_has_is_one_line_and_nothing_is_written(
    names, tmp_path, drawn, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    LAYOUTS["voc"][0](tmp_path / "shapes", drawn)
    assert main(["init", "shapes", "--model", "nanodet-m", "--classes", *names]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--classes" in error
    assert not list(tmp_path.glob("*.yml")) and not list(tmp_path.glob("*.txt"))


def test_boxes_that_are_left_out_are_told(tmp_path, drawn, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    LAYOUTS["csv"][0](tmp_path / "shapes", drawn)
    table = tmp_path / "shapes" / "train_labels.csv"
    head, first, *rows = table.read_text().splitlines()
    *words, x1, y1, x2, y2 = first.split(",")
    table.write_text("\n".join([head, ",".join((*words, x2, y2, x1, y1)), *rows]))
    assert main(["init", "shapes", "--model", "nanodet-m"]) == 0
    said = capsys.readouterr().out
    assert "1 problem in the annotations:" in said
    assert f"line 2 ({words[-1]}): box ({x2}, {y2}, {x1}, {y1}) ends before it begins" in said
