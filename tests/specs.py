"""What specs that tests make say of the output: as NanoDet-m's."""

NANODET_M = {"strides": (8, 16, 32), "reg_max": 7, "point_offset": 0.5}
