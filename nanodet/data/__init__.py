"""Annotations, augmentation and loaders."""
