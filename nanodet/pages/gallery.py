"""Images with boxes that one can click through: thumbnails, filters, and a viewer over the page."""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from nanodet.pages.markup import data_uri, escape
from nanodet.pages.page import Page
from nanodet.text.printable import printable

# kinds of marks: what they are called, and their colour (blue, green, red) on a thumbnail
KINDS = {
    "truth": ("annotation", (95, 161, 25)),
    "found": ("detection", (225, 125, 47)),
    "wrong": ("the box in question", (43, 52, 224)),
    "missed": ("the object in question", (0, 160, 240)),
}
THUMBNAIL = 264, 198  # width, height in pixels
LARGEST_SIDE = 960  # of an embedded image, in pixels
SMALLEST_SIDE = 320
IN_BASE64 = 4 / 3


@dataclass(frozen=True)
class Mark:
    """A box on an image.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the image.
        kind: one of `KINDS`, which decides its look.
        label: a text at the box.
        spread: standard deviations of its left, top, right and bottom edge, shown as bands.
        focus: whether the image is shown because of it; close-ups and thumbnails show its surroundings.
    """

    box: Sequence[float]
    kind: str = "truth"
    label: str = ""
    spread: Sequence[float] | None = None
    focus: bool = False


@dataclass
class Gallery:
    """Images for a `Page`.

    Args:
        expected: how many images will be added at most.
        limit: bytes that they may add to the page.
    """

    expected: int
    limit: int = 8_000_000
    _shots: list[dict[str, Any]] = field(default_factory=list)
    _thumbnails: list[str] = field(default_factory=list)
    _pictures: dict[Hashable, dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._shots)

    def add(
        self,
        picture: np.ndarray,
        marks: Sequence[Mark],
        title: str,
        facts: str = "",
        kind: str = "",
        group: str = "",
        score: float | None = None,
        key: Hashable = None,
    ) -> None:
        """Add an image.

        Args:
            picture: uint8 (H, W, 3) BGR.
            marks: boxes on it.
            title: a few words, at the thumbnail and in the viewer.
            facts: a line below the image in the viewer.
            kind: for the filter of kinds; such as ``missed``.
            group: for the filter of classes.
            score: for the filter of scores, 0..1.
            key: of the image; one that is added with the same key again is embedded once.
        """
        key = ("image", len(self._shots)) if key is None else key
        room = self.limit / IN_BASE64 / max(self.expected, 1)
        thumbnail = _thumbnail(picture, marks)
        if key not in self._pictures:
            height, width = picture.shape[:2]
            data = _fitting(picture, room - len(thumbnail))
            self._pictures[key] = {
                "width": width, "height": height, "source": data_uri(data, "jpeg"),
            }  # fmt: skip
        focus = next((mark.box for mark in marks if mark.focus), None)
        self._thumbnails.append(data_uri(thumbnail, "jpeg"))
        self._shots.append({
            "picture": list(self._pictures).index(key),
            "title": printable(title), "facts": printable(facts), "kind": printable(kind),
            "group": printable(group),
            "score": None if score is None else round(float(score), 4),
            "focus": None if focus is None else _rounded(focus),
            "marks": [_plain(mark) for mark in marks],
        })  # fmt: skip

    def add_to(self, page: Page, words: str = "Pictures") -> None:
        """Add the images to a page; ``words`` name them."""
        if not self._shots:
            return
        text = json.dumps(
            {"pictures": list(self._pictures.values()), "shots": self._shots}, ensure_ascii=False
        )
        data = text.replace("<", "\\u003c")  # no tag may begin within a script
        used = {mark["kind"] for shot in self._shots for mark in shot["marks"]}
        items = "\n".join(
            f'<li><button type="button" aria-label="{escape(_spoken(shot))}">'
            f'<img alt="" loading="lazy" src="{thumbnail}"><b>{escape(shot["title"])}</b>'
            f"<small>{escape(shot['kind'])}</small></button></li>"
            for shot, thumbnail in zip(self._shots, self._thumbnails, strict=True)
        )
        markdown = f"({len(self._shots)} pictures: see the HTML page)"
        page.add(
            markdown,
            f'<section class="gallery" aria-label="{escape(words)}">{_keys(used)}'
            f'{self._filters()}<p class="count" role="status">{len(self._shots)} pictures</p>'
            f'<ul class="shots">{items}</ul><button type="button" class="more" hidden></button>'
            f"{_viewer(used)}"
            f'<script type="application/json">{data}</script></section>',
            moves=True,
        )

    def _filters(self) -> str:
        kinds = Counter(shot["kind"] for shot in self._shots if shot["kind"])
        groups = Counter(shot["group"] for shot in self._shots if shot["group"])
        parts = []
        if len(kinds) > 1:
            buttons = "".join(
                f'<button type="button" data-kind="{escape(kind)}" aria-pressed="false">{escape(kind)} '
                f"({count})</button>"
                for kind, count in kinds.items()
            )
            every = '<button type="button" data-kind="" aria-pressed="true">all</button>'
            parts.append(
                f'<div class="kinds" role="group" aria-label="Kinds">{every}{buttons}</div>'
            )
        if len(groups) > 1:
            options = "".join(
                f'<option value="{escape(group)}">{escape(group)} ({groups[group]})</option>'
                for group in sorted(groups)
            )
            parts.append(
                f'<label>Class <select><option value="">all</option>{options}</select></label>'
            )
        if any(shot["score"] is not None for shot in self._shots):
            parts.append(
                '<label>Score at least <input type="range" min="0" max="1" step="0.05" value="0">'
                "<output>0.00</output></label>"
            )
        return f'<div class="filters">{"".join(parts)}</div>' if parts else ""


