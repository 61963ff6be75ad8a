"""Argument types of the original's scripts."""

import argparse
import re


def height_width(text: str) -> tuple[int, int]:
    """Read ``H,W`` as (width, height)."""
    if not re.fullmatch(r"[1-9]\d{0,4},[1-9]\d{0,4}", text.replace(" ", "")):
        raise argparse.ArgumentTypeError(f"{text!r} is not H,W such as 320,320")
    height, width = text.split(",")
    return int(width), int(height)
