"""The parts of the network, and its checkpoints."""
