"""What a claim is for and what stands behind it: on the page, in Markdown and in the terminal."""

import re

import pytest
from made_reports import claim, erratum, limit, record, report, rival
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.github import workflow_commands
from pytest_claims.output.html import render_page
from pytest_claims.output.json import from_document, to_document
from pytest_claims.output.markdown import markdown
from pytest_claims.output.terminal import render
from pytest_claims.verdict import Verdict


def page_of(made_report):
    return render_page(from_document(to_document(made_report)), Illustrations())


def badges(page):
    return dict(re.findall(r'<span class="badge (\w+)">([^<]+)</span>', page))


ALL = report(claim("test_plain"), rival(), limit(), erratum())


def test_rivals_and_limits_are_named_for_what_they_are():
    page = page_of(ALL)
    assert "Rival account: Claim test_rival" in page
    assert "Stress test: Claim test_limit" in page
    assert "Published, in our words: Claim test_published" in page
    assert ">loses</span>" in page
    assert badges(page)["limit"] == "known limit"


@pytest.mark.parametrize(
    ("result", "colour", "words"),
    [
        (rival(), "good", "loses"),
        (rival(Verdict.WINS), "bad", "wins"),
        (limit(), "limit", "known limit"),
        (limit(Verdict.HOLDS), "good", "holds"),
        (limit(Verdict.ERROR), "bad", "error"),
        (erratum(), "good", "erratum"),
    ],
)
def test_the_colour_says_whether_it_is_as_it_should_be(result, colour, words):
    assert badges(page_of(report(result))) == {colour: words}


def test_controls_of_a_rival_are_those_that_it_is_true_of():
    page = page_of(report(rival()))
    assert "True of the models it should be true of 1/1" in page
    assert "Broken model" not in page


def test_a_limit_without_controls_says_nothing_of_controls():
    made_report = report(limit())
    assert 'class="controls"' not in page_of(made_report)
    assert "0/0 |" not in markdown(made_report)
    assert "controls not selected" not in render(made_report).splitlines()[:-1]


def test_how_to_read_this_explains_what_occurs_and_nothing_else():
    words = ["<em>erratum</em>", "<em>rival account</em>", "<em>stress test</em>", "<em>Evidence</em>"]
    assert not any(word in page_of(report(claim("test_plain"))) for word in words)
    assert [word in page_of(ALL) for word in words] == [True, True, True, False]
    assert words[-1] in page_of(report(claim("test_plain", evidence="exact")))


def test_markdown_counts_each_kind():
    text = markdown(report(claim("test_a"), claim("test_b"), rival(), limit(), erratum()))
    assert "<summary>All: 2 claims, 1 erratum, 1 rival account, 1 stress test</summary>" in text
    assert "| loses | Rival account\\: Claim test\\_rival |" in text
    assert "| known limit | Stress test\\: Claim test\\_limit |" in text
    assert "**broken**" not in text
    assert "**broken** by 3" in markdown(report(claim("test_a", Verdict.REFUTED, gap=4.0)))


def test_the_terminal_tells_verdicts_of_roles():
    text = render(ALL)
    assert re.search(r"^LOSES +Rival account: Claim test_rival$", text, re.M)
    assert re.search(r"^LIMIT +Stress test: Claim test_limit$", text, re.M)
    assert re.search(r"^WINS +Rival account: Claim test_rival$", render(report(rival(Verdict.WINS))), re.M)


@pytest.mark.parametrize(
    ("result", "colour"),
    [(claim("test_a", Verdict.REFUTED, gap=4.0), "\x1b[31m"), (limit(), "\x1b[33m"), (rival(), "")],
)
def test_the_terminal_shows_what_is_broken_in_the_colour_of_the_verdict(result, colour):
    row = next(line for line in render(report(result), colour=True).splitlines() if "slack" in line)
    assert colour in row
    assert ("\x1b[" in row) == bool(colour)


def test_an_annotation_names_a_rival_as_one():
    (command,) = workflow_commands(report(rival(Verdict.WINS)))
    assert "title=wins%3A Rival account%3A Claim test_rival::" in command


EVIDENCE = report(
    claim("test_a", evidence="proved", over="every sequence"),
    claim("test_b", evidence="exact"),
    claim("test_c", evidence="exact"),
    claim("test_d"),
)


def test_evidence_is_told_beside_what_a_claim_holds_over():
    assert '<span class="evidence">proved</span> Over every sequence.' in page_of(EVIDENCE)
    assert "Claim test\\_a<br>proved, every sequence |" in markdown(EVIDENCE)
    assert "Claim test\\_d |" in markdown(EVIDENCE)
    assert re.search(r"^ +proved, over every sequence; us$", render(EVIDENCE), re.M)
    assert re.search(r"^ +over everything; us$", render(EVIDENCE), re.M)


def test_the_filter_counts_evidence():
    page = page_of(EVIDENCE)
    options = re.findall(r'name="evidence" value="(\w+)"( checked)?><span>(\w+) (\d+)</span>', page)
    assert options == [
        ("all", " checked", "Any", "4"),
        ("proved", "", "Proved", "1"),
        ("exact", "", "Exact", "2"),
        ("unstated", "", "Unstated", "1"),
    ]
    assert re.findall('data-evidence="([^"]+)"', page) == ["proved", "exact", "exact", "unstated"]


def test_without_evidence_nothing_is_said_of_it():
    page = page_of(report(claim("test_a"), [record("test_b")]))
    assert "evidence" not in re.sub("<(style|script).*?</(style|script)>", "", page, flags=re.S)
