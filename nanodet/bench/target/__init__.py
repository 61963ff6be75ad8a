"""Timing on another machine: what is copied to it, how it is reached, and that nothing stays."""
