"""No way to leave something out, to crash or to interrupt ends in exit code 0 under a green headline."""

import json
import os
import subprocess
import sys

import pytest

CONFTEST = """
import pytest
import pytest_claims
pytest_plugins = ["pytest_claims.plugin"]

def pytest_addoption(parser):
    pytest_claims.short_options(parser)

def pytest_claims_load():
    return {"gap": 0.25}
"""

CLAIMS = '''"""Gaps: how large they are"""
import os, pytest
from pytest_claims import claim

def widen_gap(model):
    return {"gap": 4.0}

def widen_gap_further(model):
    return {"gap": 8.0}

@claim("The gap is small", source="us", over="everything", refuted_by=[widen_gap, widen_gap_further])
def test_small(model, measure):
    assert measure("gap", model["gap"]) < 1

@claim("The gap is not large", source="us", over="everything", refuted_by=[widen_gap])
def test_not_large(model, measure):
    assert measure("gap", model["gap"]) < 2
'''

MORE = '''"""More"""
from pytest_claims import claim
from claims_of_gaps import widen_gap

@claim("The gap is tiny", source="us", over="everything", refuted_by=[widen_gap])
def test_tiny(model, measure):
    assert measure("gap", model["gap"]) < 3
'''


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A suite in a folder of its own, run in a process of its own as CI does. Returns exit code, document and page."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nclaims_paths = claims\npythonpath = .\n")
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "test_gaps.py").write_text(CLAIMS)
    (tmp_path / "claims_of_gaps.py").write_text("def widen_gap(model):\n    return {'gap': 4.0}\n")
    (tmp_path / "claims" / "test_more.py").write_text(MORE)

    def run(*arguments, interpreter=(), report="told"):
        command = [sys.executable, *interpreter, "-m", "pytest", *arguments]
        if not any(str(argument).startswith("claims") for argument in arguments):
            command.append("claims/")
        command += [f"--report={report}"] if report else []
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_XDIST", "GITHUB"))}
        ran = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=3600
        )
        left = {path.name: path.read_text() for path in tmp_path.glob("told/report.*")}
        ran.document = json.loads(left["report.json"]) if left else None
        ran.page, ran.markdown = left.get("report.html", ""), left.get("report.md", "")
        return ran

    run.path = tmp_path
    run.edit = lambda old, new, file="claims/cumsum/test_gaps.py": _edit(tmp_path / file, old, new)
    return run


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def green(ran):
    """Whether anything that the run left behind could be taken for all being well."""
    said = ran.document and (ran.document["tone"] == "good" or "All " in ran.document["headline"])
    return ran.returncode == 0 and bool(said or '<html lang="en" data-tone="good">' in ran.page or "🟢" in ran.markdown)


def tell(ran):
    return ran.stdout[-3000:] + ran.stderr[-1000:]


def test_the_whole_suite_is_green(gate):
    ran = gate()
    assert green(ran), tell(ran)
    assert ran.document["headline"] == "All 3 claims hold"
    assert ran.document["run"]["left_out"] == []


def test_the_whole_suite_is_green_in_two_processes(gate):
    assert green(gate("-p", "xdist", "-n", "2"))


