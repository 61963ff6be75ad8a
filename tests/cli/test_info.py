"""``nanodet info``: an option that means nothing for a file is an error."""

import pytest

from nanodet.cli.main import main


@pytest.mark.parametrize("name", ["c.yml", "m.onnx", "m.param"])
def test_config_is_for_checkpoints(name, tmp_path, capsys):
    (tmp_path / name).touch()
    assert main(["info", str(tmp_path / name), "--config", "nothing"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nanodet: error: --config: ") and name in line
