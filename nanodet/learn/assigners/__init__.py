"""The assigners: which points are trained on which box, see `nanodet.learn.assigners.assigner.Assigner`."""

from nanodet.learn.assigners import atss, dsla
from nanodet.model.part import Part

ASSIGNERS: dict[str, Part] = {
    "ATSS": atss.PART,
    "DSLA": dsla.PART,
}
