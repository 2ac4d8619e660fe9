"""`python -m pytest_claims history`: reports in a row, and which claim held when."""

import json
import os
import re

import pytest
from made_reports import EVIL, claim, record, report
from pytest_claims.__main__ import main
from pytest_claims.drawing.figure import Illustrations
from pytest_claims.output.folder import write_report
from pytest_claims.report.history import in_order
from pytest_claims.verdict import RIVAL_WINS, Verdict

UNSHOWN = "not shown to be able to fail"


def refuted(name, **options):
    return claim(name, Verdict.REFUTED, gap=4.0, **options)


def absent(name):
    return []


def not_about(name):
    return [record(name, Verdict.NOT_ABOUT, measurements=[], assertions=[], reason="it has no gap")]


def survived(name):
    return claim(name, control=Verdict.SURVIVED)


def in_error(name):
    return claim(name, Verdict.ERROR, measurements=[], assertions=[], reason="ZeroDivisionError: division by zero")


@pytest.fixture
def write(tmp_path):
    """Write a report of claims into a folder below `tmp_path`."""

    def write(folder, *claims, line="", exit_code=0):
        written = report(*claims, line=line or f"model of {folder}", exit_code=exit_code)
        write_report(written, tmp_path / folder, Illustrations())
        return tmp_path / folder / "report.json"

    return write


@pytest.fixture
def history(tmp_path, capsys):
    """Run the command; returns the exit code, the lines that it prints, and what it says of errors."""

    def run(*arguments):
        code = main(["history", *map(str, arguments or [tmp_path])])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return run


def sentence(lines, name):
    """What is told of a claim that changed; None if it did not."""
    return next((line.strip() for line in lines[lines.index("changed:") :] if f"  {name}: " in line), None)


def test_a_row_for_each_claim_and_a_character_for_each_report(write, history):
    for folder, made in {"1": claim, "2": refuted, "3": survived, "4": in_error, "5": absent, "6": not_about}.items():
        write(folder, claim("test_same"), made("test_other"))
    code, lines, errors = history()
    assert (code, errors) == (0, "")
    assert lines[0] == "6 reports, 2 claims: 1 changed"
    assert "123456" in lines
    assert "++++++  test_same" in lines
    assert "+X?!.   test_other" in lines
    legend = next(line for line in lines if line.startswith("+ as it should be"))
    assert "blank not about the model" in legend
    assert "~" not in legend


def test_each_report_is_named_with_its_headline_and_its_model(write, history):
    path = write("a", claim("test_gap"), line="checkpoint seed0.pt, sha256 abc")
    _, lines, _ = history()
    assert f"R1  {path}" in lines
    assert "    The one claim holds; checkpoint seed0.pt, sha256 abc" in lines


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([claim, claim, refuted, refuted], "held until R2, refuted from R3 on (gap 4 m, not < 1)"),
        ([claim, refuted, claim], "held in R1, refuted in R2 (gap 4 m, not < 1), held in R3"),
        ([refuted, claim], "refuted in R1 (gap 4 m, not < 1), held in R2"),
        ([claim, absent, absent, claim], "held in R1, absent in R2 to R3, held in R4"),
        ([absent, claim, claim], "absent in R1, held from R2 on"),
        (
            [claim, survived],
            f"held in R1, {UNSHOWN} in R2 (no control breaks: gap <; control widen_gap survived)",
        ),
        ([claim, in_error], "held in R1, in error in R2 (ZeroDivisionError: division by zero)"),
        ([claim, not_about], "held in R1, not about this model in R2"),
        (
            [claim, refuted, claim, refuted, claim, refuted, claim, refuted, refuted],
            "held in 4 of 9 reports, refuted in 5 of 9 reports (R2, R4, R6, R8 to R9)",
        ),
    ],
)
def test_a_sentence_for_each_claim_that_changed(write, history, made, expected):
    for i, make in enumerate(made):
        write(str(i), claim("test_same"), make("test_gap"))
    _, lines, _ = history()
    assert sentence(lines, "test_gap") == f"test_gap: {expected}"
    assert sentence(lines, "test_same") is None


def test_a_claim_whose_source_changed_with_its_state_is_told_so(write, history):
    write("1", claim("test_gap"))
    write("2", refuted("test_gap", source_id="2"))
    _, lines, _ = history()
    assert sentence(lines, "test_gap").endswith("(gap 4 m, not < 1; its source changed, too)")


def test_roles_are_as_they_should_be_or_not(write, history):
    def rival(verdict, reason=""):
        return claim("test_rival", verdict, Verdict.CONFIRMED, role="alternative", reason=reason)

    def stress(verdict, gap):
        return claim("test_limit", verdict, gap=gap, role="stress")

    write("1", rival(Verdict.LOSES), stress(Verdict.HOLDS, 0.25))
    write("2", rival(Verdict.WINS, RIVAL_WINS), stress(Verdict.LIMIT, 4.0))
    _, lines, _ = history()
    assert "+X  test_rival" in lines
    assert "+~  test_limit" in lines
    assert sentence(lines, "test_rival") == f"test_rival: lost in R1, won in R2 ({RIVAL_WINS})"
    assert sentence(lines, "test_limit") == "test_limit: held in R1, a known limit in R2"


