"""``nanodet study STUDY [key=value ...]``: variants of a training, compared over seeds."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import override, positive_int
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet study my_study.yml",
    "nanodet study my_study.yml schedule.total_epochs=4 save_dir=try --jobs 2",
    "nanodet study my_study.yml --report-only",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument("study", metavar="STUDY", help="study file (YAML), see docs/study.md")
    parser.add_argument(
        "overrides", nargs="*", type=override, default=[], metavar="key=value",
        help="key of the config to change in all runs; save_dir is the study's folder",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=positive_int, default=1, metavar="N",
        help="trainings at once; they share the CPU cores (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--report-only", action="store_true", help="write the report of what has been trained"
    )


def run(args: Namespace) -> int:
    """Run the study; return 1 if a run has failed."""
    with needed_packages():
        from nanodet.study.study import study
    from nanodet.text.printable import say

    done = study(args.study, args.overrides, args.jobs, args.report_only)
    say(f"report: {done.markdown} and {done.html}")
    failed = sum(one.failure is not None for one in done.outcomes)
    if failed:
        say(f"{failed} of {len(done.outcomes)} runs failed: the report says why")
    return 1 if failed else 0
