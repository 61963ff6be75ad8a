"""Numbers of things in messages."""


def counted(count: int, thing: str, ending: str = "s") -> str:
    """Return a number with its thing, to which ``ending`` is added unless there is one: ``2 boxes``."""
    return f"{count} {thing}{ending if count != 1 else ''}"
