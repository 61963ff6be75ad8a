"""The box codes: how the values of a point say where the edges of its box are.

The exported model's spec names the same code in ``output.form``; what decodes it there is in
`nanodet.runtime.box_codes`. A code's ``build`` takes its section and the head's ``reg_max``.
"""

from nanodet.model.box_codes import general
from nanodet.model.part import Part

BOX_CODES: dict[str, Part] = {
    "General": general.PART,
}
