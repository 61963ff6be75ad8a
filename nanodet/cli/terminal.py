"""Text on any terminal, pipe or log: letters that its encoding lacks are escaped."""

import sys


def escape_what_cannot_be_shown():
    """Let stdout and stderr write letters that they cannot encode as ``\\u65b9``.

    Class names and names of files hold any letter, also bytes that are none; terminals and pipes
    have the encoding of their locale, or of a Windows code page.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # notebooks have streams of their own
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
