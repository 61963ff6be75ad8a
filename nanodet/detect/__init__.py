"""Runs a model on images, videos, cameras and streams: the implementation of ``nanodet detect``."""
