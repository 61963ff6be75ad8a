"""The times of a report."""

from nanodet.report.report import _timed


def test_a_form_that_cannot_be_timed_does_not_lose_the_page(tmp_path, capsys):
    assert _timed([tmp_path / "gone.onnx"], None) is None
    said = capsys.readouterr().err
    assert said.startswith("not timed: ") and "gone.onnx" in said