LEAVING_OUT = {
    "by keyword": ["-k", "small"],
    "by negative keyword": ["-k", "not small"],
    "by mark": ["-m", "no_such_mark"],
    "deselected": ["--deselect=claims/cumsum/test_gaps.py::test_small"],
    "a single control deselected": ["--deselect=claims/cumsum/test_gaps.py::test_small[widen_gap]"],
    "one file": ["claims/cumsum/test_gaps.py"],
    "one claim": ["claims/cumsum/test_gaps.py::test_small"],
    "one run of one claim": ["claims/cumsum/test_gaps.py::test_small[checkpoint]"],
    "only a control": ["claims/cumsum/test_gaps.py::test_small[widen_gap]"],
    "a file ignored": ["--ignore=claims/cumsum/test_more.py"],
    "files ignored by pattern": ["--ignore-glob=*more.py"],
    "controls left out": ["--no-controls"],
    "nothing selected": ["-k", "nothing_of_that_name"],
    "nothing run": ["--setup-only"],
    "only planned": ["--setup-plan"],
    "nothing left to run": ["--maxfail=1", "-k", "nothing"],
    "one file, without the ini file": ["-c", os.devnull, "claims/cumsum/test_gaps.py"],
    "no conftest": ["--noconftest"],
    "no plugin": ["-p", "no:pytest_claims.plugin"],
}


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
@pytest.mark.parametrize("way", LEAVING_OUT)
def test_what_is_left_out_by_options_is_never_green(gate, way, workers):
    ran = gate(*LEAVING_OUT[way], *workers)
    assert not green(ran), tell(ran)
    if ran.document and ran.document["tone"] == "partial":
        assert ran.document["run"]["left_out"] or ran.document["run"]["controls_left_out"], "it does not say what"


def edits():
    head = '@claim("The gap is small"'
    body = 'assert measure("gap", model["gap"]) < 1'
    inside = "def test_small(model, measure):\n"
    yield "skipped", head, f"@pytest.mark.skip\n{head}"
    yield "skipped if true", head, f"@pytest.mark.skipif(True, reason='today')\n{head}"
    yield "skipped inside", body, f"pytest.skip('today')\n    {body}"
    yield "imports or skips", "import os, pytest", "import os, pytest\npytest.importorskip('no_such_module')"
    yield "expected to fail", head, f"@pytest.mark.xfail\n{head}"
    yield "expected to fail and does", "< 1", "< 0.1\n", f"@pytest.mark.xfail\n{head}"
    yield "expected not to run", head, f"@pytest.mark.xfail(run=False)\n{head}"
    yield "exits inside with 0", body, f"pytest.exit('enough', returncode=0)\n    {body}"
    yield "the process ends with 0", body, f"os._exit(0)\n    {body}"
    yield "SystemExit", body, f"raise SystemExit(0)\n    {body}"
    yield "interrupted", body, f"raise KeyboardInterrupt\n    {body}"
    yield "killed", body, f"os.kill(os.getpid(), 9)\n    {body}"
    yield "error", body, f"1 / 0\n    {body}"
    yield "a fixture fails", inside, "def test_small(model, measure, no_such_fixture):\n"
    yield "a control fails", 'return {"gap": 8.0}', "1 / 0"
    yield "a control survives", 'return {"gap": 8.0}', "return dict(model)"
    yield "a control skips", 'return {"gap": 8.0}', "pytest.skip('today')"
    yield "not judged", body, 'measure("gap", model["gap"])'
    yield "not measured", body, "assert True"
    yield "no control", "refuted_by=[widen_gap, widen_gap_further]", "refuted_by=[]"
    yield "no claim", head, f"'''\n{head}"  # a file that cannot be parsed
    yield "another name", "def test_small", "def check_small"
    yield "tests nothing any more", inside, f"{inside}    return\n"
    yield "not about any model", "over=", "unless=lambda model: 'not about it', over="


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
@pytest.mark.parametrize("way", [edit for edit in edits() if len(edit) == 3], ids=lambda edit: edit[0])
def test_what_is_left_out_or_broken_in_a_claim_is_never_green(gate, way, workers):
    name, old, new = way
    gate.edit(old, new)
    ran = gate(*workers)
    if name == "not about any model":  # of this claim, which is fine: the others are, and hold
        assert ran.document["headline"] == "All 2 claims about this model hold; 1 is not about it", tell(ran)
        return
    assert not green(ran), tell(ran)
    assert ran.returncode != 0 or name == "the process ends with 0", tell(ran)


