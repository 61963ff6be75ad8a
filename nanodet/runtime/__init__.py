"""Runs a model on images; needs numpy, OpenCV and one inference engine, never torch."""
