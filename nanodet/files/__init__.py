"""A user's files and folders: read within limits, written whole or not at all."""

import os

StrPath = str | os.PathLike[str]
