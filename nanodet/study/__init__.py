"""A study: variants of a training, each with the same seeds and budget, compared in one report."""
