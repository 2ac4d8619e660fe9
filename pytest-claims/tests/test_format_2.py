"""Reports of format 2, from before claims had roles and evidence, are read as they were meant."""

import copy
import json

import pytest
from pytest_claims.__main__ import main
from pytest_claims.output.json import FORMAT, ReportError, from_document, read_report, to_document
from pytest_claims.verdict import Verdict

JUDGEMENT = {"operator": "<", "bound": "1", "holds": True, "slack": 0.75, "line": 3, "as_published": False}
MEASUREMENT = {
    "name": "gap",
    "value": 0.25,
    "unit": "m",
    "published": None,
    "interval": None,
    "used_as_bound": False,
    "times": 1,
    "comparisons": [{**JUDGEMENT, "broken_by": ["widen_gap"]}],
}
BROKEN = {**MEASUREMENT, "value": 4.0, "comparisons": [{**JUDGEMENT, "holds": False, "slack": -3.0}]}
CLAIM = {
    "id": "claims/test_mine.py::test_gap",
    "kind": "claim",
    "section": "Mine",
    "line": 1,
    "source_id": "0123456789abcdef",
    "statement": "The gap is small",
    "source": "us",
    "over": "everything",
    "depends_on": [],
    "exhaustive": False,
    "instrument": False,
    "one_model_only": False,
    "verdict": "holds",
    "good": True,
    "reason": "",
    "measurements": [MEASUREMENT],
    "assertions": ["gap <"],
    "unbroken": [],
    "n_controls": 1,
    "controls": [
        {
            "name": "widen_gap",
            "breaks": "Another gap.",
            "verdict": "refuted",
            "reason": "",
            "broken": ["gap <"],
            "measurements": [BROKEN],
        }
    ],
}
DOCUMENT = {
    "format": 2,
    "tone": "good",
    "headline": "The one claim holds",
    "summary": "1 claim: 1 hold; controls refuted 1/1; assertions shown to fail 1/1",
    "exit_code": 0,
    "subject": {"line": "mine", "path": "", "sha256": "", "facts": [], "notes": []},
    "run": {"arguments": [], "controls_left_out": False, "left_out": [], "problems": [], "environment": []},
    "comparison": None,
    "claims": [CLAIM],
    "timings": [],
    "suite": {},
}


@pytest.fixture
def before(tmp_path):
    """The file of a report of format 2."""
    (tmp_path / "before.json").write_text(json.dumps(DOCUMENT))
    return tmp_path / "before.json"


def test_what_format_2_did_not_have_is_empty(before):
    (result,) = read_report(before).claims
    first = result.records[0]
    assert (first.role, first.evidence, first.code, result.controls[0].code) == ("primary", "", "", "")
    assert (result.verdict, result.good) == (Verdict.HOLDS, True)


def test_it_says_the_same_in_the_format_of_today(before):
    document = to_document(read_report(before))
    assert document["format"] == FORMAT > 2
    assert document["sources"] == {"widen_gap": ""}
    for name in ("tone", "headline", "summary", "exit_code", "subject", "run", "suite"):
        assert document[name] == DOCUMENT[name]
    (claim,) = document["claims"]
    assert all(claim[name] == value for name, value in CLAIM.items() if name != "controls")
    assert to_document(from_document(copy.deepcopy(document))) == document


@pytest.mark.parametrize(("verdict", "code"), [("holds", 0), ("refuted", 1)])
def test_diff_compares_it_with_a_report_of_today(before, tmp_path, capsys, verdict, code):
    after = to_document(read_report(before))
    (claim,) = after["claims"]
    claim["role"], claim["evidence"], claim["code"] = "primary", "exact", "def test_gap(model, measure): ..."
    claim["verdict"] = verdict
    if verdict == "refuted":
        claim["measurements"] = copy.deepcopy([BROKEN])
    (tmp_path / "after.json").write_text(json.dumps(after))
    assert main(["diff", str(before), str(tmp_path / "after.json")]) == code
    output = capsys.readouterr().out
    assert ("1 as before" in output) == (code == 0)
    assert ("was: holds; now: refuted (gap 4 m, not < 1)" in output) == (code == 1)


def test_render_makes_a_page_of_it(before, tmp_path, capsys):
    assert main(["render", str(before), "--out", str(tmp_path / "page")]) == 0
    page = (tmp_path / "page" / "report.html").read_text()
    assert "The gap is small" in page
    assert 'class="code"' not in page


@pytest.mark.parametrize("name", ["role", "evidence", "code"])
def test_what_it_could_not_hold_may_not_be_nonsense(name):
    document = copy.deepcopy(DOCUMENT)
    document["claims"][0][name] = 7
    with pytest.raises(ReportError, match=name):
        from_document(document)
