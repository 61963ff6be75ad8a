"""Nobody reads what a command prints, as in a pipe into `head`: its files and its status count."""

import json
import os
import sys

import cv2
import pytest
from moving_pictures import grey
from small_disk import as_root, filled, mounted

from nanodet.cli.main import main
from nanodet.config import save_config
from nanodet.export.stages import FP32, SIMPLIFIED
from nanodet.model.checkpoint import read_checkpoint


@pytest.fixture
def reader(monkeypatch):
    """The reading end of a pipe that is the standard output."""
    ends = [os.fdopen(end, mode) for end, mode in zip(os.pipe(), "rw", strict=True)]
    monkeypatch.setattr(sys, "stdout", ends[1])
    yield ends[0]
    for end in ends:
        end.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name in "ab":
        cv2.imwrite(str(folder / f"{name}.png"), grey(150))
    return folder


def test_files_are_written(small_checkpoint, exported_small, pictures, reader, tmp_path, capfd):
    save_config(read_checkpoint(small_checkpoint).config, tmp_path / "small.yml")
    param = exported_small.files[FP32]
    reader.close()
    for files, words in {
        ("q/small-int8.param", "q/small-int8.json"): [
            "quantize", param, "--images", pictures, "--layers", "all", "--method", "max", "--out", "q",
        ],
        ("i.ckpt",): ["import", param, "--config", "small.yml", "--out", "i.ckpt"],
        ("d/a.png", "d/b.png", "d/detections.jsonl"): ["detect", param, pictures, "--out", "d"],
        ("b.json",): [
            "bench", exported_small.files[SIMPLIFIED], "--runs", "2", "--seconds", "0.01",
            "--json", "b.json",
        ],
    }.items():  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            assert main([str(word) for word in words]) == 0, (words, capfd.readouterr().err)
        assert "error" not in capfd.readouterr().err
        assert all((tmp_path / file).is_file() for file in files), words


@pytest.mark.slow
def test_an_export_is_written(small_checkpoint, reader, tmp_path):
    reader.close()
    words = ["export", small_checkpoint, "--formats", "onnx", "--out", tmp_path / "e"]
    assert main([str(word) for word in words]) == 0
    assert (tmp_path / "e" / "small.onnx").is_file()


def test_a_verdict_is_the_status(small_checkpoint, pictures, reader, tmp_path, capfd):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    reader.close()
    words = ["verify", small_checkpoint, tmp_path / "bad.onnx", "--images", pictures]
    assert main([str(word) for word in words]) == 1
    assert "nanodet: error: verify: " in capfd.readouterr().err


@as_root
def test_a_table_is_shown_although_its_file_cannot_be_written(
    small_checkpoint, exported_small, pictures, tmp_path, capfd
):
    model = exported_small.files[SIMPLIFIED]
    truth = tmp_path / "truth.json"
    classes = read_checkpoint(small_checkpoint).config.class_names
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    truth.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png"}],
                "categories": [{"id": 1, "name": classes[0]}],
                "annotations": [box],
            }
        )
    )
    with mounted(tmp_path / "disk", "1m") as disk:
        out = disk / "out.json"
        for table, words in {
            "AP50": ["eval", model, "--images", pictures, "--annotations", truth],
            "score max": ["verify", small_checkpoint, model, "--images", pictures],
            "network": ["bench", model, "--runs", "2", "--seconds", "0.01"],
        }.items():
            with filled(disk, 0):
                assert main([*map(str, words), "--json", str(out)]) == 1
            told = capfd.readouterr()
            assert table in told.out, words
            assert told.err.splitlines()[-1].startswith(
                f"nanodet: error: {out}: cannot be written (No"
            )
