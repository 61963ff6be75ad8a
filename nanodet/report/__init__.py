"""One HTML page on a model, to hand to somebody else: what ``nanodet report`` writes."""
