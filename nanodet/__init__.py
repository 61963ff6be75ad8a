"""NanoDet: a detector small enough for a phone, from images to a verified file on a board."""

import os

# How often a thread of libgomp looks for work before it sleeps; read when torch or an engine is
# loaded. By default threads spin for milliseconds and take the cores from whatever else runs (on
# two busy cores ncnn then needs 100 times as long for an image); sleeping at once costs a wake-up
# per layer (4 times as long on two idle cores). What the user has set stays
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

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
