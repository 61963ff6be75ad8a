"""Names and texts that would steer a terminal, and what may reach one of them."""

# red, the title of the window, a line that looks like ours, clear the screen (C1), a bell, DEL, text
# that runs backwards, an isolate, ends of lines
STEERING = "\x1b[31m\x1b]0;owned\x07\r\x9b2J\x7f\u202e\u2066\u2028\u2029\x85"
NAME = f"é日本😀{STEERING}z"  # of a file or of a class
LINES = f"{NAME}\nnanodet: error: forged\t{NAME}"
HARMLESS = "é日本😀"


def assert_harmless(data, encoding="utf-8"):
    """Assert that bytes written to stdout or stderr steer nothing; returns them as text."""
    text = data.decode(encoding)
    for letter in text.replace("\n", ""):
        code = ord(letter)
        assert not (code < 0x20 or 0x7F <= code < 0xA0), repr(text)
        assert not (0x2028 <= code <= 0x202E or 0x2066 <= code <= 0x2069), repr(text)
    assert "\nnanodet: error: forged" not in f"\n{text}", text
    return text
