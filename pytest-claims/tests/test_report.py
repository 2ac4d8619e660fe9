"""`--report`: page, JSON and Markdown of a run, and what they hold."""

import json
import re
from dataclasses import replace

import jsonschema
import pytest
from hostile import Page
from one_file import HOLDS, REFUTED, SURVIVED
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.folder import rebuild
from pytest_claims.output.html import render_page
from pytest_claims.output.json import from_document, read_report, schema
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult, Record
from pytest_claims.verdict import Verdict

PUBLISHED = """
    @stated(widen_gap)
    def test_gap(model, measure):
        gap = measure("gap", model["gap"], "m", published=0.3)
        assert gap < 1
        assert gap.as_published(within=0.2)
"""

ERROR = HOLDS.replace("assert", "1 / 0\n        assert")


@pytest.mark.parametrize(
    ("body", "code", "tone", "headline"),
    [
        (HOLDS, 0, "good", "The one claim holds"),
        (REFUTED, 1, "bad", "1 claim refuted"),
        (SURVIVED, 1, "bad", "1 control survived"),
        (ERROR, 1, "bad", "1 in error, 1 control in error"),
    ],
)
def test_the_report_is_written_whatever_the_verdict(reported, body, code, tone, headline):
    result, document, page, markdown = reported(body)
    assert result.ret == document["exit_code"] == code
    assert document["tone"] == tone
    assert document["headline"] == headline
    jsonschema.validate(document, schema())
    assert headline in Page(page).text
    assert f'data-tone="{tone}"' in page
    assert headline in markdown
    assert ("🟢" in markdown) == (tone == "good")


def test_the_document_holds_all_that_was_measured(reported):
    _, document, _, _ = reported(PUBLISHED)
    (claim,) = document["claims"]
    assert claim["statement"] == "The gap is small"
    assert (claim["verdict"], claim["good"], claim["n_controls"]) == ("holds", True, 1)
    (measured,) = claim["measurements"]
    assert (measured["name"], measured["value"], measured["unit"], measured["published"]) == ("gap", 0.25, "m", 0.3)
    comparison, as_published = measured["comparisons"]
    assert (as_published["operator"], as_published["bound"]) == ("==", "0.3 ± 20%")
    assert (comparison["operator"], comparison["bound"], comparison["slack"]) == ("<", "1", 0.75)
    (control,) = claim["controls"]
    assert (control["name"], control["verdict"], control["measurements"][0]["value"]) == ("widen_gap", "refuted", 4.0)


def test_infinities_and_large_counts_survive_the_way_through_json(reported, pytester):
    body = HOLDS + (
        "        assert measure('endless', float('inf') if model['gap'] < 1 else 0) > 0\n"
        "        assert measure('many', 11**20 * (model['gap'] < 1)) == 11**20\n"
    )
    result, document, page, _ = reported(body)
    assert result.ret == 0
    assert document["claims"][0]["measurements"][1]["value"] == "Infinity"
    report = read_report(pytester.path / "report" / "report.json")
    assert [m.value for m in report.claims[0].records[0].measurements] == [0.25, float("inf"), 11**20]
    assert f"{11**20:,}" in page


def test_two_processes_leave_the_same_report(reported):
    def told(*arguments):
        _, document, page, _ = reported(HOLDS, *arguments)
        document["run"]["arguments"] = []
        return document, re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)

    assert told() == told("-n", "2")


def test_a_page_made_again_is_the_same_byte_for_byte(reported, pytester):
    _, _, page, markdown = reported(REFUTED)
    rebuild(read_report(pytester.path / "report" / "report.json"), pytester.path / "again", Illustrations())
    assert (pytester.path / "again" / "report.html").read_text() == page
    assert (pytester.path / "again" / "report.md").read_text() == markdown


def test_without_the_option_nothing_is_written_and_no_template_engine_is_loaded(run_claims, pytester):
    result = run_claims(
        HOLDS
        + """
    def test_modules():
        import sys
        assert not {"jinja2", "matplotlib", "jsonschema"} & set(sys.modules)
""",
        process=True,
    )
    assert result.ret == 0
    assert not list(pytester.path.glob("**/report.*"))


def test_a_run_that_is_killed_leaves_no_earlier_report_that_could_be_taken_for_its_own(run_claims, pytester):
    run_claims(HOLDS, "--report", "report")  # an earlier, green one
    killed = HOLDS.replace("assert", "__import__('os').kill(__import__('os').getpid(), 9)\n        assert")
    run_claims(killed, "--report", "report", process=True)
    document = json.loads((pytester.path / "report" / "report.json").read_text())
    assert (document["tone"], document["exit_code"]) == ("unfinished", None)
    assert "has not finished" in Page((pytester.path / "report" / "report.html").read_text()).text
    assert "🔴" in (pytester.path / "report" / "report.md").read_text()


def test_what_is_left_out_is_told_on_the_page(reported):
    _, document, _, _ = reported(HOLDS, "--no-controls")
    assert document["tone"] == "partial"
    report = replace(from_document(document), left_out=("2 of 3",))
    assert "Not the whole suite: 2 of 3" in Page(render_page(report, Illustrations())).text


def test_claims_of_one_name_have_links_of_their_own():
    ids = [f"{file}.py::test_a" for file in "ab"]
    records = [Record(f"{i}[checkpoint]", i, "S", "s", "checkpoint", Verdict.HOLDS) for i in ids]
    page = render_page(Report([ClaimResult(r.claim, r) for r in records], exit_code=0), Illustrations())
    assert re.findall(r'<article class="claim" id="([^"]+)"', page) == ["claim-a", "claim-a-2"]
