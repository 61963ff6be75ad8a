"""The folder that the images of annotations are in."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from nanodet.data.assemble import bare_name
from nanodet.data.formats import FORMATS
from nanodet.data.formats.head import Head
from nanodet.data.recognise import SAMPLES
from nanodet.data.sources import AnnotationSource, common_folder
from nanodet.data.splits import split_of
from nanodet.files.folders import files_below
from nanodet.images.image_file import is_picture_name

# names of images in the annotation files of several formats
_FILE_NAME = re.compile(
    r'(?:"(?:file_name|filename|image|imagePath)"\s*:\s*|<image\b[^>]*\bname=)"([^"]+)"'
)


class ImageFolders:
    """The images below a folder, by the folders that they are in.

    Attributes:
        folders: those with images, each with the split that its path means, or None.
        by_stem: names of images without suffix, each with the folders that have such an image.
    """

    def __init__(self, root: Path, files: Iterable[Path] | None = None) -> None:
        """List the images of ``root``; ``files``: all files below it, if they are known."""
        self.root = root
        self.folders: dict[Path, str | None] = {}
        self.by_stem: dict[str, list[Path]] = {}
        for path in filter(is_picture_name, files_below(root) if files is None else files):
            if path.parent not in self.folders:
                self.folders[path.parent] = split_of(path.parent.relative_to(root).parts)
            self.by_stem.setdefault(bare_name(path.name), []).append(path.parent)

    def folder_of(self, source: AnnotationSource) -> Path:
        """Return the folder of the images of a source."""
        folders = self._of_split(source.split)
        if FORMATS[source.format].folder:
            found = self._beside(source, set(folders))
        else:
            found = self._exact(source.paths[0], folders)
        return found or common_folder(folders)

    def _of_split(self, split: str | None) -> list[Path]:
        """Return the folders of a split; all without one, or if it has none and all belong to others."""
        for wanted in (split, None) if split is not None else ():
            if folders := [folder for folder, own in self.folders.items() if own == wanted]:
                return folders
        return list(self.folders)

    def _beside(self, source: AnnotationSource, folders: set[Path]) -> Path | None:
        """Return the folder in which most annotation files of one image have an image of their name.

        It has the same subfolders as the folder of annotations.
        """
        top = source.annotations
        named: dict[Path, set[str]] = {}
        for folder in source.paths:
            inside = folder.relative_to(top).parts
            for file in folder.iterdir():
                if file.suffix.lower() not in FORMATS[source.format].suffixes:
                    continue
                stem = bare_name(file.name)
                for place in self.by_stem.get(stem, ()):
                    end = len(place.parts) - len(inside)
                    if place in folders and place.parts[end:] == inside:
                        named.setdefault(Path(*place.parts[:end]), set()).add(stem)
        if not named:
            return None
        # beside the annotations, if other folders have images of these names, too
        best = max(named, key=lambda place: (len(named[place]), place == top))
        return common_folder([best, *(place for place in named if named[place] - named[best])])

    def _exact(self, file: Path, folders: Sequence[Path]) -> Path | None:
        """Return the folder to which the names of images in the beginning of a file are relative."""
        names = _FILE_NAME.findall(Head.of(file).text)[:SAMPLES]
        common = common_folder(folders)
        above = [folder for folder in common.parents if folder.is_relative_to(self.root)]
        for folder in (common, *above, *folders):
            if names and all(os.path.isfile(folder / name) for name in names):
                return folder
        return None
