"""The ``nanodet`` command."""

import argparse
import importlib
import os
import sys

from nanodet import __version__
from nanodet.errors import NanodetError

# verb: the module with add_arguments(parser) and run(args), and one line of help
VERBS = {
    "train": ("nanodet.train.command", "train a detector from a config file"),
    "eval": ("nanodet.evaluate.command", "measure AP of a model on annotated pictures"),
    "export": ("nanodet.export.command", "convert a checkpoint to ONNX and ncnn, and compare"),
    "detect": ("nanodet.runtime.detect", "find objects in pictures, videos and cameras"),
    "info": ("nanodet.cli.info", "parameters, multiply-adds and levels of a model"),
    "quickstart": ("nanodet.quickstart.command", "train, export and compare on drawn pictures"),
}


def main(argv=None):
    """Run one command; return the exit status: 0, 1 (an error of the user's), 130 (Ctrl-C)."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="nanodet", description="A detector small enough for a phone."
    )
    parser.add_argument("--version", action="version", version=f"nanodet {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for verb, (module, words) in VERBS.items():
        sub = verbs.add_parser(verb, help=words, description=words[0].upper() + words[1:] + ".")
        if verb == chosen:
            # only the chosen room is imported: `nanodet detect` must run without torch
            room = _import(module)
            room.add_arguments(sub)
            sub.set_defaults(run=room.run)
    args = parser.parse_args(argv)
    return run_command(args.run, args)


def run_command(function, *arguments):
    """Call a command's function; turn its errors into one line and an exit status."""
    try:
        status = function(*arguments)
    except NanodetError as error:
        print(f"nanodet: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nanodet: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output has gone (a pipe into head): not an error of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status or 0


def _import(module):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("nanodet"):
            raise
        print(
            f'nanodet: error: needs {error.name}, which is not installed: pip install "nanodet[all]"',
            file=sys.stderr,
        )
        sys.exit(1)
    except ImportError as error:
        from nanodet.runtime.window import import_problem

        problem = import_problem(error)  # a system library that OpenCV wants
        if problem is None:
            raise
        print(f"nanodet: error: {problem}", file=sys.stderr)
        sys.exit(1)


def entry():
    """The installed script."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