def test_no_claim_about_the_model_is_not_green(gate):
    for file in ("claims/cumsum/test_gaps.py", "claims/cumsum/test_more.py"):
        text = (gate.path / file).read_text()
        (gate.path / file).write_text(text.replace("over=", "unless=lambda model: 'not about it', over="))
    ran = gate()
    assert (ran.returncode, ran.document["tone"]) == (1, "bad"), tell(ran)
    ran = gate("--allow-partial")
    assert not green(ran), tell(ran)
    assert (ran.returncode, ran.document["tone"]) == (0, "partial"), tell(ran)


@pytest.mark.parametrize("one_model_only", [False, True])
def test_most_claims_not_about_the_model_is_not_green_unless_they_are_about_one_model_only(gate, one_model_only):
    path = gate.path / "claims" / "test_gaps.py"
    away = f"def away(model):\n    return 'not about it'\naway.one_model_only = {one_model_only}\n\n@claim("
    path.write_text(path.read_text().replace("over=", "unless=away, over=").replace("@claim(", away, 1))
    ran, allowed = gate(), gate("--allow-partial")
    assert allowed.returncode == 0, tell(allowed)
    assert green(ran) == green(allowed) == one_model_only, tell(ran)
    if one_model_only:
        told = "The one claim about this model holds; 2 are not about it"
        assert ran.document["headline"] == allowed.document["headline"] == told
        return
    assert (ran.returncode, ran.document["tone"]) == (1, "bad"), tell(ran)
    told = "1 of 3 claims hold, most are not about this model"
    assert ran.document["headline"] == f"Next to nothing verified: {told}"
    assert allowed.document["headline"] == f"{told}, which was allowed"


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "workers"])
def test_allowing_a_part_allows_nothing_else(gate, workers):
    gate.edit("< 1", "< 0.1")
    assert gate("--allow-partial", *workers).returncode == 1
    gate.edit("< 0.1", "< 100")  # which no control breaks
    ran = gate("--allow-partial", *workers)
    assert ran.returncode == 1
    assert ran.document["headline"] == "2 controls survived, 1 assertion never shown to fail"


def test_a_crash_of_every_worker_is_red(gate):
    gate.edit('assert measure("gap", model["gap"]) < 1', "os._exit(0)")
    ran = gate("-p", "xdist", "-n", "2", "--max-worker-restart=0")
    assert ran.returncode != 0
    assert ran.document["tone"] == "bad"


def test_assertions_count_even_where_python_leaves_them_out(gate):
    assert green(gate(interpreter=["-O"]))  # pytest compiles those of tests itself
    ran = gate("--assert=plain", interpreter=["-O"])
    assert not green(ran), tell(ran)
    gate.edit("< 1", "< 0.1")
    assert gate(interpreter=["-O"]).returncode == 1


