"""What a batch teaches: points are assigned to boxes, and losses measured there."""
