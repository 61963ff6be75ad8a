"""Whether two small grey images show the same view: pixels compared block by block, and after alignment."""

import cv2
import numpy as np

SIDE = 64  # of the compared images, in pixels
_BLOCK = 8  # side of the blocks that are compared, in pixels
_TEXTURE = 0.2  # of the image's deviation that a block needs to have structure
_LEAST = 2.0  # grey levels of deviation: below it, structure is noise
_ALIKE = 0.7  # correlation of blocks that show the same
_AGREEING = 0.85  # fraction of the blocks with structure that must; the rest may be a caption
_STRUCTURED = 20  # blocks of 64 with structure: fewer look alike by chance once they are aligned
_WHOLE = 0.9  # correlation of all pixels; without enough structure, `_PLAIN`
_PLAIN = 0.985
_NEAR = 0.35  # of images that are shifted against each other
_SHIFT = 0.1  # of the side by which a copy may be shifted, as when it is cropped
_SCALE = 0.15  # by which its scale may differ, as a fraction
_SHEAR = 0.06
_EVERYWHERE = np.ones((SIDE, SIDE), np.uint8)
_STEPS = cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 1e-4


def same_view(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare pairs of grey images uint8 (N, `SIDE`, `SIDE`) pixel by pixel.

    Returns:
        bool (N,), which agree: brightness and contrast may differ, the structure may not; bool (N,), which
        may do so after an alignment: all others are too different, and to align them takes long.
    """
    agree, whole = _agree(first.astype(np.float32), second.astype(np.float32))
    return agree, ~agree & (whole >= _NEAR)


def same_view_moved(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two grey images agree after one is shifted and scaled a little.

    The shift, scale and shear are found by maximising the correlation (Evangelidis and Psarakis, "Parametric
    image alignment using enhanced correlation coefficient maximization", PAMI 2008). Images with few
    structured blocks never agree: a single object on a plain ground can always be aligned with another.
    """
    a, b = first.astype(np.float32)[None], second.astype(np.float32)[None]
    if min(_structured(*_moments(one)[1:]).sum() for one in (a, b)) < _STRUCTURED:
        return False
    return _aligned(a, b) or _aligned(b, a)  # what is found depends on which of them is moved


def _aligned(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether ``a`` (1, `SIDE`, `SIDE`) agrees with ``b`` after that is moved."""
    matrix = np.eye(2, 3, dtype=np.float32)
    try:
        cv2.findTransformECC(a[0], b[0], matrix, cv2.MOTION_AFFINE, _STEPS, _EVERYWHERE, 3)
    except cv2.error:  # it does not converge
        return False
    linear = matrix[:, :2]
    centre = np.full(2, SIDE / 2)
    shift = np.abs(linear @ centre + matrix[:, 2] - centre).max() / SIDE
    scale, shear = np.abs(np.diag(linear) - 1).max(), max(abs(linear[0, 1]), abs(linear[1, 0]))
    if shift > _SHIFT or scale > _SCALE or shear > _SHEAR:
        return False
    size, inverse = (SIDE, SIDE), cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b[0], matrix, size, flags=cv2.INTER_LINEAR | inverse)
    seen = cv2.warpAffine(_EVERYWHERE, matrix, size, flags=cv2.INTER_NEAREST | inverse)
    inner = cv2.erode(seen, np.ones((3, 3), np.uint8))
    whole = _blocks(inner[None]).min(axis=2) > 0  # blocks that are in view to their edges
    return bool(_agree(a, moved[None], whole)[0][0])


def _blocks(images: np.ndarray) -> np.ndarray:
    """Return images (N, `SIDE`, `SIDE`) as (N, blocks, pixels of a block)."""
    count = SIDE // _BLOCK
    parts = images.reshape(-1, count, _BLOCK, count, _BLOCK).swapaxes(2, 3)
    return parts.reshape(len(images), count * count, _BLOCK * _BLOCK)


def _moments(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the blocks of images (N, `SIDE`, `SIDE`) less their means, the means, and the deviations."""
    blocks = _blocks(images)
    mean = blocks.mean(axis=2)
    blocks = blocks - mean[:, :, None]
    return blocks, mean, np.sqrt(_products(blocks, blocks))


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the mean (N, blocks) of the products of the pixels of blocks."""
    found: np.ndarray = np.einsum("nbp,nbp->nb", a, b) / a.shape[2]
    return found


def _structured(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return which blocks have structure, bool (N, blocks), from the moments of all blocks of images."""
    whole = np.sqrt((deviation**2).mean(axis=1) + mean.var(axis=1))
    return deviation >= np.maximum(_LEAST, _TEXTURE * whole)[:, None]


def _agree(
    a: np.ndarray, b: np.ndarray, seen: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pairs (N, `SIDE`, `SIDE`) agree in the blocks ``seen`` (N, blocks), None for all.

    And the correlation of all their pixels, float (N,).
    """
    (pa, mean_a, da), (pb, mean_b, db) = _moments(a), _moments(b)
    seen = np.ones(pa.shape[:2], bool) if seen is None else seen
    local = _products(pa, pb)
    alike = local > _ALIKE * da * db  # a plain block, whose deviation is 0, is like none
    counted = (_structured(mean_a, da) | _structured(mean_b, db)) & seen
    count = counted.sum(axis=1)
    share = (alike & counted).sum(axis=1) / np.maximum(count, 1)
    # the correlation of all pixels that are seen, from the moments of their blocks
    number = np.maximum(seen.sum(axis=1), 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.where(seen, values, 0).sum(axis=1) / number

    ma, mb = mean(mean_a), mean(mean_b)
    va, vb = mean(da**2 + mean_a**2) - ma**2, mean(db**2 + mean_b**2) - mb**2
    cover = mean(local + mean_a * mean_b) - ma * mb
    whole = cover / np.sqrt(np.maximum(va * vb, 1e-6))
    enough = np.where(count >= _STRUCTURED, _WHOLE, _PLAIN)
    agree = (share >= _AGREEING) & (whole >= enough) & (seen.sum(axis=1) >= seen.shape[1] / 2)
    return agree, whole
