"""`--report`: page, JSON and Markdown of a run, what they hold, and that hostile text stays text in all of them."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import jsonschema
import pytest
from junitparser import xunit2
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.folder import rebuild
from pytest_claims.output.github import workflow_commands
from pytest_claims.output.html import render_page
from pytest_claims.output.json import ReportError, from_document, read_report, schema
from pytest_claims.output.markdown import markdown, plain
from pytest_claims.report.baseline import Comparison, Difference, Kind
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult, Record
from pytest_claims.text import readable
from pytest_claims.verdict import Verdict

HOLDS = """
    @stated(widen_gap)
    def test_gap(model, measure):
        assert measure("gap", model["gap"], "m") < 1
"""
PUBLISHED = """
    @stated(widen_gap)
    def test_gap(model, measure):
        gap = measure("gap", model["gap"], "m", published=0.3)
        assert gap < 1
        assert gap.as_published(within=0.2)
"""
REFUTED = HOLDS.replace("< 1", "< 0.1, 'the gap is wide'")
SURVIVED = HOLDS.replace("(widen_gap)", "(widen_gap, leave_alone)")
ERROR = HOLDS.replace("assert", "1 / 0\n        assert")

# What people and files can put where text is expected.
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b onmouseover='x'>&amp;&lt;",
    "]]> --> ${{ x }} {{ 7 * 7 }} {% raw %}",
    "| pipe `tick` *star* _line_ [link](http://x) #1 @someone ~~gone~~ $x$ www.x.org https://x.org",
    "line\nbreak\r\nand\ttab",
    "nul \x00 bell \x07 escape \x1b[31m delete \x7f",
    "right to left \u202e override, no character \ufffe \uffff",
    "not UTF-8: \udcff\udc80",
    "x" * 10_000,
    "::error::not a command",
]


class Page(HTMLParser):
    """What a page consists of, as an HTML parser sees it."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.scripts, self.handlers, self._inside = [], [], [], [], []
        self.feed(text)
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._inside.append(tag)
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        if tag == "script":
            self.scripts.append(dict(attributes))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside):
            self.texts.append(data)


@pytest.fixture
def reported(suite, pytester):
    """Run a suite with `--report` and return the exit code and the three files."""

    def run(body, *arguments, **options):
        result = suite(body, "--report", "told", *arguments, **options)
        folder = pytester.path / "told"
        document = json.loads((folder / "report.json").read_bytes())
        return result, document, (folder / "report.html").read_text(), (folder / "report.md").read_text()

    return run


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
    result, document, page, told = reported(body)
    assert result.ret == document["exit_code"] == code
    assert document["tone"] == tone
    assert document["headline"] == headline
    jsonschema.validate(document, schema())
    assert headline in Page(page).text
    assert f'data-tone="{tone}"' in page
    assert headline in told
    assert ("🟢" in told) == (tone == "good")


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
    report = read_report(pytester.path / "told" / "report.json")
    assert [m.value for m in report.claims[0].records[0].measurements] == [0.25, float("inf"), 11**20]
    assert f"{11**20:,}" in page


def test_two_processes_leave_the_same_report(reported):
    def told(*arguments):
        _, document, page, _ = reported(HOLDS, *arguments)
        document["run"]["arguments"] = []
        return document, re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL)

    assert told() == told("-n", "2")


def test_a_page_made_again_is_the_same_byte_for_byte(reported, pytester):
    _, _, page, told = reported(REFUTED)
    rebuild(read_report(pytester.path / "told" / "report.json"), pytester.path / "again", Illustrations())
    assert (pytester.path / "again" / "report.html").read_text() == page
    assert (pytester.path / "again" / "report.md").read_text() == told


def test_without_the_option_nothing_is_written_and_no_template_engine_is_loaded(suite, pytester):
    result = suite(
        HOLDS
        + """
    def test_modules():
        import sys
        assert not {"jinja2", "matplotlib", "jsonschema"} & set(sys.modules)
""",
        subprocess=True,
    )
    assert result.ret == 0
    assert not list(pytester.path.glob("**/report.*"))


