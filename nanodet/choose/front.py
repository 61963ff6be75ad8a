"""Which models are worth having, and which one to take for a budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nanodet.evaluate.bootstrap import Interval


@dataclass(frozen=True)
class Choice:
    """A model file as measured.

    Attributes:
        name: of the file in tables.
        ap: in percent, with its interval.
        ms: end to end for one image, median; p90: the time that nine of ten runs do not exceed.
        megabytes: of the files that are shipped.
    """

    name: str
    ap: Interval
    ms: float
    p90: float
    megabytes: float


@dataclass(frozen=True)
class Recommendation:
    """The model to take, None if no model within the budget finds anything, and why, in lines."""

    choice: Choice | None
    reasons: tuple[str, ...]


def front(choices: Sequence[Choice]) -> list[Choice]:
    """Return those that no other one beats in AP without being slower, fastest first."""
    found: list[Choice] = []
    for one in sorted(choices, key=lambda c: (c.ms, -c.ap.value)):
        if not found or one.ap.value > found[-1].ap.value:
            found.append(one)
    return found


def recommend(
    choices: Sequence[Choice], budget_ms: float, change: Callable[[Choice, Choice], Interval]
) -> Recommendation:
    """Return the most accurate model whose median time is within the budget.

    Args:
        choices: all that was measured, at least one.
        budget_ms: milliseconds end to end for one image.
        change: called with two choices; the first one's AP less the second one's, paired over images.
    """
    fastest = min(choices, key=lambda c: c.ms)
    inside = [one for one in front(choices) if one.ms <= budget_ms]
    if not inside:
        return Recommendation(
            None,
            (
                f"No model is within {budget_ms:g} ms: the fastest, {fastest.name}, takes "
                f"{fastest.ms:.2f} ms. A smaller input size or width is faster.",
            ),
        )
    best = inside[-1]
    if best.ap.value <= 0:
        reason = f"AP is 0: no model within {budget_ms:g} ms finds anything on these images."
        return Recommendation(None, (f"{reason} docs/faq.md says what to look at.",))
    faster = sorted((one for one in choices if one.ms < best.ms), key=lambda c: c.ms)
    reasons = [
        f"Within {budget_ms:g} ms it has the highest AP, {best.ap}, and takes {best.ms:.2f} ms "
        f"(nine of ten runs at most {best.p90:.2f} ms)."
    ]
    if best.p90 > budget_ms:
        reasons.append(f"One run in ten takes longer than the budget of {budget_ms:g} ms.")
    for one in faster:
        lost = change(one, best)
        if lost.low <= 0 <= lost.high:
            reasons.append(
                f"{one.name} takes {one.ms / best.ms:.2f} of its time, and these images do not show "
                f"that its AP is lower: {lost.signed()}."
            )
            break  # the fastest of these
    above = [one for one in front(choices) if one.ms > budget_ms]
    if above:
        gain = change(above[0], best)
        reasons.append(
            f"The next better one, {above[0].name}, takes {above[0].ms:.2f} ms for {gain.signed()} AP."
        )
    return Recommendation(best, tuple(reasons))
