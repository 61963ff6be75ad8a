"""Graphs with kernels, strides and groups that no layer can have end in one line."""

import re
import shutil

import hostile_models
import pytest

from nanodet.cli.main import main
from nanodet.export.ncnn_file import check_half


@pytest.mark.parametrize("key", ["1=0", "11=-1", "3=0", "7=0", "0=0", "2=0", "1=5", "6=7"])
def test_verify_says_so(small_checkpoint, exported_small, tmp_path, capfd, key):
    param = exported_small.files["ncnn fp32"]
    for suffix in (".param", ".bin", ".json"):
        shutil.copy(param.with_suffix(suffix), tmp_path / f"m{suffix}")
    number = key.partition("=")[0]
    lines = (tmp_path / "m.param").read_text().splitlines(True)
    index = next(n for n, line in enumerate(lines) if line.startswith("ConvolutionDepthWise"))
    changed = re.sub(rf" {number}=\S+", "", lines[index].rstrip("\n")) + f" {key}\n"
    lines[index] = changed
    (tmp_path / "m.param").write_text("".join(lines))
    assert main(["verify", str(small_checkpoint), str(tmp_path / "m.param")]) == 1
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err and err.count("\n") <= 1
    assert "m.param" in out + err


def test_layers_that_only_ncnn_knows(small_checkpoint, exported_small, tmp_path, capfd):
    files = {}
    for stage in ("ncnn fp32", "ncnn fp16"):
        model = hostile_models.Model.load(exported_small.files[stage])
        one, _ = hostile_models.other_kinds(model)[0]
        files[stage] = one.write(tmp_path / f"{stage[-4:]}.param")
    check_half(*files.values())
    assert main(["verify", str(small_checkpoint), str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert "ncnn fp32" in out and "ncnn fp16" in out and "DeepCopy" not in out + err
