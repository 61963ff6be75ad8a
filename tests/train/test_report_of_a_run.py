"""``nanodet report`` of a run folder, from the arguments to the page."""

import re

from nanodet.cli.main import main


def test_a_run_becomes_one_page(trained, capsys):
    assert main(["report", str(trained.folder), "--no-bench", "--pictures", "5"]) == 0
    path = trained.folder / "report.html"
    html = path.read_text(encoding="utf-8")
    assert str(path) in capsys.readouterr().out
    assert html.count('"picture":') == 5 and len(re.findall("<h2", html)) == 8
    assert f"<strong>{trained.metrics.AP:.1f}</strong>" in html
    for text in ("Trained on</b> 24 images", "Validated on</b> 8 images", "averaged",
                 "Losses, smoothed", "No exported form", "Not measured", "model_best.ckpt"):  # fmt: skip
        assert text in html
    assert re.search("[12] finished of 2", html)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", html)


def test_what_does_not_fit_is_one_line(trained, tmp_path, capsys):
    run = str(trained.folder)
    for words, expected in (
        (["--pictures", "-1"], None),
        (["--no-bench", "--bench", "x.json"], "give one of them"),
        (["--bench", str(tmp_path / "no.json")], "no.json: cannot read"),
        (["--verified", run], "run: "),
        (["--images", run], "--images: needs --annotations"),
        (["--out", str(tmp_path)], "is a folder"),
    ):
        try:
            status = main(["report", run, *words])
        except SystemExit as error:
            status = error.code
        assert status in (1, 2)
        error = capsys.readouterr().err
        assert expected is None or (expected in error and error.count("\n") == 1), error
