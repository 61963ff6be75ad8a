"""What the scores of a wish are worth, as text for a terminal."""

from nanodet.evaluate.wish import FEWEST, KEEP, NONE, Chosen, Scores, Wish
from nanodet.text.printable import printable


def format_scores(scores: Scores) -> str:
    """Return the table of the classes, and what does not hold, as text for a terminal."""
    rows = [one for one in (scores.together, *scores.classes) if one is not None]
    names = [printable(one.name) for one in rows]
    longest = max(map(len, names))
    titles = {KEEP: "scores of the spec", NONE: "the score of all classes"}
    title = titles.get(scores.wish.measure, f"scores for {scores.wish}")
    lines = [
        f"{title} at IoU 0.5, with intervals of 95 %",
        f"{'class':<{longest}} {'objects':>7} {'score':>8}  {'precision':<20} {'recall':<20} {'F1':>5}",
    ]
    for name, one in zip(names, rows, strict=True):
        parts = [f"{'-' if part is None else part!s:<20}" for part in (one.precision, one.recall)]
        f1 = "-" if one.f1 is None else f"{one.f1:.2f}"
        mark = "" if one.own else " shared"
        lines.append(
            f"{name:<{longest}} {one.objects:>7} {one.score:>8g}  {' '.join(parts)} {f1:>5}{mark}"
        )
    if not all(one.own for one in rows):
        lines.append(
            f"shared: fewer than {FEWEST} objects or no detections, so the threshold of all classes is used"
        )
    for name, one in zip(names, rows, strict=True):
        if one.own and not one.holds:
            lines.append(_uncertain(name, one, scores.wish))
    return "\n".join(lines)


def _uncertain(name: str, one: Chosen, wish: Wish) -> str:
    value = getattr(one, wish.measure)
    return (
        f"{name}: {wish} is not certain at any threshold on these images; the best lower bound is at "
        f"{one.score:g}: {value}"
    )
