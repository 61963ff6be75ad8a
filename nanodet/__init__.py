"""NanoDet: a detector small enough for a phone, from images to a verified file on a board."""

import os

# OpenMP reads it when an engine is loaded. Threads that spin while they wait for each other take
# the cores from whatever else runs: on a busy machine of two cores ncnn then needed seconds for a
# image instead of milliseconds. What the user has set stays
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "2.0.0"
__all__ = ["Detections", "Detector", "NanodetError", "__version__"]


def __getattr__(name):
    # loaded when first used, so that `import nanodet` stays cheap
    if name == "Detector":
        try:
            from nanodet.runtime.detector import Detector
        except ImportError as error:
            from nanodet.detect.window import import_problem

            raise ImportError(import_problem(error) or str(error), name=error.name) from None
        return Detector
    if name == "Detections":
        from nanodet.runtime.detections import Detections

        return Detections
    if name == "NanodetError":
        from nanodet.errors import NanodetError

        return NanodetError
    raise AttributeError(f"module 'nanodet' has no attribute {name!r}")
