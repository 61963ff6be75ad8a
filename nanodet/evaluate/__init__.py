"""Measures how good the boxes of a model are."""
