"""`diff`: two reports compared on the command line."""

import json
from pathlib import Path

import pytest
from made_results import claim
from pytest_claims.__main__ import main
from pytest_claims.output.json import encode, to_document
from pytest_claims.report.report import Report


@pytest.fixture
def saved(tmp_path):
    def save(name, *claims, exit_code=0):
        path = tmp_path / name
        path.write_bytes(encode(to_document(Report(claims=list(claims), exit_code=exit_code))))
        return str(path)

    return save


def test_diff_prints_the_comparison_and_exits_by_it(saved, capsys):
    a, b = saved("a.json", claim(), claim("width")), saved("b.json", claim(slack=0.1), claim("width"))
    assert main(["diff", a, a]) == 0
    assert capsys.readouterr().out == f"against {a} (All 2 claims hold): 2 as before\n"
    assert main(["diff", a, b]) == 0
    assert "note  slack shrank: The gap is small" in capsys.readouterr().out
    assert main(["diff", a, b, "--fail-on-shrink", "0.5"]) == 1
    assert "FAILS slack shrank: The gap is small" in capsys.readouterr().out
    assert main(["diff", a, saved("c.json", claim())]) == 1
    assert "FAILS missing: The width is small" in capsys.readouterr().out


def test_diff_reads_no_other_file_than_a_finished_report(saved, tmp_path, capsys):
    a = saved("a.json", claim())
    (tmp_path / "text").write_text("text")
    for unreadable in (tmp_path / "none", tmp_path / "text", tmp_path, saved("unfinished.json", exit_code=None)):
        for pair in ((a, str(unreadable)), (str(unreadable), a)):
            assert main(["diff", *pair]) == 4
            captured = capsys.readouterr()
            assert captured.out == ""
            assert captured.err.startswith(f"error: {unreadable}: ")
            assert captured.err.count("\n") == 1


@pytest.mark.parametrize("fraction", ["0", "1", "nan", "half"])
def test_diff_refuses_a_fraction_that_is_none(saved, capsys, fraction):
    a = saved("a.json", claim())
    with pytest.raises(SystemExit) as stop:
        main(["diff", a, a, "--fail-on-shrink", fraction])
    assert stop.value.code == 2
    assert "should be a number between 0 and 1" in capsys.readouterr().err


@pytest.fixture
def changed(saved, tmp_path):
    """The path of a saved report of two claims, of which something was changed."""

    def change_it(name, change):
        path = Path(saved(name, claim(), claim("width")))
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return str(path)

    return change_it


def test_a_report_prints_no_command_to_github(changed, capsys):
    def evil(document):
        document["claims"][0] |= {"statement": "x\n::stop-commands::mine", "id": "::error::mine\n::error::too"}

    main(["diff", changed("evil.json", evil), changed("good.json", lambda document: None)])
    printed = capsys.readouterr().out
    assert "stop-commands" in printed
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::")]


def test_slack_that_cannot_be_is_refused_and_none_is_divided_by_zero(changed, capsys):
    def judgements(document):
        for described in document["claims"]:
            for measurement in described["measurements"]:
                yield from measurement["comparisons"]

    def with_slack(slack):
        return lambda document: [judgement.update(holds=True, slack=slack) for judgement in judgements(document)]

    zero = changed("zero.json", with_slack(0.0))
    some = changed("some.json", with_slack(0.5))
    infinite = changed("infinite.json", with_slack("Infinity"))
    negative = changed("negative.json", with_slack(-1))
    for before, after in ((zero, some), (some, zero), (infinite, some), (some, infinite), (infinite, zero)):
        main(["diff", before, after])
        printed = capsys.readouterr()
        assert printed.out
        assert "nan" not in printed.out
        assert "inf%" not in printed.out
        assert printed.err == ""
    assert main(["diff", some, negative]) == 4
    assert "a comparison holds with a slack of -1" in capsys.readouterr().err
