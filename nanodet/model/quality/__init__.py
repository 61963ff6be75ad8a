"""How a score says how well its box fits: the kinds of quality prediction that the paper compares.

A kind's ``build`` takes its section and the head's box code, and gives a `nanodet.model.part.Quality`.
"""

from nanodet.model.part import Part
from nanodet.model.quality import branch, dgqp, scores

QUALITIES: dict[str, Part] = {
    "Joint": scores.JOINT,
    "NoQuality": scores.NONE,
    "CenternessBranch": branch.CENTERNESS,
    "IoUBranch": branch.IOU,
    "DGQP": dgqp.PART,
}
