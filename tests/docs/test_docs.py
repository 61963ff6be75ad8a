"""The pages say what is so: links lead somewhere, commands have the options they are shown with."""

import argparse
import re
import runpy
import shlex

import pytest

from nanodet.cli.commands import VERBS

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def pages(root):
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted((root / "docs").glob("*.md")),
            *sorted((root / "deploy").glob("*/README.md"))]  # fmt: skip


def anchors(text):
    """Return the anchors that a page's headings get on a forge."""
    heads = re.findall(r"^#+ (.+)$", re.sub(FENCE, "", text), re.M)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", head)).strip().lower() for head in heads)
    return {head.replace(" ", "-") for head in plain}


def test_links_lead_somewhere(root):
    broken = []
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        for target in LINK.findall(re.sub(FENCE, "", text)):
            if re.match(r"https?:|mailto:", target):
                continue
            file, _, anchor = target.partition("#")
            there = (page.parent / file).resolve() if file else page
            if not there.exists():
                broken.append(f"{page.name}: {target}")
            elif anchor and anchor not in anchors(there.read_text(encoding="utf-8")):
                broken.append(f"{page.name}: {target}")
    assert not broken


def test_every_page_is_in_the_index(root):
    index = (root / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {target.partition("#")[0] for target in LINK.findall(index)}
    assert {page.name for page in (root / "docs").glob("*.md")} - {"README.md"} <= linked


def commands(root):
    """Yield (page, line, whether in a code block) of every `nanodet VERB ...`."""
    for page in pages(root):
        text = page.read_text(encoding="utf-8")
        for words in re.findall(r"`(nanodet \w[^`]*)`", re.sub(FENCE, "", text)):
            yield page, " ".join(words.split()), False
        for language, block in FENCE.findall(text):
            if language not in ("", "sh", "bash"):
                continue
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\|(?= )", line):
                    words = re.sub(r"(^|\s)#.*", "", part).strip()
                    if words.startswith("nanodet "):
                        yield page, words, True


def test_commands_have_the_options_they_are_shown_with(root):
    wrong, seen = [], 0
    for page, line, _ in commands(root):
        verb = line.split()[1]
        if verb not in VERBS:
            if verb[0] not in "-V":  # nanodet --version; VERB stands for any
                wrong.append(f"{page.name}: {line}")
            continue
        parser = argparse.ArgumentParser()
        VERBS[verb][0].add_arguments(parser)
        known = {option for action in parser._actions for option in action.option_strings}
        used = re.findall(r"(?<![\w-])(--[a-z][\w-]*)", line)
        seen += len(used)
        wrong += [f"{page.name}: {option} in {line}" for option in used if option not in known]
    assert not wrong
    assert seen > 30  # the search above finds them


def test_complete_commands_are_accepted(root):
    """Lines without placeholders parse as the program parses them."""
    for page, line, block in commands(root):
        if not block or re.search(r"[\[\]|<>]|\.\.\.|VERB", line):
            continue
        words = shlex.split(line)[1:]
        if words[0] not in VERBS:
            continue
        parser = argparse.ArgumentParser(prog=f"{page.name}: {line}")
        VERBS[words[0]][0].add_arguments(parser)
        _, rest = parser.parse_known_args(words[1:])
        assert all("=" in word for word in rest), f"{page.name}: {line}: {rest}"


@pytest.mark.parametrize("tool, name", [("api_reference.py", "api.md")])
def test_written_pages_are_up_to_date(root, tool, name):
    written = runpy.run_path(str(root / "tools" / tool))["page"]()
    assert written == (root / "docs" / name).read_text(encoding="utf-8"), (
        f"run: python tools/{tool}"
    )
