"""Orders letters as they are drawn, from left to right.

OpenCV draws one letter after the other. Hebrew and Arabic run from right to left, and the letters
of Arabic have different forms where they join; Unicode's tables contain all that is needed.
"""

import itertools
import unicodedata
from functools import lru_cache

OPENING = {"(": ")", "[": "]", "{": "}"}
MIRRORED = str.maketrans("()[]{}<>", ")(][}{><")
LAM, TATWEEL = "\u0644", "\u0640"  # the latter is only a longer joint


def in_drawing_order(text: str, joined: bool = True) -> str:
    """Return ``text`` as it is drawn from left to right.

    Args:
        text: one line in any script.
        joined: give the letters of Arabic the forms they have in words; false leaves them as they
            are, for fonts that lack the forms.
    """
    if not any(_direction(letter) == "R" for letter in text):
        return text
    letters = _letters(_join(text) if joined else text)
    pairs = zip(_directions(letters), letters, strict=True)
    runs = []
    for direction, run in itertools.groupby(pairs, lambda pair: pair[0]):
        together = [letter for _, letter in run]
        if direction == "R":
            together = [letter.translate(MIRRORED) for letter in reversed(together)]
        runs.append("".join(together))
    first = next(d for d in map(_direction, text) if d)
    return "".join(reversed(runs) if first == "R" else runs)


def _letters(text):
    """Return the letters of a text, each with its marks above or below."""
    letters: list[str] = []
    for char in text:
        if letters and unicodedata.category(char) in ("Mn", "Me"):
            letters[-1] += char
        else:
            letters.append(char)
    return letters


def _direction(char):
    """Return L, R, or nothing for blanks, brackets and the like."""
    kind = unicodedata.bidirectional(char)
    return {"L": "L", "EN": "L", "AN": "L", "R": "R", "AL": "R"}.get(kind, "")


def _directions(letters):
    """Return the direction of each letter; blanks and the like take that of their neighbours or the line."""
    own = [_direction(letter[0]) for letter in letters]
    line = next(direction for direction in own if direction)
    found: list[str] = []
    opened: list[tuple[str, str]] = []
    for i, (letter, direction) in enumerate(zip(letters, own, strict=True)):
        if opened and letter == opened[-1][0]:
            direction = opened.pop()[1]  # a closing bracket has the direction of the opening one
        if not direction:
            before = found[-1] if found else line
            after = next((direction for direction in own[i + 1 :] if direction), line)
            direction = before if before == after else line
        if letter in OPENING:
            opened.append((OPENING[letter], direction))
        found.append(direction)
    return found


@lru_cache(maxsize=1)
def _forms():
    """Return {letter or pair: {form: letter of that form}} of Arabic and its relatives."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFDFC), *range(0xFE80, 0xFEFD)):
        kind, *plain = unicodedata.decomposition(chr(code)).split()[:3] or [""]
        text = "".join(chr(int(one, 16)) for one in plain)
        # only the pair lam and alef is always joined to one letter
        if kind[1:-1] in ("isolated", "initial", "medial", "final") and (
            len(text) == 1 or (text[:1] == LAM and code >= 0xFEF5)
        ):
            forms.setdefault(text, {})[kind[1:-1]] = chr(code)
    return forms


def _join(text):
    """Return an Arabic text with the forms that its letters have next to their neighbours."""
    forms = _forms()
    plain: list[str] = []
    marks: list[str] = []
    for char in text:
        if plain and unicodedata.category(char) == "Mn":
            marks[-1] += char
        elif plain and plain[-1] + char in forms:
            plain[-1] += char
        else:
            plain.append(char)
            marks.append("")

    def joins(index, form):
        """Return whether a letter joins the one before it (``final``) or after it (``initial``)."""
        if not 0 <= index < len(plain):
            return False
        return plain[index] == TATWEEL or form in forms.get(plain[index], {})

    shaped = []
    for i, letter in enumerate(plain):
        before = joins(i - 1, "initial") and joins(i, "final")
        after = joins(i, "initial") and joins(i + 1, "final")
        wanted = {(True, True): "medial", (True, False): "final", (False, True): "initial"}
        form = wanted.get((before, after), "isolated")
        shaped.append(forms.get(letter, {}).get(form, letter) + marks[i])
    return "".join(shaped)
