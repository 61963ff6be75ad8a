"""Writes the config of a training from a folder of annotated images."""
