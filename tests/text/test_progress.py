"""Progress into a log: silent for short runs, and ended with the whole count for long ones."""

import pytest

from nanodet.text import progress


@pytest.mark.parametrize(("every_s", "lines"), [(0.0, 3), (60.0, 0)])
def test_lines_of_a_log(monkeypatch, capsys, every_s, lines):
    monkeypatch.setattr(progress, "EVERY_S", every_s)
    shown = progress.Progress(3, "image")
    for _ in range(3):
        shown.step()
    shown.close()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == lines
    assert all(line.startswith(f"{n} of 3 images, ") for n, line in enumerate(told, 1))


def test_a_log_that_has_begun_ends_with_the_count(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    shown = progress.Progress(unit="frame")
    shown.step()
    monkeypatch.setattr(progress, "EVERY_S", 60.0)
    for _ in range(4):
        shown.step()
    shown.close()
    assert capsys.readouterr().err.splitlines()[-1].startswith("5 frames, ")


def test_more_than_there_should_be_is_no_share(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    shown = progress.Progress(2)
    for _ in range(3):
        shown.step()
    assert capsys.readouterr().err.splitlines()[-1].startswith("3 frames, ")
