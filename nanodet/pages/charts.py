"""Drawings of a page: lines over an axis, and values with intervals, as SVG in the page's colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nanodet.pages.markup import Cell, escape

COLOURS = 6  # --c0 to --c5 of page.css
_WIDTH, _HEIGHT = 460, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 18, 40


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: in the legend.
        x, y: float (N,); it is interrupted where y is not finite.
        colour: 0..5.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: int = 0


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Return a chart as HTML: an SVG and its legend.

    Args:
        lines: what is drawn.
        x_label, y_label: names of the axes.
        x_range, y_range: their ends.
        marks: (x, text) of vertical lines.
    """
    (low, high), (bottom, top) = x_range, y_range
    wide, tall = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    along = wide / ((high - low) or 1), tall / ((top - bottom) or 1)

    def across(values: np.ndarray | float) -> np.ndarray:
        return _LEFT + (np.asarray(values, float) - low) * along[0]

    def up(values: np.ndarray | float) -> np.ndarray:
        return _HEIGHT - _BOTTOM - (np.asarray(values, float) - bottom) * along[1]

    parts = [f'<path class="grid" d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}"/>']
    for value in ticks(bottom, top):
        y = float(up(value))
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}h{wide}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value in ticks(low, high):
        x = float(across(value))
        parts.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<text x="4" y="12">{escape(y_label)}</text>')
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{escape(x_label)}</text>'
    )
    for x, words in marks:
        place = float(across(x))
        anchor = "end" if place > _WIDTH * 0.7 else "start"
        shift = -4 if anchor == "end" else 4
        parts.append(f'<path class="mark" d="M{place:.1f} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(
            f'<text class="mark-text" x="{place + shift:.1f}" y="{_TOP - 5}" '
            f'text-anchor="{anchor}">{escape(words)}</text>'
        )
    for line in lines:
        colour = f"var(--c{line.colour % COLOURS})"
        for piece in _pieces(across(line.x), up(np.clip(line.y, bottom, top))):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
            parts.append(f'<polyline style="stroke:{colour}" points="{points}"/>')
    legend = "".join(
        f'<span style="--key:var(--c{line.colour % COLOURS})">{escape(line.name)}</span>'
        for line in lines
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">{"".join(parts)}</svg>'
        f'<div class="legend">{legend}</div>'
    )


def span(value: float, low: float, high: float) -> Cell:
    """Return a cell of a table that shows a value, 0..100 percent, and its interval on a line."""
    at, a, b = (6 + 1.38 * min(max(v, 0), 100) for v in (value, low, high))
    return Cell(
        "",
        '<svg class="span" viewBox="0 0 150 18" aria-hidden="true"><path class="whole" d="M6 9H144"/>'
        f'<path class="part" d="M{a:.1f} 9H{b:.1f}"/><path class="at" d="M{at:.1f} 2V16"/></svg>',
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from low to high, ``most`` at most."""
    if not high > low:
        return [low]
    step = 10.0 ** np.floor(np.log10((high - low) / most))
    step *= next(
        factor for factor in (1, 2, 2.5, 5, 10, 20) if (high - low) / (step * factor) <= most
    )
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [round(number * step, 10) for number in range(first, last + 1)]


def _pieces(x: np.ndarray, y: np.ndarray) -> list[list[tuple[float, float]]]:
    """Return the runs of finite points of a line."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if np.isfinite(a) and np.isfinite(b):
            pieces[-1].append((a, b))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]
