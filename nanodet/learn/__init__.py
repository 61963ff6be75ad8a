"""Training targets and losses: points are assigned to boxes, and the losses are computed there."""
