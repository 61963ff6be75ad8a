"""Compares exported models with the model that they were made from."""