def test_names_are_in_natural_order():
    names = ["seed10", "seed9", "seed9/1", "a10b2", "a9", "a10b10", "10", "x", ""]
    assert [names[i] for i in in_order(names)] == ["", "10", "a9", "a10b2", "a10b10", "seed9", "seed9/1", "seed10", "x"]


def test_reports_are_ordered_by_name_or_by_time(write, history, tmp_path):
    for folder, second in {"seed9": 3, "seed10": 1, "seed11": 2}.items():
        os.utime(write(folder, claim("test_gap")), (second, second))

    def order(*arguments):
        return re.findall(r"seed\d+(?=/report)", "\n".join(history(tmp_path, *arguments)[1]))

    assert order() == ["seed9", "seed10", "seed11"]
    assert order("--by", "time") == ["seed10", "seed11", "seed9"]


def test_a_report_that_is_named_twice_counts_once(write, history, tmp_path):
    path = write("a", claim("test_gap"))
    assert history(tmp_path, path, tmp_path / "a")[1][0] == "1 report, 1 claim: none changed"


def test_what_cannot_be_read_is_named_in_one_line_and_left_out(write, history, tmp_path):
    write("1", claim("test_gap"))
    unfinished = write("2", claim("test_gap"), exit_code=None)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "report.json").write_text("{")
    code, lines, errors = history(tmp_path, tmp_path / "no\nsuch")
    assert code == 0
    assert lines[0].startswith("1 report, ")
    complaints = errors.splitlines()
    assert len(complaints) == 3
    assert all(line.startswith("left out: ") for line in complaints)
    assert f"left out: {unfinished}: the run that was to write it has not finished" in complaints


def test_without_any_report_the_exit_code_is_4(history, tmp_path):
    code, lines, errors = history()
    assert (code, lines) == (4, [])
    assert errors == "error: there is no report that can be read\n"
    assert history(tmp_path / "none")[0] == 4


def test_a_report_of_the_format_before_is_read(write, history, tmp_path):
    path = write("1", refuted("test_gap"))
    document = json.loads(path.read_text())
    document["format"] = 2
    del document["sources"]
    for name in ("role", "evidence", "code"):
        del document["claims"][0][name]
    path.write_text(json.dumps(document))
    write("2", claim("test_gap"))
    code, lines, errors = history()
    assert (code, errors) == (0, "")
    assert "X+  test_gap" in lines


def test_names_that_two_files_share_are_told_in_full(write, history):
    first = claim("test_gap")
    second = [record("test_gap")]
    second[0].claim, second[0].test = "claims/test_more.py::test_gap", "claims/test_more.py::test_gap[checkpoint]"
    write("1", first, second)
    _, lines, _ = history()
    assert {"+  claims/test_it.py::test_gap", "+  claims/test_more.py::test_gap"} <= set(lines)


def test_claims_stand_in_the_order_of_the_last_report(write, history):
    write("1", claim("test_gone"), claim("test_b"), claim("test_a"))
    write("2", claim("test_a"), claim("test_b"))
    _, lines, _ = history()
    assert [line[4:] for line in lines if re.match("[+.]{2}  ", line)] == ["test_a", "test_b", "test_gone"]


def test_numbers_above_nine_are_read_downwards(write, history):
    for i in range(11):
        write(f"seed{i}", claim("test_gap"))
    _, lines, _ = history()
    at = lines.index("12345678901")
    assert lines[at - 1] == "         11"
    assert lines[at + 1] == "+" * 11 + "  test_gap"


def test_the_page_holds_the_same_and_is_the_same_each_time(write, history, tmp_path):
    write("1", claim("test_gap"), claim("test_same"))
    write("2", refuted("test_gap"), claim("test_same"))
    page = tmp_path / "deep" / "history.html"
    code, lines, _ = history(tmp_path, "--html", page)
    assert code == 0
    assert lines[-1] == f"wrote {page}"
    text = page.read_text()
    assert "Claim test_gap: held in R1, refuted in R2 (gap 4 m, not &lt; 1)" in text
    assert '<td class="bad"><span aria-hidden="true">X</span><span class="sr">not as it should be</span></td>' in text
    assert "<script" not in text
    assert "default-src 'none'" in text
    history(tmp_path, "--html", page)
    assert page.read_text() == text


def test_a_page_that_cannot_be_written_is_one_line(write, history, tmp_path):
    path = write("1", claim("test_gap"))
    code, _, errors = history(path, "--html", path / "history.html")
    assert code == 1
    assert errors.startswith("error: --html ")
    assert errors.count("\n") == 1


def test_hostile_text_stays_text(write, history, tmp_path):
    write(EVIL.replace("/", "_"), claim("test_gap", statement=EVIL, section=EVIL), line=EVIL)
    write("2", refuted("test_gap", statement=f"::error::{EVIL}\n::error::x", section=EVIL), line=f"\n::error::{EVIL}")
    page = tmp_path / "history.html"
    _, lines, _ = history(tmp_path, "--html", page)
    assert not any(line.lstrip().startswith("::") for line in lines)
    assert not re.search(r"<(script|img)", page.read_text())


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["history", "--help"])
    assert ended.value.code == 0
    assert "python -m pytest_claims history reports/" in capsys.readouterr().out
