"""Every page leads somewhere: what it names exists, its commands can be given, and other pages lead to it."""

import argparse
import importlib.util
import json
import re
import runpy
import subprocess
import sys

import pytest
from documents import PAGES, commands, name, run_pytest, text

import cumsum_model.__main__
import cumsum_model.two_layers.__main__
import sorted_list_model.__main__
from cumsum_model.lengths.study import read_study
from toy_model.checkout import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
FOLDERS = "benchmarks|claims|cumsum_model|docs|examples|fixtures|pytest-claims|sorted_list_model|tests|toy_model"
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w/?|[\w.]+\.(?:md|toml|txt|yml))(?![\w*])")
TO_BE_MADE = {
    "claims/cumsum/test_mine.py",
    "sweeps/fresh/runs",
    "report.md",
    "pytest.ini",
    "gate.yml",
    "requirements.txt",
}
"""What a page tells its reader to make, or finds with others."""

SHOWN = sorted({(name(page), *command) for page in PAGES for command in commands(page)})


def of(*first):
    """The commands of all pages that begin with these words, as parameters of a test."""
    return sorted({command[1 + len(first) :] for command in SHOWN if command[1 : 1 + len(first)] == first})


def ids(command):
    return " ".join(command) or "alone"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings], link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_is_named_exists(page):
    """Those of docs/statements.md that name a test are judged in test_statements.py."""
    lines = [line for line in page.read_text().splitlines() if "::" not in line]
    for path in PATH.findall("\n".join(lines)):
        if path in TO_BE_MADE:
            continue
        assert (ROOT / path).exists() or (page.parent / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_module_that_is_named_exists(page):
    foreign = {"torch.py", "pytest.py", "sitecustomize.py", "cumsum_model.py", "execnet.py", "threading.py"}
    for module in set(re.findall(r"`([\w/]+\.py)`", page.read_text())) - foreign - TO_BE_MADE:
        assert list(ROOT.glob(f"**/{module}")), module


def test_every_page_is_linked_from_another():
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(text(page))}
    for page in PAGES[1:]:
        assert page in linked, f"no page links to {name(page)}"


def test_every_picture_has_words_beside_it():
    pictures = [
        (page, *picture) for page in PAGES for picture in re.findall(r"!\[([^\]]*)\]\((?!https:)([^)]+)\)", text(page))
    ]
    assert len(pictures) == 5
    for page, words, path in pictures:
        assert len(words) > 20
        assert (page.parent / path).read_bytes().startswith((b"\x89PNG", b"<svg"))


def test_every_command_is_of_a_kind_that_is_tried():
    kinds = {command[1] for command in SHOWN}
    assert kinds == {"make", "pytest", "python", "pip", ".", "cd"}
    assert of(".") == [(".venv/bin/activate",)]
    assert of("cd") == [("../mine",)]
    assert of("pip") == [("install", "./pytest-claims")]
    assert {command[2:4] for command in SHOWN if command[1] == "python"} == {
        ("-m", "cumsum_model"),
        ("-m", "cumsum_model.two_layers"),
        ("-m", "pytest_claims"),
        ("-m", "sorted_list_model"),
    }


class Understood(Exception):
    """The command line was read to its end."""


COMMANDS = [
    (package, words)
    for package in (cumsum_model.__main__, cumsum_model.two_layers.__main__, sorted_list_model.__main__)
    for words in of("python", "-m", package.__package__)
]


@pytest.mark.parametrize(("package", "words"), COMMANDS, ids=lambda part: ids(part) if isinstance(part, tuple) else "")
def test_a_command_is_understood(package, words, monkeypatch):
    """What each command does is tested elsewhere; `verify` passes its options to pytest."""
    read = argparse.ArgumentParser.parse_args

    def read_only(self, *arguments):
        read(self, *arguments)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", read_only)
    if words[0] == "verify":
        result = run_pytest("claims/cumsum", "--collect-only", "-q", *words[2:])
        assert "unrecognized arguments" not in result.stderr
        assert result.returncode in (0, 4), result.stderr  # 4: the baseline is the reader's
    else:
        with pytest.raises(Understood):
            package.main(words)


@pytest.mark.parametrize("words", [words for words in of("pytest") if words], ids=ids)
def test_pytest_collects_what_is_shown(words):
    runs_something = [word for word in words if not word.startswith("--report")]  # refused where nothing runs
    result = run_pytest("--collect-only", "-q", "--benchmark-disable", *runs_something)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("words", of("make"), ids=ids)
def test_a_target_of_make_exists(words):
    result = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def helps():
    """All that the commands say of their options."""
    verbs = ("train", "verify", "sweep", "universality", "inspect", "convert", "mutants", "certify", "check", "diff")
    own = [[sys.executable, "-m", "cumsum_model", verb, "--help"] for verb in (*verbs, "render")]
    own.append([sys.executable, "-m", "sorted_list_model", "certify", "--help"])
    own.append([sys.executable, "-m", "benchmarks.lengths", "--help"])
    every = [[sys.executable, "-m", "pytest", "--help"], *own]
    texts = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for command in every]
    return "".join(texts) + "--junitxml"  # pytest's help spells it --junit-xml and takes both


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_option_that_is_named_exists(page, helps):
    ours = page.read_text().replace("\\\n", " ").splitlines()
    words = "\n".join(line for line in ours if not re.search(r"\b(gh run|git) ", line))  # options of other programs
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", words)):
        if option != "--processes" or name(page) != "docs/performance.md":  # gone, and reported as such there
            assert option in helps, option


@pytest.mark.parametrize("table", ["matrix", "matrix-cumsum-two-layers", "matrix-sorted-list"])
def test_the_page_of_a_matrix_is_made_of_the_saved_one(table):
    spec = importlib.util.spec_from_file_location("docs_matrix", ROOT / "docs" / "matrix.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    saved = json.loads(text(f"docs/{table}.json"))
    assert text(f"docs/{table}.md") == module.page(table, saved, module.TABLES[table]), "python docs/matrix.py"


def test_the_page_of_lengths_has_the_tables_of_its_study():
    module = runpy.run_path(ROOT / "docs" / "lengths.py")
    page = text("docs/lengths.md")
    assert module["filled"](page, read_study(ROOT / "docs" / "lengths.json")) == page, "python docs/lengths.py"
    assert re.findall(r"<!-- table: ([\w ]+) -->", page) == list(module["TABLES"])
