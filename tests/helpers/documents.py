"""README, CONTRIBUTING and the pages of docs/, and what they show: fenced blocks, commands, links."""

import re
import shlex
import subprocess
import sys

from toy_model.checkout import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
"""All pages that readers of this project are sent to. CHANGELOG.md names files of the past."""


def name(page):
    return page.relative_to(ROOT).as_posix()


def text(path):
    return (ROOT / path).read_text()


def words(path):
    """The text of a page on one line."""
    return " ".join(text(path).split())


def blocks(marker, path):
    """The fenced blocks that follow an HTML comment, without their fences."""
    contents = re.findall(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", text(path), re.DOTALL)
    assert contents, f"{path} has no block marked {marker}"
    return contents


def block(marker, path):
    (content,) = blocks(marker, path)
    return content


def commands(page):
    """The commands of a page, each split into words: the lines of its indented blocks."""
    for paragraph in re.findall(r"(?:^|\n\n)((?:(?:    |      )\S.*\n)+)", page.read_text()):
        for line in paragraph.splitlines():
            for command in line.split(" && "):
                yield shlex.split(command, comments=True)


def run_pytest(*arguments, cwd=ROOT):
    """Run pytest in a process of its own; what it printed is text."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
