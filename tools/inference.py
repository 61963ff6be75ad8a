"""A model as an object: the original NanoDet's ``Predictor`` over `nanodet.Detector`.

from tools.inference import Predictor
meta, results = Predictor("config.yml", "model.ckpt", None, "cpu").inference("street.jpg")
detections = Predictor("model.param").predict("street.jpg")
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs without an installation


def __getattr__(name):
    # loaded when first used: the usage needs no OpenCV
    if name == "Predictor":
        from nanodet.original.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    print(__doc__.strip())
