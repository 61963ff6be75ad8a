"""``nanodet convert FOLDER OUT --to coco``: annotated images of any format as a new data set."""

from argparse import ArgumentParser, Namespace

from nanodet.cli.arguments import add_data_arguments, reading
from nanodet.cli.packages import needed_packages

EXAMPLES = (
    "nanodet convert export_of_cvat my_set --to coco",
    "nanodet convert my_set --to yolo --images pictures --annotations project.json --pictures link",
)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to an `argparse` parser."""
    parser.add_argument(
        "source", metavar="FOLDER", nargs="?",
        help="folder with images and annotations, a data.yaml, or an annotation file; or give --images and "
        "--annotations",
    )  # fmt: skip
    parser.add_argument("out", metavar="OUT", help="folder to create")
    parser.add_argument(
        "--to", choices=("coco", "yolo"), required=True,
        help="coco: a JSON file for each set; yolo: text files and data.yaml",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", choices=("copy", "link"), default="copy",
        help="whether images are copied, or symbolic links (default: copy)",
    )  # fmt: skip
    parser.add_argument(
        "--classes", nargs="+", metavar="NAME",
        help="the classes to write, in this order (default: those of the annotations)",
    )  # fmt: skip
    add_data_arguments(parser, "folder of the images")


def run(args: Namespace) -> int:
    """Convert, and say what was written."""
    with needed_packages():
        from nanodet.data.convert import check_out, convert
        from nanodet.data.sets import read_sets, sets_of
    from nanodet.text.counted import counted
    from nanodet.text.printable import say

    sources = sets_of(args.source, args.images, args.annotations, reading(args))
    sets = read_sets(sources, args.classes, reading(args), say)
    places = [path for one in sources.values() for path in (one.images, one.annotations)]
    check_out(args.out, [*filter(None, [args.source]), *places])
    for line in convert(sets, args.out, args.to, args.pictures):
        say(line)
    for name, (found, _) in sets.items():
        boxes = sum(len(picture.boxes) for picture in found.pictures)
        start = f"{args.out}: {name}: " if name else f"{args.out}: "
        say(
            f"{start}{counted(len(found.pictures), 'image')}, {counted(boxes, 'box', 'es')} of "
            f"{counted(len(found.class_names), 'class', 'es')}"
        )
    return 0
