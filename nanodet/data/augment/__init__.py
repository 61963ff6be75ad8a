"""Augmentation: one warp for all geometry of an image, one pass for all its colours."""
