"""``nanodet info``: an option that means nothing for a file is an error."""

import pytest

from nanodet.cli.info import _onnx_parameters
from nanodet.cli.main import main
from nanodet.errors import NanodetError
from nanodet.export.stages import SIMPLIFIED


@pytest.mark.parametrize("name", ["c.yml", "m.onnx", "m.param"])
def test_config_is_for_checkpoints(name, tmp_path, capsys):
    (tmp_path / name).touch()
    assert main(["info", str(tmp_path / name), "--config", "nothing"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nanodet: error: --config: ") and name in line


@pytest.mark.parametrize(
    "more",
    [
        b"\x88\x80\x80\x80\x10\x08",  # the number of a field in more than 32 bits
        b"\x88\x80\x80\x80\x80\x00\x08",  # in more bytes than it needs
        b"\x3a\x0b\x2a\x09\x10\x01\x42\x01x\x22\x02ab",  # two bytes of numbers of four
        b"\x32\x7f",  # less text than is said
    ],
)
def test_an_onnx_file_that_engines_read_and_others_do_not(exported_small, tmp_path, more):
    path = tmp_path / "m.onnx"
    path.write_bytes(exported_small.files[SIMPLIFIED].read_bytes() + more)
    with pytest.raises(NanodetError, match=r"m\.onnx: cannot be taken apart"):
        _onnx_parameters(path)
