"""Picture in, detections out; needs numpy, OpenCV and one inference engine, never torch."""