def test_a_run_that_is_killed_leaves_a_report_that_says_so(suite, pytester):
    suite(HOLDS, "--report", "told")  # an earlier, green one
    sleep = "open('begun', 'w').close(); import time; time.sleep(10**6)"
    suite.write(HOLDS.replace("assert", f"{sleep}\n        assert"))
    command = [sys.executable, "-m", "pytest", "--report", "told", "-p", "no:benchmark"]
    run = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not (pytester.path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    document = json.loads((pytester.path / "told" / "report.json").read_text())
    assert (document["tone"], document["exit_code"]) == ("unfinished", None)
    assert "has not finished" in Page((pytester.path / "told" / "report.html").read_text()).text
    assert "🔴" in (pytester.path / "told" / "report.md").read_text()


def hostile_suite(text):
    """A suite whose statement, source, over, names, reasons and units are all the same text."""
    return f"""
    EVIL = {text!r}

    def build_evil(model):
        raise RuntimeError(EVIL)
    build_evil.__doc__ = EVIL

    def widen_evil(model):
        return {{"gap": 4.0}}
    widen_evil.__doc__ = EVIL

    @claim(EVIL, source=EVIL, over=EVIL, refuted_by=[widen_evil, build_evil])
    def test_evil(model, measure):
        assert measure(EVIL, model["gap"], EVIL) < 0.1, EVIL
"""


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
    result, document, page, told = reported(hostile_suite(text), "--junitxml=told/junit.xml")
    assert result.ret == 1
    shown = readable(text)
    assert document["claims"][0]["statement"] == shown
    (pytester.path / "told" / "report.json").read_bytes().decode("ascii")

    parsed, honest = Page(page), Page(reported(hostile_suite("plain"))[2])
    assert parsed.tags == honest.tags, "markup came out of a text"
    assert parsed.handlers == []
    assert all(set(script) <= {"type", "id"} for script in parsed.scripts)
    assert " ".join(shown.split()) in parsed.text

    assert not re.search(r"<(?!br>|!-- -->|/?details>|/?summary>)", told), "HTML came out of a text"
    assert len(told) < 20_000
    assert "\x00" not in told
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, "a cell became two"

    junit = xunit2.JUnitXml.fromfile(str(pytester.path / "told" / "junit.xml"))
    properties = {p.name: p.value for suite in junit for case in suite for p in case.properties()}
    assert properties["statement"].split() == shown.split()

    commands = [line for line in result.outlines if line.startswith("::")]
    assert [line.split(" ")[0] for line in commands] == ["::error"], "a text became a workflow command"


def test_text_that_says_nothing_bad_is_left_alone():
    for text in ("plain", "über 11²⁰ → “quoted”", "a\nb\tc", "A and 😀"):
        assert readable(text) == text


def test_text_beyond_all_measure_is_cut_and_says_so():
    assert readable("x" * 20_001).endswith("x... (1 characters more)")


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_junit_files_are_well_formed_whatever_a_claim_says(suite, pytester, text):
    suite(hostile_suite(text), "--junitxml=junit.xml")
    ElementTree.parse(pytester.path / "junit.xml")


def test_junit_carries_measured_bound_and_verdict(suite, pytester):
    suite(HOLDS, "--junitxml=junit.xml")
    junit = xunit2.JUnitXml.fromfile(str(pytester.path / "junit.xml"))
    cases = {case.name: {p.name: p.value for p in case.properties()} for suite in junit for case in suite}
    told = cases["test_gap[checkpoint]"]
    assert told["verdict"] == "holds"
    assert float(told["measured[gap]"]) == 0.25
    assert told["bound[gap]"] == "< 1"
    assert float(told["slack[gap]"]) == 0.75
    assert (told["statement"], told["over"], told["source"]) == ("The gap is small", "everything", "us")
    control = cases["test_gap[widen_gap]"]
    assert (control["verdict"], control["subject"], control["measured[gap]"]) == ("refuted", "widen_gap", "4.0")


def test_junit_is_the_same_in_two_processes(suite, pytester):
    def told(*arguments):
        suite(SURVIVED, "--junitxml=junit.xml", *arguments)
        junit = xunit2.JUnitXml.fromfile(str(pytester.path / "junit.xml"))
        return sorted((case.name, [(p.name, p.value) for p in case.properties()]) for s in junit for case in s)

    assert told() == told("-n", "2")


def test_the_step_summary_is_appended_to(reported, pytester, monkeypatch):
    summary = pytester.path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    _, _, _, told = reported(HOLDS)
    assert summary.read_text() == "before\n" + told


def test_a_step_summary_that_cannot_be_written_is_a_warning(reported, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "no" / "such" / "folder"))
    result, document, _, _ = reported(HOLDS)
    assert (result.ret, document["tone"]) == (0, "good")
    result.stdout.fnmatch_lines(["warning: GITHUB_STEP_SUMMARY *No such file*"])


