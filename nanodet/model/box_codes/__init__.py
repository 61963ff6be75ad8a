"""The box codes: how the values of a point encode the edges of its box.

The spec of an exported model names the same code in ``output.form``, which `nanodet.runtime.box_codes`
decodes. A code's ``build`` takes its section and the head's ``reg_max``.
"""

from nanodet.model.box_codes import general
from nanodet.model.part import Part

BOX_CODES: dict[str, Part] = {
    "General": general.PART,
}
