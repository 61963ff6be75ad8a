"""Blur, grey and JPEG noise: what poor cameras and small files do to an image."""

import cv2
import numpy as np

SIGMA = (0.4, 1.6)  # network pixels, of the blur
QUALITY = (20, 70)  # of the JPEG


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, uint8 (H, W, 3), blurred by a Gaussian of a random width."""
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(*SIGMA))


def grey(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, uint8 (H, W, 3) BGR, in grey, still with three channels."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def jpeg(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, uint8 (H, W, 3), as a JPEG of a random quality shows it."""
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


FILTERS = {"grey": grey, "blur": blur, "jpeg": jpeg}  # in the order in which they are applied