def test_claims_that_a_hook_drops_in_silence_are_missed(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_collection_modifyitems(items):\n    del items[0:3]\n")
    ran = gate()
    assert not green(ran), tell(ran)
    assert "1 of 3 claims" in ran.document["run"]["left_out"][0]


def test_files_that_a_conftest_does_not_collect_are_missed(gate):
    (gate.path / "claims" / "conftest.py").write_text("collect_ignore = ['test_more.py']\n")
    ran = gate()
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["1 of 3 claims and errata were not selected: test_tiny"]


DEEP = """
from pytest_claims import claim, erratum
from claims_of_gaps import widen_gap

class TestDeep:
    @claim("The gap is moderate", source="us", over="everything", refuted_by=[widen_gap])
    def test_moderate(self, model, measure):
        assert measure("gap", model["gap"]) < 3

@erratum("The gap is huge", source="us", over="everything", true_of=[widen_gap])
def test_huge(model, measure):
    assert measure("gap", model["gap"]) > 3
"""


def test_claims_in_classes_and_sub_folders_and_errata_are_missed_too(gate):
    (gate.path / "claims" / "deep").mkdir()
    (gate.path / "claims" / "deep" / "test_deep.py").write_text(DEEP)
    assert green(gate())
    ran = gate("claims/cumsum/test_gaps.py", "claims/cumsum/test_more.py")
    assert not green(ran), tell(ran)
    told = "2 of 5 claims and errata were not selected: test_moderate, test_huge"
    assert ran.document["run"]["left_out"] == [told]
    ran = gate("--deselect=claims/deep/test_deep.py::TestDeep::test_moderate")
    assert ran.document["run"]["left_out"] == ["1 of 5 claims and errata were not selected: test_moderate"]


def test_a_file_of_claims_by_another_name_is_missed_too(gate):
    renamed = (gate.path / "claims" / "test_more.py").read_text().replace("import claim\n", "import claim as stated\n")
    (gate.path / "claims" / "test_more.py").write_text(renamed.replace("@claim", "@stated"))
    assert green(gate())
    ran = gate("claims/cumsum/test_gaps.py")
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["nothing was collected from test_more.py"]


def test_folders_of_claims_named_on_the_command_line_are_not_the_suite(gate):
    for override in ("claims_paths=nowhere", "claims_paths=claims", "claims_paths ="):
        ran = gate("-o", override, "-k", "not small")
        assert not green(ran), tell(ran)
        ran = gate("-o", override, "claims/cumsum/test_more.py")
        assert not green(ran), tell(ran)


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["one process", "a worker"])
def test_claims_that_the_source_does_not_show_are_missed_when_dropped(gate, workers):
    path = gate.path / "claims" / "test_gaps.py"
    text = path.read_text().replace("import claim\n", "import claim as stated\n").replace("@claim(", "@stated(")
    path.write_text(text)
    assert green(gate(*workers))
    for option in ("-knot small", "--deselect=claims/cumsum/test_gaps.py::test_small"):
        ran = gate(option, *workers)
        assert not green(ran), tell(ran)
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_collection_modifyitems(items):\n    del items[0:3]\n")
    ran = gate(*workers)
    assert not green(ran), tell(ran)


def test_a_variant_that_a_hook_drops_is_missed(gate):
    gate.edit("def test_small(model, measure)", "def test_small(model, measure, which)")
    gate.edit('@claim("The gap is small"', '@pytest.mark.parametrize("which", ["a", "b"])\n@claim("The gap is small"')
    assert green(gate())
    with (gate.path / "conftest.py").open("a") as conftest:
        kept = "[i for i in items if '-a]' not in i.name and '[a-' not in i.name]"
        conftest.write(f"\ndef pytest_collection_modifyitems(items):\n    items[:] = {kept}\n")
    ran = gate()
    assert not green(ran), tell(ran)


def test_a_claim_in_a_branch_is_missed(gate):
    more = (gate.path / "claims" / "test_more.py").read_text()
    indented = more[more.index("@claim") :].replace("\n", "\n    ")
    (gate.path / "claims" / "test_more.py").write_text(f"{more[: more.index('@claim')]}if True:\n    {indented}\n")
    assert green(gate())
    assert not green(gate("claims/cumsum/test_gaps.py"))


def test_claims_in_a_linked_folder_are_missed(gate):
    (gate.path / "elsewhere").mkdir()
    (gate.path / "claims" / "test_more.py").rename(gate.path / "elsewhere" / "test_more.py")
    (gate.path / "claims" / "linked").symlink_to(gate.path / "elsewhere")
    assert green(gate())
    assert not green(gate("claims/cumsum/test_gaps.py"))
    assert not green(gate("-k", "not tiny"))


def test_a_claim_that_another_of_its_name_hides_is_missed(gate):
    gate.edit("def test_not_large", "def test_small")
    ran = gate()
    assert not green(ran), tell(ran)
    assert ran.document["run"]["left_out"] == ["only the last of several tests of one name is run: test_small"]


