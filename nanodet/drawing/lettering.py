"""Text on images, in any script."""

import logging
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from nanodet.drawing.fonts import OWN, face, font_for
from nanodet.drawing.writing import in_drawing_order
from nanodet.text.brief import brief_text
from nanodet.text.printable import printable

log = logging.getLogger(__name__)
WEIGHT = 400  # regular
UNDRAWABLE = ("Cc", "Cs", "Zl", "Zp")


@lru_cache(maxsize=256)
def readable_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names as they can be drawn here.

    A name with letters that no font has becomes its number, with the available letters.

    Args:
        names: a tuple of names.
    """
    shown = [_shown(number, name) for number, name in enumerate(names)]
    lost = [name for name, (_, whole) in zip(names, shown, strict=True) if not whole]
    if lost:
        log.warning(
            "no font here has all letters of %s%s: drawn with class numbers (install a TrueType font "
            "of that script, on Debian and Ubuntu: apt install fonts-noto-core)",
            printable(", ".join(map(brief_text, lost[:3]))),
            f" and {len(lost) - 3} more" if len(lost) > 3 else "",
        )  # fmt: skip
    return tuple(text for text, _ in shown)


def plot_label(text: str) -> str:
    """Return ``text`` so that matplotlib shows it as it is.

    Text between dollar signs would be read as a formula, and text that begins with ``_`` is left out.
    """
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _shown(number, name):
    if _prepared(name)[1] is not None:
        return name, True
    marks = ("Mn", "Mc", "Cf")  # they need a base letter
    rest = "".join(c for c in name if font_for(c) and unicodedata.category(c) not in marks)
    return " ".join([str(number), *rest.split()]), False


@lru_cache(maxsize=4096)
def _prepared(text):
    """Return (text as it is drawn, its font, ``None`` if no font has it)."""
    # control characters and incomplete characters, on which OpenCV ends the process
    text = "".join("?" if unicodedata.category(c) in UNDRAWABLE else c for c in text)
    for joined in (True, False):
        drawn = in_drawing_order(text, joined)
        font = font_for(drawn)
        if font is not None:
            break
    return drawn, font


def text_width(text: str, size: int, weight: int = WEIGHT) -> int:
    """Return the width in pixels of ``text`` as drawn by `put_text`."""
    drawn, font = _prepared(text)
    x, _, width, _ = cv2.getTextSize((0, 0), drawn, (0, 0), font or face(OWN), size, weight)
    return x + width


def put_text(
    canvas: np.ndarray,
    text: str,
    origin: tuple[int, int],
    colour: tuple[int, ...],
    size: int,
    weight: int = WEIGHT,
) -> None:
    """Draw one line of text onto uint8 (H, W) or (H, W, 3).

    Args:
        canvas: it is changed.
        text: in any script; letters that no installed font has become question marks.
        origin: (x, y) of the left end of the baseline.
        colour: a value per channel.
        size: of the letters in pixels; capitals have 0.7 of it.
        weight: 400 is regular, 700 bold.
    """
    drawn, font = _prepared(text)
    # no limit on the right: nothing is broken into lines
    cv2.putText(canvas, drawn, origin, colour, font or face(OWN), size, weight)