def test_failures_annotate_the_line_of_the_claim(suite, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = suite(REFUTED)
    lines = (pytester.path / "test_suite.py").read_text().splitlines()
    place = 1 + next(i for i, line in enumerate(lines) if "@stated(widen_gap)" in line)
    (command,) = [line for line in result.outlines if line.startswith("::")]
    assert command.startswith(f"::error file=test_suite.py,line={place},title=refuted%3A The gap is small::")
    assert "gap = 0.25 m, should be < 0.1 | the gap is wide" in command


def test_a_step_summary_too_long_for_github_is_shortened_and_says_so():
    def report(n_claims):
        records = (
            Record(
                f"t.py::test_{i}[checkpoint]", f"t.py::test_{i}", "A section", "x" * 500, "checkpoint", Verdict.HOLDS
            )
            for i in range(n_claims)
        )
        return Report([ClaimResult(record.claim, record) for record in records], exit_code=0)

    assert "too long to show here" not in markdown(report(1000))
    long = markdown(report(3000))
    assert len(long.encode()) < 1_000_000
    assert "3000 claims" in long
    assert "too long to show here" in long


@pytest.mark.parametrize("special", list("\\`*_{}[]()#+-.!|~$:=^<>&@"))
def test_what_is_special_in_markdown_is_escaped(special):
    told = plain(f"a{special}b")
    assert re.fullmatch(r"a(\\.|&\w+;|@<!-- -->)b", told), told


def test_nothing_becomes_a_link_or_mentions_anybody():
    told = plain("https://x.org www.x.org @someone #1")
    assert not re.search(r"://|www|@\w|(?<!\\)#", told)
    assert plain("x" * 1000) == "x" * 397 + r"\.\.\."


def test_what_annotations_say_cannot_end_them(suite, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = suite(REFUTED.replace("the gap is wide", "100% wide, a: b,c" + "x" * 5000))
    (command,) = [line for line in result.outlines if line.startswith("::")]
    assert "100%25 wide, a: b,c" in command
    assert len(command) < 1500


def test_losses_problems_and_what_is_left_out_are_annotated():
    lost = Difference(Kind.MISSING, "claims/cumsum/test_it.py::test_a", "A, b: c", "gone", fails=True)
    noted = Difference(Kind.FIXED, "claims/cumsum/test_it.py::test_b", "B", "fixed", fails=False)
    comparison = Comparison("b", 0.5, (lost, noted), 0)
    report = Report(exit_code=1, comparison=comparison, left_out=("2 of 3",), problems=("no\nsuch",))
    assert list(workflow_commands(report)) == [
        "::error title=verification::no%0Asuch",
        "::error file=claims/cumsum/test_it.py,title=missing%3A A%2C b%3A c::gone",
        "::warning title=not the whole suite::2 of 3",
    ]
    assert "**not the whole suite:** 2 of 3" in markdown(report)
    assert "**problem:** no such" in markdown(report)


def test_nothing_is_annotated_outside_of_github(suite, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert not [line for line in suite(REFUTED).outlines if line.startswith("::")]


def test_texts_of_a_report_that_is_read_are_made_readable(reported, pytester):
    document = reported(HOLDS)[1]
    for text in HOSTILE:
        document["claims"][0]["statement"] = document["subject"]["line"] = text
        (pytester.path / "evil.json").write_text(json.dumps(document))
        report = read_report(pytester.path / "evil.json")
        assert report.claims[0].records[0].statement == report.line == readable(text)
        rebuild(report, pytester.path / "again", Illustrations())


def test_numbers_beyond_floating_point_are_read_and_told(reported):
    document = reported(HOLDS)[1]
    measured = document["claims"][0]["measurements"][0]
    measured["value"] = measured["comparisons"][0]["slack"] = 10**400
    assert from_document(document).claims[0].records[0].measurements[0].slack == float("inf")
    measured["comparisons"][0].update(slack=-(10**400), holds=False)
    document["claims"][0]["verdict"] = "refuted"
    assert "= 10,000,000" in next(workflow_commands(from_document(document)))


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


def valid(reported):
    return reported(SURVIVED)[1]


def test_every_part_of_the_schema_is_required(reported):
    document = valid(reported)
    from_document(document)
    for place in (document, document["subject"], document["run"], document["claims"][0]):
        for key in list(place):
            value = place.pop(key)
            with pytest.raises(ReportError):
                from_document(document)
            place[key] = value
    place = document["claims"][0]["measurements"][0]["comparisons"][0]
    for key, wrong in (("operator", "~"), ("holds", "yes"), ("slack", "a little"), ("slack", None), ("line", -1)):
        value, place[key] = place[key], wrong
        with pytest.raises(ReportError, match=key):
            from_document(document)
        place[key] = value
    from_document(document)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"format": NaN}', "NaN stands where"),
        (b'{"format": 1, "format": 1}', "twice"),
        (b"[]", "is not a verification report"),
        (b"{}", "is not a verification report"),
        (b'{"format": 1}', "is not a verification report"),
        (b'{"format": 1, "claims": []}', "is a report of format 1; this version reads formats 2 to 3"),
        (b'{"format": 2, "claims": []}', "is not a valid report"),
        (b'{"format": 2, "claims": 7}', "is not a valid report"),
    ],
)
def test_a_report_that_is_none_is_one_line(tmp_path, content, message):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match=re.escape(message)) as caught:
        read_report(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_claim_that_stands_twice_is_refused(reported):
    document = valid(reported)
    document["claims"] *= 2
    with pytest.raises(ReportError, match="twice"):
        from_document(document)


def test_headline_and_tone_are_not_taken_on_trust(reported):
    document = reported(REFUTED)[1]
    document["tone"], document["headline"], document["claims"][0]["good"] = "good", "All is well", True
    report = from_document(document)
    assert (report.tone, report.headline) == ("bad", "1 claim refuted")
