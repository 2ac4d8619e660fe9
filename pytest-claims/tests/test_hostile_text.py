"""Hostile text stays text wherever a report shows it."""

import json
import re

import pytest
from hostile import HOSTILE, Page, hostile_suite
from one_file import HOLDS
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.folder import rebuild
from pytest_claims.output.json import read_report
from pytest_claims.text import readable


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(reported, pytester, text, monkeypatch):
    pytester.makeconftest(
        (pytester.path / "conftest.py").read_text()
        + f"""
def pytest_claims_subject():
    return {text!r}

def pytest_claims_details():
    from pytest_claims.subject import Note, Subject
    evil = {text!r}
    return Subject(path=evil, facts=((evil, evil),), notes=(Note(evil, True),), suite={{"evil": evil}})
"""
    )
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result, document, page, markdown = reported(hostile_suite(text))
    assert result.ret == 1
    shown = readable(text)
    assert document["claims"][0]["statement"] == shown
    (pytester.path / "report" / "report.json").read_bytes().decode("ascii")

    parsed, honest = Page(page), Page(reported(hostile_suite("plain"))[2])
    assert parsed.tags == honest.tags, "markup came out of a text"
    assert parsed.handlers == []
    assert all(set(script) <= {"type", "id"} for script in parsed.scripts)
    assert " ".join(shown.split()) in parsed.text

    assert not re.search(r"<(?!br>|!-- -->|/?details>|/?summary>)", markdown), "HTML came out of a text"
    assert len(markdown) < 20_000
    assert "\x00" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, "a cell became two"

    commands = [line for line in result.outlines if line.startswith("::")]
    assert [line.split(" ")[0] for line in commands] == ["::error"], "a text became a workflow command"


def test_text_that_says_nothing_bad_is_left_alone():
    for text in ("plain", "über 11²⁰ → “quoted”", "a\nb\tc", "A and 😀"):
        assert readable(text) == text


def test_text_beyond_all_measure_is_cut_and_says_so():
    assert readable("x" * 20_001).endswith("x... (1 characters more)")


def test_texts_of_a_report_that_is_read_are_made_readable(reported, pytester):
    document = reported(HOLDS)[1]
    for text in HOSTILE:
        document["claims"][0]["statement"] = document["subject"]["line"] = text
        (pytester.path / "evil.json").write_text(json.dumps(document))
        report = read_report(pytester.path / "evil.json")
        assert report.claims[0].records[0].statement == report.line == readable(text)
        rebuild(report, pytester.path / "again", Illustrations())
