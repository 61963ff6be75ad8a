"""How fast a model is on this machine, and whether the machine held still while it was measured."""
