"""A model as an object: the original NanoDet's ``Predictor`` over `nanodet.Detector`.

from tools.inference import Predictor
detections = Predictor("model.ckpt", "config.yml").predict("street.jpg")
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs without an installation

from nanodet.runtime.detector import Detector
from nanodet.runtime.pictures import read_picture


class Predictor:
    """Finds objects in pictures.

    Args:
        model_path: ``.ckpt``, ``.pth``, ``.onnx`` or ``.param`` file.
        config_path: config of a checkpoint that carries none.
        options: further arguments of `nanodet.runtime.detector.Detector`, such as ``score``.

    Raises:
        NanodetError: the model cannot be read.
    """

    def __init__(self, model_path, config_path=None, **options):
        self.detector = Detector(model_path, config=config_path, **options)

    def predict(self, picture):
        """Return the `Detections` of a picture: a path, or uint8 (H, W, 3) BGR."""
        if isinstance(picture, (str, Path)):
            picture = read_picture(picture)
        return self.detector(picture)


if __name__ == "__main__":
    print(__doc__.strip())