@pytest.mark.parametrize("name", ["claims-collection", "claims-running", "claims-collected", "claims-session"])
def test_the_plugin_cannot_be_switched_off_in_parts(gate, name):
    ran = gate("-p", f"no:{name}", "-k", "small")
    assert ran.returncode == 4
    assert not green(ran), tell(ran)


def test_a_file_of_claims_in_another_encoding_is_read(gate):
    path = gate.path / "claims" / "test_more.py"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert green(gate())
    path.write_bytes(b"# coding: latin-1\n# \xe9\n" + path.read_bytes()[3:])
    assert green(gate())


def test_a_checkpoint_that_cannot_be_described_costs_the_exit_code_but_not_the_report(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_claims_details():\n    raise ZeroDivisionError('no')\n")
    ran = gate()
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert len(ran.document["claims"]) == 3
    assert ran.document["run"]["problems"] == ["the checkpoint could not be described: ZeroDivisionError: no"]


def test_only_what_failed_last_time_is_not_all(gate):
    gate.edit("< 1", "< 0.1")
    assert gate().returncode == 1
    gate.edit("< 0.1", "< 1")
    ran = gate("--lf")
    assert not green(ran), tell(ran)
    assert green(gate())


def test_a_run_of_other_tests_leaves_no_green_report(gate):
    (gate.path / "test_other.py").write_text("def test_other():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "test_other.py", "--report=told"]
    ran = subprocess.run(command, cwd=gate.path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    document = json.loads((gate.path / "told" / "report.json").read_text())
    assert (document["tone"], document["headline"]) == ("bad", "No claim was run")
    assert "problem: no claim was run" in ran.stdout


def test_a_failing_test_that_is_no_claim_turns_the_report_red(gate):
    (gate.path / "test_other.py").write_text("def test_other():\n    assert 0\n")
    ran = gate("claims/", "test_other.py")
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert ran.document["run"]["problems"] == ["1 test or file that is no claim failed: test_other.py::test_other"]


def test_collecting_alone_makes_no_report(gate):
    ran = gate("--collect-only")
    assert ran.returncode == 4
    assert "--collect-only runs nothing that --report" in ran.stderr
    assert ran.document is None


def test_a_report_of_an_earlier_run_does_not_outlive_a_run_that_fails_to_start(gate):
    assert green(gate())
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_configure():\n    raise pytest.UsageError('the checkpoint cannot be read')\n")
    ran = gate()
    assert ran.returncode == 4
    assert ran.document["tone"] == "unfinished"
    assert "has not finished" in ran.page


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/none", "a" * 300, "fine/" + "b" * 300])
def test_a_folder_that_cannot_be_written_stops_the_run_at_once(gate, name):
    (gate.path / "file").write_text("in the way")
    ran = gate(report=name)
    assert ran.returncode == 4, tell(ran)
    assert "--report" in ran.stderr
    assert "passed" not in ran.stdout
    assert len((ran.stdout + ran.stderr).strip().splitlines()) == 1


def test_a_folder_that_vanishes_while_the_suite_runs_makes_it_fail(gate):
    body = 'assert measure("gap", model["gap"]) < 1'
    spoil = "import shutil; shutil.rmtree('told', ignore_errors=True); open('told', 'w').close()"
    gate.edit(body, f"{spoil}\n    {body}")
    ran = gate()
    assert ran.returncode == 1, tell(ran)
    assert "problem: the report could not be written to told" in ran.stdout


def test_figures_that_cannot_be_drawn_cost_the_exit_code_but_not_the_report(gate):
    with (gate.path / "conftest.py").open("a") as conftest:
        conftest.write("\ndef pytest_claims_illustrate():\n    raise ZeroDivisionError('<no such line>')\n")
    ran = gate()
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert len(ran.document["claims"]) == 3
    assert "the figures could not be drawn: ZeroDivisionError: &lt;no such line&gt;" in ran.page


def baseline(gate, edit=lambda document: None):
    assert green(gate())
    (gate.path / "told").rename(gate.path / "before")
    path = gate.path / "before" / "report.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return "--baseline=before/report.json"


def test_a_baseline_that_is_kept_is_green(gate):
    ran = gate(baseline(gate))
    assert green(ran), tell(ran)
    assert "against before/report.json (All 3 claims hold; dict, sha256 01abad4dd5b3): 3 as before" in ran.stdout


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "No such file"),
        (lambda path: path.write_text(""), "is not JSON"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "is not JSON"),
        (lambda path: path.write_text("{}"), "is not a verification report"),
        (lambda path: path.write_text(path.read_text().replace('"format": 3', '"format": 9')), "of format 9"),
        (lambda path: _edit(path, '"exit_code": 0', '"exit_code": null'), "has not finished"),
        (lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), "claims": []})), "holds no claim"),
        (lambda path: (path.unlink(), path.mkdir()), "holds no report.json"),
    ],
)
def test_a_baseline_that_cannot_be_used_stops_the_run_at_once(gate, spoil, message):
    option = baseline(gate)
    spoil(gate.path / "before" / "report.json")
    ran = gate(option)
    assert ran.returncode == 4, tell(ran)
    assert message in ran.stderr
    assert len((ran.stdout + ran.stderr).strip().splitlines()) == 1


