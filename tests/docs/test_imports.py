"""Imports between packages go in one direction, as docs/architecture.md says."""

import ast
from collections import defaultdict


def imported(path):
    """Yield the packages below nanodet that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        else:
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("nanodet."):
                yield name.split(".")[1]


def test_no_two_packages_import_each_other(root):
    found, package = defaultdict(set), root / "nanodet"
    folders = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    for path in package.rglob("*.py"):
        owner = path.relative_to(package).parts[0]
        found[owner] |= {name for name in imported(path) if name in folders} - {owner}
    assert len(found) > 20 and found["learn"] == {"config", "model"}
    both = {(a, b) for a in folders for b in found[a] if a < b and a in found[b]}
    assert both == {("hub", "runtime")}
