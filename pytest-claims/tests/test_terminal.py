"""What is printed: the report in as many columns and colours as the terminal has, and nothing where nothing runs."""

from one_file import HOLDS


def test_collecting_runs_nothing_and_reports_nothing(run_claims):
    result = run_claims(HOLDS, "--collect-only", "-q")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*verification report*")


def test_colour_is_used_only_where_pytest_uses_it(run_claims):
    assert "\x1b[" not in run_claims(HOLDS, "--color=no").stdout.str()
    assert "\x1b[1;32mHOLDS" in run_claims(HOLDS, "--color=yes").stdout.str()


def test_no_line_of_the_report_is_wider_than_100_columns(run_claims):
    long = HOLDS.replace('"gap"', '"the gap between one thing and another, measured in a roundabout way"')
    lines = run_claims(long).outlines
    start = next(i for i, line in enumerate(lines) if "verification report" in line)
    end = next(i for i, line in enumerate(lines) if line.startswith("1 claim:"))
    assert max(len(line) for line in lines[start : end + 1]) <= 100
