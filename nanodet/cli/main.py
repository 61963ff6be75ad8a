"""The ``nanodet`` command."""

import argparse
import signal
import sys
import textwrap

from nanodet import __version__
from nanodet.cli import (
    bench,
    detect,
    download,
    export,
    import_model,
    info,
    quantize,
    quickstart,
    train,
    verify,
)
from nanodet.cli import eval as evaluation  # not Python's
from nanodet.cli.arguments import is_override
from nanodet.cli.packages import needed_packages
from nanodet.cli.streams import ReaderGone, standard_streams
from nanodet.cli.terminal import traceback_text
from nanodet.errors import NanodetError
from nanodet.runtime.printable import printable, say
from nanodet.runtime.stopping import stopping_on_signals

# verb: the module with EXAMPLES, add_arguments(parser) and run(args), and one line of help. These
# modules import their room when they run: `nanodet detect` must work without torch
VERBS = {
    "quickstart": (
        quickstart,
        "train, export and compare on drawn pictures: a first try without data",
    ),
    "detect": (detect, "find objects in pictures, videos and cameras"),
    "download": (download, "list published models, or fetch one into the cache"),
    "train": (train, "train a detector from a config file"),
    "eval": (evaluation, "measure AP of a model on annotated pictures"),
    "export": (export, "convert a checkpoint to ONNX and ncnn, and compare"),
    "verify": (verify, "compare exported models with their checkpoint, layer by layer if need be"),
    "quantize": (quantize, "convert an ncnn model to int8, and measure what it loses and gains"),
    "import": (import_model, "turn an ncnn model back into a checkpoint that trains"),
    "bench": (bench, "time models on this machine or a device, side by side"),
    "info": (info, "show input, classes, parameters and multiply-adds of a model"),
}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the examples, and names of options on the line of their text."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=28)


class _Parser(argparse.ArgumentParser):
    """Shows words of the command line as they are, also those that would steer the terminal."""

    color = False  # of Python 3.14 on, which steers it

    def error(self, message):
        super().error(printable(message))


def main(argv=None):
    """Run one command; return the exit status.

    Returns:
        0; 1, an error of the user's; 3, an export that left out stages; 130, Ctrl-C; 143, SIGTERM;
        129, SIGHUP.
    """
    return run_command(_parse_and_run, argv)


def command_parser():
    """Return the `argparse` parser of all commands."""
    parser = _Parser(
        prog="nanodet", description="A detector small enough for a phone.", formatter_class=_Help,
        epilog="nanodet COMMAND --help says more about a command.",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"nanodet {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for verb, (command, words) in VERBS.items():
        sub = verbs.add_parser(
            verb, help=words, description=words[0].upper() + words[1:] + ".", formatter_class=_Help,
        )  # fmt: skip
        command.add_arguments(sub)
        more = "\n\n" + textwrap.fill(sub.epilog, 78) if sub.epilog else ""
        sub.epilog = "\n  ".join(("examples:", *command.EXAMPLES)) + more
        sub.set_defaults(run=command.run, parser=sub)
    return parser


def _parse_and_run(argv):
    args, rest = command_parser().parse_known_args(argv)
    if hasattr(args, "overrides"):
        # argparse takes positional arguments only up to the first option behind them
        args.overrides = [*args.overrides, *filter(is_override, rest)]
        rest = [word for word in rest if not is_override(word)]
    if rest:
        args.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args.run(args)


def run_command(function, *arguments):
    """Call a command's function; turn whatever ends it into one line and an exit status."""
    with standard_streams():
        try:
            with needed_packages(), stopping_on_signals():
                return _flushed(function, *arguments)
        except NanodetError as error:
            status, line = 1, f"error: {error}"
        except UnicodeEncodeError as error:
            # files are opened by names, and these hold letters that the system's encoding lacks
            way_on = "rename it" if error.encoding == "utf-8" else "set PYTHONUTF8=1, or rename it"
            status, line = 1, (
                f"error: {error.object[:200]}: this name cannot be written in {error.encoding}; "
                + way_on
            )  # fmt: skip
        except KeyboardInterrupt as stop:
            status, line = 128 + getattr(stop, "number", signal.SIGINT), str(stop) or "stopped"
        except ReaderGone:
            return 0  # not an error of ours
        except OSError as error:
            name = error.filename2 or error.filename
            status, line = 1, f"error: {f'{name}: {error.strerror}' if name else error}"
        say(f"nanodet: {line}", file=sys.stderr)
        return status


def _flushed(function, *arguments):
    """Return a command's status when all that it printed is written."""
    try:
        status = function(*arguments)
    except SystemExit:  # of argparse, behind --help
        sys.stdout.flush()
        raise
    sys.stdout.flush()
    return status or 0


def entry():
    """The installed script."""
    sys.excepthook = lambda kind, error, trace: sys.stderr.write(traceback_text(error))
    sys.exit(main())


if __name__ == "__main__":
    entry()
