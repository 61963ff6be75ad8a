"""Reads YAML like PyYAML's safe loader, but refuses endless, ambiguous or huge values."""

from collections.abc import Sequence
from typing import Any

import yaml

from nanodet.errors import NanodetError
from nanodet.files.expansion import check_expansion

LONGEST = 1000  # characters of values other than strings: longer numbers take forever
# yaml also raises plain ValueErrors, for values such as 2001-99-99 and !!bool x
_ERRORS = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
_TEXT = "tag:yaml.org,2002:str"


def parse_yaml(text: str, file: object) -> Any:
    """Return the mappings, lists and scalars of a YAML text; ``file`` names it in messages.

    Raises:
        NanodetError: not YAML, a duplicate key, or aliases that expand to too much.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        check_expansion(node, f"{file}: not valid YAML", _parts)
        return loader.construct_document(node)
    except RecursionError:
        raise NanodetError(f"{file}: not valid YAML: it is nested too deeply") from None
    except _ERRORS as error:
        words = str(error).replace(' in "<unicode string>",', " in")  # the file is named before
        raise NanodetError(f"{file}: not valid YAML: {words}") from None


def _parts(node: yaml.Node) -> Sequence[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, of which YAML silently takes the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise yaml.YAMLError(
                        f"{key.value} is given twice, in line {lines[key.value]} and in line {line}"
                    )
                lines[key.value] = line
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if any("\ud800" <= letter <= "\udfff" for letter in node.value):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: holds half a character")
        if len(node.value) > LONGEST and node.tag != _TEXT:
            raise yaml.YAMLError(
                f"line {node.start_mark.line + 1}: {len(node.value)} characters are no number"
            )
        return node
