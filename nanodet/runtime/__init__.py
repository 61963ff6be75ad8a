"""Picture in, detections out; needs numpy, OpenCV and one inference engine, never torch."""

import os

# OpenMP reads it when an engine is loaded. Threads that spin while they wait for each other take
# the cores from whatever else runs: on a busy machine of two cores ncnn then needed seconds for a
# picture instead of milliseconds. What the user has set stays
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
