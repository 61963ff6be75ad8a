"""NanoDet: a detector small enough for a phone, from pictures to a verified file on a board."""

__version__ = "2.0.0"
__all__ = ["Detections", "Detector", "NanodetError", "__version__"]


def __getattr__(name):
    # loaded when first used, so that `import nanodet` stays cheap
    if name == "Detector":
        try:
            from nanodet.runtime.detector import Detector
        except ImportError as error:
            from nanodet.runtime.window import import_problem

            raise ImportError(import_problem(error) or str(error), name=error.name) from None
        return Detector
    if name == "Detections":
        from nanodet.runtime.detections import Detections

        return Detections
    if name == "NanodetError":
        from nanodet.errors import NanodetError

        return NanodetError
    raise AttributeError(f"module 'nanodet' has no attribute {name!r}")
