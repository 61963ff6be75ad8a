"""The box codes: how the values of a point encode the edges of its box.

The spec of an exported model names the same code in ``output.form``, which `nanodet.runtime.box_codes`
decodes. A code's ``build`` takes its section and the head's ``reg_max``.
"""

import numpy as np
import torch

from nanodet.errors import NanodetError
from nanodet.model.box_codes import dirac, gaussian, general
from nanodet.model.part import BoxCode, Part
from nanodet.runtime import box_codes

BOX_CODES: dict[str, Part] = {
    "General": general.PART,
    "Dirac": dirac.PART,
    "Gaussian": gaussian.PART,
}


def check_decoding(code: BoxCode) -> None:
    """Check that exported models, which know a code by its form, reg_max and unit, decode it alike.

    Raises:
        NanodetError: its distances differ from those of `nanodet.runtime.box_codes`.
    """
    decoding = box_codes.BOX_CODES.get(code.form)
    if decoding is None:
        return  # refused where a spec is made
    bins = box_codes.Bins(code.reg_max, code.unit)
    raw = torch.linspace(-3, 3, 8 * code.channels).sin().reshape(8, code.channels)
    with torch.no_grad():
        trained = code.distances(raw).numpy()
    if not np.allclose(trained, decoding.distances(raw.numpy(), bins), 1e-3, 1e-3):
        raise NanodetError(
            "model.arch.head.box_code: with these settings its distances are not those that "
            f"nanodet.runtime.box_codes decodes from {code.form!r}: exported models would give other "
            "boxes"
        )
