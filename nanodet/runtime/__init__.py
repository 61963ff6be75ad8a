"""From an image to detections; needs numpy, OpenCV and one inference engine, never torch."""
