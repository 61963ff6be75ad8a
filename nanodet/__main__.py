"""``python -m nanodet``: the ``nanodet`` command where its script is not on the path."""

from nanodet.cli.main import entry

if __name__ == "__main__":
    entry()
