"""Boxes and text of any script on images."""
