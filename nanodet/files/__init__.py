"""Reads a user's files within limits, and writes files completely or not at all."""

import os

StrPath = str | os.PathLike[str]
