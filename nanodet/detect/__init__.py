"""A model over images, videos, cameras and streams: the program behind ``nanodet detect``."""
