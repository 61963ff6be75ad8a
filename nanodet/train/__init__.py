"""Training: the Lightning module, optimiser, averaging and the run folder."""
