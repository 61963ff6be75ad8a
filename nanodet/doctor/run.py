"""`doctor`: diagnoses data sets, and writes what it found."""

import json

from nanodet.doctor.doctor import diagnose
from nanodet.doctor.page import write_page
from nanodet.doctor.report import as_json, lines
from nanodet.doctor.subject import Subject
from nanodet.files import StrPath
from nanodet.files.files import check_writable, write_text
from nanodet.text import Say


def doctor(subject: Subject, page: StrPath | None, json_path: StrPath | None, say: Say) -> int:
    """Diagnose data sets, say what is wrong, and write the page.

    Args:
        subject: the sets.
        page: the HTML page to write; None for none, then no image is decoded.
        json_path: the JSON file to write, or None.
        say: gets lines for the user.

    Returns:
        the exit status: 1 if a training would stop or learn nothing.
    """
    for path in (page, json_path):
        if path is not None:
            check_writable(path)
    found = diagnose(subject, decode=page is not None)
    if page is not None:
        write_page(found, subject.name, page)
    if json_path is not None:
        write_text(json_path, json.dumps(as_json(found, subject.name), indent=2) + "\n")
    for line in lines(found, None if page is None else str(page)):
        say(line)
    return 0 if found.healthy else 1