def test_a_baseline_that_the_report_would_replace_is_refused_and_kept(gate):
    assert green(gate())
    before = (gate.path / "told" / "report.json").read_bytes()
    ran = gate("--baseline=told/report.json")
    assert ran.returncode == 4
    assert "keep the baseline elsewhere" in ran.stderr
    assert (gate.path / "told" / "report.json").read_bytes() == before


@pytest.mark.parametrize("value", ["0", "1", "-1", "nan", "half", "", "1e-400"])
def test_a_fraction_that_is_none_is_refused(gate, value):
    ran = gate(baseline(gate), f"--fail-on-shrink={value}")
    assert ran.returncode == 4
    assert "should be a number between 0 and 1" in ran.stderr


def test_a_fraction_without_a_baseline_is_refused(gate):
    ran = gate("--fail-on-shrink=0.5")
    assert ran.returncode == 4
    assert "needs --baseline" in ran.stderr


def test_claims_of_the_baseline_that_are_gone_fail_the_run(gate):
    option = baseline(gate)
    (gate.path / "claims" / "test_more.py").unlink()
    ran = gate(option)
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"
    assert "FAILS missing: The gap is tiny" in ran.stdout


def test_controls_of_the_baseline_that_did_not_run_fail_the_run(gate):
    option = baseline(gate)
    ran = gate(option, "--no-controls")
    assert ran.returncode == 1
    assert ran.stdout.count("controls that refuted it in the baseline did not run here") == 3


def test_slack_that_shrinks_fails_only_if_asked(gate):
    def widen(document):
        document["claims"][0]["measurements"][0]["comparisons"][0]["slack"] = 4.0

    option = baseline(gate, widen)
    ran = gate(option)
    assert green(ran), tell(ran)
    assert "note  slack shrank: The gap is small" in ran.stdout
    assert "slack 4 -> 0.75 (81% less)" in ran.stdout
    assert gate(option, "--fail-on-shrink=0.9").returncode == 0
    ran = gate(option, "--fail-on-shrink=0.5")
    assert ran.returncode == 1
    assert ran.document["tone"] == "bad"


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "workers"])
def test_the_comparison_stands_in_all_forms_of_the_report(gate, workers):
    def forget(document):
        document["claims"][2]["verdict"] = "refuted"
        del document["claims"][1]

    ran = gate(baseline(gate, forget), *workers)
    assert ran.returncode == 0, tell(ran)
    kinds = [difference["kind"] for difference in ran.document["comparison"]["differences"]]
    assert kinds == ["fixed", "added"]
    assert "1 fixed, 1 added, 1 as before" in ran.page
    assert "1 fixed, 1 added, 1 as before" in ran.markdown.replace("\\", "")
