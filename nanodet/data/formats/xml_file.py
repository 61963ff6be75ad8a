"""XML files of annotations, without what could make a small file large."""

from typing import NoReturn
from xml.etree import ElementTree

from nanodet.errors import NanodetError
from nanodet.files import StrPath
from nanodet.files.inputs import Kind, read_bytes


class _Doctype(Exception):
    pass


class _Builder(ElementTree.TreeBuilder):
    """Refuses document types: entities could expand a small file to gigabytes."""

    def doctype(self, *_: object) -> NoReturn:
        raise _Doctype("has a document type declaration (DOCTYPE), which is not allowed")


def parse_xml(file: StrPath, kind: Kind) -> ElementTree.Element:
    """Return the root element of an XML file.

    Raises:
        NanodetError: it is not valid XML in UTF-8, or has a document type.
    """
    try:
        parser = ElementTree.XMLParser(target=_Builder())
        return ElementTree.fromstring(read_bytes(file, kind), parser)
    except _Doctype as error:
        raise NanodetError(f"{file}: {error}") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise NanodetError(f"{file}: not valid XML in UTF-8 ({error})") from None
