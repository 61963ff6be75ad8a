"""Chooses a model for a time budget: trains or takes models, measures AP and milliseconds of each."""
