"""The box codes: how the values of a point say where the edges of its box are."""