def _spoken(shot: dict[str, Any]) -> str:
    return f"Show {shot['kind']}: {shot['title']}" if shot["kind"] else f"Show {shot['title']}"


def _keys(used: set[str]) -> str:
    """Return the key of the marks' looks."""
    keys = "".join(
        f'<span class="key"><i class="{kind}"></i>{words}</span>'
        for kind, (words, _) in KINDS.items()
        if kind in used
    )
    return f'<p class="note keys">{keys}</p>'


def _viewer(used: set[str]) -> str:
    toggles = "".join(
        f'<button type="button" data-marks="{" ".join(kinds)}" aria-pressed="true">{words}</button>'
        for words, kinds in (
            ("Annotations", ("truth", "missed")),
            ("Detections", ("found", "wrong")),
        )
        if used & set(kinds)
    )
    return (
        '<dialog class="viewer" aria-label="Picture viewer">'
        '<div><h3></h3><span class="position" role="status"></span>'
        '<button type="button" class="close" aria-label="Close the viewer">&#10005;</button></div>'
        '<div class="stage"></div>'
        '<div><button type="button" class="step back" aria-label="Previous picture">&#8249;</button>'
        '<button type="button" class="step on" aria-label="Next picture">&#8250;</button>'
        f'<p class="facts"></p>{toggles}'
        '<button type="button" class="close-up" aria-pressed="false">Close-up</button></div></dialog>'
    )


def _plain(mark: Mark) -> dict[str, Any]:
    found: dict[str, Any] = {"box": _rounded(mark.box), "kind": mark.kind}
    if mark.label:
        found["label"] = printable(mark.label)
    if mark.spread is not None:
        found["spread"] = _rounded(mark.spread)
    return found | ({"focus": True} if mark.focus else {})


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 1) for value in values]


def _fitting(picture: np.ndarray, room: float) -> bytes:
    """Return an image as JPEG of at most ``room`` bytes, if its smallest form does not exceed them."""
    side = LARGEST_SIDE
    while True:
        data = _jpeg(_within(picture, side, side), 82)
        if len(data) <= room or side <= SMALLEST_SIDE:
            return data
        smaller = side * min((max(room, 1) / len(data)) ** 0.5, 0.9)
        side = max(int(smaller), SMALLEST_SIDE)


def _within(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an image made smaller, if necessary, to fit into width and height."""
    scale = min(width / picture.shape[1], height / picture.shape[0], 1.0)
    if scale == 1.0:
        return picture
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _thumbnail(picture: np.ndarray, marks: Sequence[Mark]) -> bytes:
    """Return the surroundings of the mark in focus, or the whole image, as a small JPEG with its marks."""
    height, width = picture.shape[:2]
    focus = next((mark for mark in marks if mark.focus), None)
    left, top, right, bottom = 0, 0, width, height
    if focus is not None:
        x0, y0, x1, y1 = (float(value) for value in focus.box)
        # a third of the width is the box, and no pixel is shown larger than 4 x 4
        wide = max(2.2 * (x1 - x0), 2.2 * (y1 - y0) * 4 / 3, THUMBNAIL[0] / 4)
        wide = min(wide, width, height * 4 / 3)
        left = round(min(max((x0 + x1 - wide) / 2, 0), width - wide))
        top = round(min(max((y0 + y1 - wide * 3 / 4) / 2, 0), height - wide * 3 / 4))
        right, bottom = round(left + wide), round(top + wide * 3 / 4)
    crop = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    scale = min(THUMBNAIL[0] / crop.shape[1], THUMBNAIL[1] / crop.shape[0])
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = np.ascontiguousarray(cv2.resize(crop, size, interpolation=how))
    for mark in (focus,) if focus is not None else marks:
        corners = (np.array(mark.box, float) - [left, top, left, top]) * scale
        x0, y0, x1, y1 = np.clip(np.nan_to_num(corners), -9, 999).round().astype(int).tolist()
        cv2.rectangle(small, (x0, y0), (x1, y1), (0, 0, 0), 4)
        cv2.rectangle(small, (x0, y0), (x1, y1), KINDS[mark.kind][1], 2)
    return _jpeg(small, 80)


def _jpeg(picture: np.ndarray, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)
