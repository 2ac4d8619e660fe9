"""The page shows the source of claims and controls: all of it, once, and as text whatever it is."""

import re
import time
from html import unescape

import pytest
from made_reports import CODE, CONTROL, EVIL, claim, record, report
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.html import render_page
from pytest_claims.output.html.code import MOST_HIGHLIGHTED, Highlighter
from pytest_claims.output.json import from_document, to_document

HARD = [
    "f'" * 5_000,
    "(" * 10_000,
    "\\" * 10_000,
    "f'{" * 3_000,
    '"' * 10_001,
    "@a." * 3_000,
    "0_" * 5_000,
    "import a as " * 800,
    "match " * 1_600,
    "\t" * 9_999 + "x",
    "\u0300" * 9_000,
    "'''" + "\\" * 9_990,
]


def page_of(made_report):
    return render_page(made_report, Illustrations())


def codes(page):
    """The text of everything that is shown as code in a <details>."""
    return [unescape(re.sub("<[^>]+>", "", block)) for block in re.findall("<pre>(.*?)</pre></details>", page, re.S)]


@pytest.mark.parametrize(
    "text", [CODE, CONTROL, EVIL, "", "\n\n  x\n\n", "not python at all: 'a", "\t\u00e9 \u4e2d", *HARD]
)
def test_highlighting_changes_no_character(text):
    begun = time.perf_counter()
    html = Highlighter()(text)
    assert time.perf_counter() - begun < 5
    assert unescape(re.sub("</?i[^>]*>", "", html)) == text
    assert set(re.findall("<[^>]*>", html)) <= {"<i class=c>", "<i class=k>", "<i class=n>", "<i class=s>", "</i>"}


def test_keywords_strings_numbers_and_comments_are_set_apart():
    html = Highlighter()(CODE)
    assert '<i class=k>assert</i> measure(<i class=s>"gap"</i>' in html
    assert "<i class=n>1.5</i>" in html
    assert "<i class=c># in metres &amp; &lt;b&gt;bold&lt;/b&gt;</i>" in html


def test_beyond_all_measure_code_is_plain_text():
    highlighted = Highlighter()
    assert "<i" in highlighted("x = 1\n" * (MOST_HIGHLIGHTED // 6))
    assert highlighted("if 1 < 2:") == "if 1 &lt; 2:"


def test_every_claim_shows_its_code_and_every_control_once():
    page = page_of(report(claim("test_a"), claim("test_b")))
    assert codes(page) == [CODE, CODE, CONTROL]
    assert page.count('<a href="#source-widen-gap"><code>widen_gap</code></a>') == 2
    assert page.count('id="source-widen-gap"') == 1
    assert '<a href="#sources-of-controls">' in page


def test_controls_of_one_name_and_different_code_are_told_apart():
    other_code = CONTROL.replace("4.0", "9.0")
    made_report = report(
        claim("test_a"), claim("test_b", control_code=other_code), claim("test_c"), claim("test_d", control_code="")
    )
    document = to_document(made_report)
    assert document["sources"] == {"widen_gap": CONTROL}
    read = from_document(document)
    assert [result.controls[0].code for result in read.claims] == [CONTROL, other_code, CONTROL, ""]
    page = page_of(read)
    assert codes(page)[-2:] == [CONTROL, other_code]
    linked = re.findall('<a href="#(source-[^"]+)"><code>widen_gap', page)
    assert linked == ["source-widen-gap", "source-widen-gap-2", "source-widen-gap"]


def test_without_any_code_the_page_has_no_place_for_it():
    page = page_of(report([record("test_a", code="")]))
    assert 'class="code"' not in page
    assert "sources-of-controls" not in page
    assert "<code>claims/test_it.py::test_a</code>" in page


def test_a_claim_whose_checkpoint_was_not_selected_shows_no_code_of_its_own():
    page = page_of(report(claim("test_a")[1:]))
    assert codes(page) == [CONTROL]


def test_hostile_code_stays_text():
    made_report = report(claim("test_a", code=EVIL, named=EVIL, control_code=EVIL, evidence="exact"))
    page = page_of(from_document(to_document(made_report)))
    assert codes(page) == [EVIL, EVIL]
    assert "<img" not in page
    assert page.count("<script>") == 1


def test_the_same_report_gives_the_same_bytes():
    made_report = report(claim("test_a"), claim("test_b", named="another"))
    assert page_of(made_report) == page_of(from_document(to_document(made_report)))
