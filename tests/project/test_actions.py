"""The action and the workflows: GitHub takes them, nothing that a caller passes becomes code, and the gate closes.

The scripts of the action are run as they stand in it. Only the runner around them is played.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ruamel.yaml import YAML

from cumsum_model import mutants
from cumsum_model.system import REFERENCE, SYSTEM
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint

REFUTED = ROOT / "fixtures" / "cumsum" / "attends_to_recent.safetensors"
ACTION = ROOT / "action.yml"
CI = ROOT / ".github" / "workflows" / "ci.yml"
GATE = ROOT / ".github" / "workflows" / "gate.yml"

ONE_CLAIM = "--no-controls -k test_uniform_attention_answers_alike"
"""It holds on the reference, and not where the head prefers recent tokens."""

ALL = pytest.mark.parametrize("path", [ACTION, CI, GATE], ids=lambda path: path.name)


def read(path):
    return YAML(typ="safe").load(path.read_text())


def steps(document):
    """Every step of an action or a workflow."""
    if "runs" in document:
        return document["runs"]["steps"]
    return [step for job in document["jobs"].values() for step in job["steps"]]


def scripts(document):
    """Whatever is run by a shell or by JavaScript."""
    given = [text for step in steps(document) for text in (step.get("run"), step.get("with", {}).get("script"))]
    return [text for text in given if text is not None]


def check(path, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def schema_of(path):
    return "vendor.github-actions" if path.name == "action.yml" else "vendor.github-workflows"


# What stands in the files


@ALL
def test_github_would_take_the_file(path):
    result = check(path, schema_of(path))
    assert result.returncode == 0, result.stdout


@ALL
@pytest.mark.parametrize("break_it", ["a key that does not exist", "a step without its shell or machine"])
def test_a_file_that_github_would_not_take_is_noticed(path, break_it, tmp_path):
    document = read(path)
    if break_it == "a key that does not exist":
        document["ouputs"] = {}
    elif path == ACTION:
        del next(step for step in steps(document) if "run" in step)["shell"]
    else:
        del next(iter(document["jobs"].values()))["runs-on"]
    broken = tmp_path / path.name
    broken.write_text(json.dumps(document))  # JSON is YAML, and free of ways to write it
    result = check(broken, schema_of(path))
    assert result.returncode == 1
    assert "Schema validation errors were encountered" in result.stdout


@pytest.mark.parametrize("path", [CI, GATE], ids=lambda path: path.name)
def test_every_job_ends_some_time(path):
    result = check(path, "custom.github-workflows-require-timeout")
    assert result.returncode == 0, result.stdout


@ALL
def test_no_script_holds_an_expression(path):
    """`inputs`, `github.event`, `github.head_ref`: any of them in a script is code that somebody else writes."""
    for script in scripts(read(path)):
        assert "${{" not in script


@ALL
def test_everything_used_is_pinned_to_a_version(path):
    for step in steps(read(path)):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+|\./(\.verification)?", step["uses"]), step["uses"]


@ALL
def test_every_step_that_is_referred_to_comes_before(path):
    known = set()
    for step in steps(read(path)):
        assert set(re.findall(r"steps\.(\w+)\.", json.dumps(step))) <= known
        known.add(step.get("id"))


@pytest.mark.parametrize("path", [CI, GATE], ids=lambda path: path.name)
def test_a_workflow_has_no_more_permissions_than_it_names(path):
    document = read(path)
    comments = {"pull-requests": "write"} if path == GATE else {}
    assert document["permissions"] == {"contents": "read", **comments}
    assert not any("permissions" in job for job in document["jobs"].values())
    for step in steps(document):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@ALL
def test_no_code_of_a_fork_runs_with_the_rights_of_the_project(path):
    assert "pull_request_target" not in path.read_text()
    assert "workflow_run" not in path.read_text()


def test_the_workflow_takes_what_the_action_takes():
    action, called = read(ACTION)["inputs"], read(GATE)["on"]["workflow_call"]["inputs"]
    assert set(called) - {"suite", "suite-ref", "checkpoint-artifact"} == set(action) - {"token"}
    for name in set(called) & set(action):
        assert called[name]["required"] == action[name]["required"]
        default = called[name].get("default")
        assert (str(default).lower() if isinstance(default, bool) else default) == action[name].get("default")


def test_the_workflow_passes_on_what_it_takes():
    passed = next(step["with"] for step in steps(read(GATE)) if step.get("uses") == "./.verification")
    assert passed == {name: f"${{{{ inputs.{name} }}}}" for name in set(read(ACTION)["inputs"]) - {"token"}}


def test_workflows_use_inputs_and_outputs_that_the_action_has():
    action = read(ACTION)
    for path in (CI, GATE):
        ours = {step.get("id"): step for step in steps(read(path)) if step.get("uses", "").startswith("./")}
        assert ours
        for step in ours.values():
            assert set(step["with"]) <= set(action["inputs"])
        for name, output in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", path.read_text()):
            if name in ours:
                assert output in action["outputs"]


def test_pytest_knows_the_options_that_the_action_passes():
    used = set(re.findall(r'"(--[a-z-]+)=\$', step_of("verify")["run"]))
    assert used == {"--checkpoint", "--report", "--baseline", "--fail-on-shrink"}
    command = [sys.executable, "-m", "pytest", "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(re.search(rf"^\s+{option}[= ]", told, re.MULTILINE) for option in used)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@ALL
def test_shellcheck_finds_nothing(path):
    for step in steps(read(path)):
        if "run" in step:
            command = ["shellcheck", "--shell=bash", "-"]
            result = subprocess.run(command, input=step["run"], capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stdout


# What the scripts of the action do


def step_of(name):
    return next(step for step in read(ACTION)["runs"]["steps"] if step.get("id") == name)


def play(name, workspace, inputs, *, context=None, environment=None):
    """Run the script of a step as the runner does; `context` is what expressions other than inputs stand for."""
    given = {key: value.get("default", "") for key, value in read(ACTION)["inputs"].items()} | inputs
    known = {f"inputs.{key}": value for key, value in given.items()} | (context or {})
    files = {variable: workspace.parent / variable.lower() for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.write_text("")
    step = step_of(name)
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(workspace.parent),
        "LANG": "C.UTF-8",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": str(workspace.parent),
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(workspace),
        **{variable: str(file) for variable, file in files.items()},
        **(environment or {}),
        **{
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: known[found[1]], value)
            for key, value in step["env"].items()
        },
    }
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    result = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, check=False)
    return SimpleNamespace(
        code=result.returncode,
        told=result.stdout + result.stderr,
        outputs=dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines()),
        summary=files["GITHUB_STEP_SUMMARY"].read_text(),
    )


def verify(workspace, checkpoint, *, environment=None, **inputs):
    plain = {name.replace("_", "-"): value for name, value in inputs.items()}
    context = {"steps.install.outputs.python": sys.executable}
    return play("verify", workspace, {"checkpoint": checkpoint, **plain}, context=context, environment=environment)


@pytest.fixture
def workspace(tmp_path):
    """A caller's repository, with a good checkpoint and one that refutes a claim."""
    workspace = tmp_path / "the workspace"
    workspace.mkdir()
    shutil.copy(REFERENCE, workspace / "good.safetensors")
    shutil.copy(REFUTED, workspace / "refuted.safetensors")
    return workspace


def test_what_is_refuted_is_the_mutant_that_its_card_names():
    refuted, reference = read_checkpoint(REFUTED, SYSTEM), read_checkpoint(REFERENCE, SYSTEM)
    made_of = refuted.card["made_of"]
    assert made_of["sha256"] == reference.sha256
    mutant = getattr(mutants, made_of["by"].removeprefix("cumsum_model.mutants."))(reference.model)
    for name, weights in mutant.state_dict().items():
        torch.testing.assert_close(refuted.model.state_dict()[name], weights)


def test_the_gate_opens_for_a_good_checkpoint(workspace):
    """Whatever the caller has set for tests of their own."""
    own = {"PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "no_such_plugin", "PYTHONPATH": str(workspace)}
    result = verify(workspace, "good.safetensors", arguments="-n 2\n--benchmark-disable\n", environment=own)
    assert result.code == 0, result.told
    assert result.outputs["verdict"] == "good"
    assert re.fullmatch(r"All \d+ claims hold \(.*\)", result.outputs["headline"])
    assert result.outputs["report"] == str(workspace / "verification-report")
    assert {file.name for file in (workspace / "verification-report").iterdir()} == {
        "report.html",
        "report.json",
        "report.md",
    }
    assert result.outputs["headline"] in result.summary.replace("\\", "")  # as Markdown shows it
    assert "::error" not in result.told
    report = json.loads((workspace / "verification-report" / "report.json").read_text())
    assert report["run"]["arguments"][:4] == ["-n", "2", "--benchmark-disable", "claims/"]


def test_the_gate_closes_on_a_refuted_claim(workspace):
    result = verify(workspace, str(workspace / "refuted.safetensors"), arguments=ONE_CLAIM)
    assert result.code == 1
    assert result.outputs["verdict"] == "bad"
    assert result.outputs["headline"] == "1 claim refuted"
    assert "::error title=verification gate::1 claim refuted (pytest ended with exit code 1)" in result.told
    assert "::error file=claims/cumsum/test_attention.py" in result.told


def test_the_gate_closes_on_half_a_suite_though_pytest_is_content(workspace):
    result = verify(workspace, "good.safetensors", arguments=ONE_CLAIM)
    assert json.loads((workspace / "verification-report" / "report.json").read_text())["exit_code"] == 0
    assert result.code == 1
    assert result.outputs["verdict"] == "partial"
    assert "::error title=verification gate::Not the whole suite" in result.told


def test_the_gate_closes_on_a_claim_that_the_baseline_had(workspace):
    earlier = verify(workspace, "good.safetensors", arguments=ONE_CLAIM, report="earlier report")
    assert earlier.outputs["verdict"] == "partial"
    result = verify(
        workspace,
        "refuted.safetensors",
        arguments=ONE_CLAIM,
        baseline="earlier report/report.json",
        fail_on_shrink="0.5",
    )
    assert (result.code, result.outputs["verdict"]) == (1, "bad")
    report = json.loads((workspace / "verification-report" / "report.json").read_text())
    assert report["comparison"]["shrink"] == 0.5
    assert "newly refuted" in [difference["kind"] for difference in report["comparison"]["differences"]]


@pytest.mark.parametrize(
    ("checkpoint", "inputs"),
    [
        ("no such file", {}),
        ("broken.safetensors", {}),
        ("good.safetensors", {"baseline": "no such report.json"}),
        ("good.safetensors", {"fail_on_shrink": "0.5"}),  # than what?
        ("good.safetensors", {"baseline": "good.safetensors", "fail_on_shrink": "much"}),
        ("good.safetensors", {"arguments": "--no-such-option"}),
    ],
)
def test_the_gate_closes_on_what_cannot_be_read(checkpoint, inputs, workspace):
    (workspace / "broken.safetensors").write_bytes(b"no tensors")
    result = verify(workspace, checkpoint, **inputs)
    assert result.code == 4
    assert result.outputs["verdict"] == "unfinished"
    assert "::error title=verification gate::" in result.told


@pytest.mark.parametrize("arguments", ["--help", "--version", "-h -n 2"])
def test_the_gate_closes_if_nothing_ran(arguments, workspace):
    result = verify(workspace, "good.safetensors", arguments=arguments)
    assert result.code == 1
    assert result.outputs["verdict"] == "unfinished"
    assert "No report was written" in result.told


def test_no_earlier_report_is_taken_for_the_one_of_this_run(workspace):
    folder = workspace / "verification-report"
    folder.mkdir()
    (folder / "report.json").write_text('{"tone": "good", "headline": "All hold", "exit_code": 0}')
    (folder / "report.md").write_text("All hold")
    result = verify(workspace, "good.safetensors", arguments="--help")
    assert (result.code, result.outputs["verdict"]) == (1, "unfinished")
    assert list(folder.iterdir()) == []


def test_a_baseline_is_not_replaced_by_the_report(workspace):
    folder = workspace / "verification-report"
    folder.mkdir()
    (folder / "report.json").write_text("{}")
    result = verify(workspace, "good.safetensors", baseline="verification-report/../verification-report/report.json")
    assert result.code == 1
    assert "verdict" not in result.outputs
    assert (folder / "report.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("tone", "told_code", "ended_with", "verdict"),
    [
        ("good", 0, 1, "unfinished"),  # the report contradicts the run
        ("bad", 1, 0, "unfinished"),
        ("splendid", 0, 0, "unfinished"),
        ("bad", 0, 0, "bad"),
        ("unfinished", None, 0, "unfinished"),
    ],
)
def test_the_gate_opens_only_if_pytest_and_the_report_agree(tone, told_code, ended_with, verdict, workspace):
    document = json.dumps({"tone": tone, "headline": "All\nverdict=good", "exit_code": told_code})
    python = workspace / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, sys\n"
        f"if '-m' not in sys.argv: os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])\n"
        "folder = next(a for a in sys.argv if a.startswith('--report=')).partition('=')[2]\n"
        "pathlib.Path(folder).mkdir()\n"
        f"pathlib.Path(folder, 'report.json').write_text({document!r})\n"
        f"sys.exit({ended_with})\n"
    )
    python.chmod(0o755)
    result = play("verify", workspace, {"checkpoint": "any"}, context={"steps.install.outputs.python": str(python)})
    assert result.code == 1
    assert result.outputs["verdict"] == verdict
    assert set(result.outputs) == {"report", "verdict", "headline"}


@pytest.mark.parametrize(
    "name",
    [
        """it's "mine" $(touch pwned) `touch pwned`; touch pwned; #.safetensors""",
        "-k --help.safetensors",
        "*.safetensors",
        "first\nverdict=good\n::warning::second.safetensors",
        "claims::test_task.py[x].safetensors",
    ],
)
def test_the_name_of_a_checkpoint_is_a_name_and_never_code(name, workspace):
    (workspace / "good.safetensors").rename(workspace / name)
    (workspace / "refuted.safetensors").unlink()
    baseline = f"no {name}"
    result = verify(workspace, name, arguments=ONE_CLAIM)
    assert (result.code, result.outputs["verdict"]) == (1, "partial"), result.told
    assert verify(workspace, name, baseline=baseline).code == 4
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]


@pytest.mark.parametrize("arguments", ["$(touch pwned)", "`touch pwned`", "; touch pwned", "-k x && touch pwned"])
def test_arguments_are_words_and_never_code(arguments, workspace):
    assert verify(workspace, "good.safetensors", arguments=arguments).code != 0
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]


def test_the_report_may_lie_in_a_folder_with_any_name(workspace):
    report = 'it\'s $(touch pwned); & "here"'
    result = verify(workspace, "good.safetensors", arguments=ONE_CLAIM, report=report)
    assert result.outputs["report"] == str(workspace / report)
    assert (workspace / report / "report.html").is_file()
    assert not [*workspace.rglob("pwned"), *ROOT.glob("pwned")]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "'checkpoint' is empty"),
        ({"checkpoint": "x", "report": ""}, "'report' is empty"),
        ({"checkpoint": "x", "artifact": ""}, "'artifact' is empty"),
        ({"checkpoint": "x", "report": "a\nreport=/etc"}, "'report' holds"),
        ({"checkpoint": "x", "report": "**"}, "'report' holds"),
        ({"checkpoint": "x", "report": "a\\b"}, "'report' holds"),
        ({"checkpoint": "x\n::stop-commands::mine"}, "'checkpoint' holds"),
        ({"checkpoint": "x", "artifact": "x\r::stop-commands::mine"}, "'artifact' holds"),
        ({"checkpoint": "x", "baseline": "x\n::stop-commands::mine"}, "'baseline' holds"),
        ({"checkpoint": "x", "comment": "yes"}, "'comment' is neither"),
    ],
)
def test_unclear_inputs_are_refused_at_once(inputs, told, workspace):
    result = play("inputs", workspace, inputs)
    assert result.code == 1
    assert f"::error title=verification gate::The input {told}" in result.told
    assert len(result.told.splitlines()) == 1
    assert result.outputs == {}


def test_windows_is_refused(workspace):
    assert play("inputs", workspace, {"checkpoint": "x"}, environment={"RUNNER_OS": "Windows"}).code == 1


def test_clear_inputs_are_let_through(workspace):
    result = play("inputs", workspace, {"checkpoint": "$(touch pwned)", "comment": "true", "report": "a b"})
    assert result.code == 0, result.told
    assert re.fullmatch(r"\d+-\d+", result.outputs["constraints"])
    assert not [*workspace.rglob("pwned")]


def test_the_suite_is_installed_with_its_constraints_beside_its_claims(workspace):
    """With a pip that only writes down what it is asked for."""
    log = workspace / "log"
    python = workspace / "python"
    python.write_text(
        "#!/usr/bin/env bash\n"
        f'echo "$PWD: $*" >>"{log}"\n'
        'if [ "$3" = venv ]; then mkdir -p "$5/bin" && cp "$0" "$5/bin/python"; fi\n'
    )
    python.chmod(0o755)
    context = {"steps.python.outputs.python-path": str(python), "steps.python.outputs.python-version": "3.11.7"}
    result = play("install", workspace, {}, context=context)
    assert result.code == 0, result.told
    environment = workspace.parent / "verification-python-3.11.7"
    assert result.outputs == {"python": str(environment / "bin" / "python")}
    assert log.read_text().splitlines() == [
        f"{ROOT}: -I -m venv --clear {environment}",
        f"{ROOT}: -I -m pip install --quiet --constraint constraints.txt --editable . pytest-xdist",
        f"{ROOT}: -I -m pip install --quiet --no-deps --editable ./pytest-claims",
    ]


def test_nothing_of_the_callers_runs_while_the_suite_is_installed(workspace):
    """With the real Python and the real pip, which finds nothing to install where it may not look anywhere."""
    ran = workspace.parent / "ran"
    leaves_a_mark = f"open({str(ran)!r}, 'w').close()\n"
    (workspace / "sitecustomize.py").write_text(leaves_a_mark)
    (workspace / "startup.py").write_text(leaves_a_mark)
    planted = workspace.parent / "verification-python-3.11.7"
    (planted / "bin").mkdir(parents=True)
    (planted / "bin" / "python").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (planted / "bin" / "python").chmod(0o755)
    (planted / "planted").touch()
    hostile = {"PYTHONPATH": str(workspace), "PYTHONSTARTUP": str(workspace / "startup.py"), "PIP_NO_INDEX": "1"}
    context = {"steps.python.outputs.python-path": sys.executable, "steps.python.outputs.python-version": "3.11.7"}
    result = play("install", workspace, {}, context=context, environment=hostile)
    assert result.code != 0
    assert "No matching distribution found" in result.told
    assert not (planted / "planted").exists()
    assert (planted / "pyvenv.cfg").is_file()
    assert not ran.exists()


def test_ci_notices_if_the_gate_opens_for_what_is_refuted(workspace):
    script = next(step["run"] for step in steps(read(CI)) if step.get("name") == "The gate has closed on it")
    for outcome, verdict, code in [("failure", "bad", 0), ("success", "good", 1), ("failure", "", 1)]:
        env = {"PATH": os.environ["PATH"], "OUTCOME": outcome, "VERDICT": verdict}
        assert subprocess.run(["bash", "-eo", "pipefail", "-c", script], env=env, check=False).returncode == code


# The comment, with GitHub played by an object

HARNESS = """
const fs = require('fs');
const { script, comments, me, refuses } = JSON.parse(fs.readFileSync(0, 'utf8'));
const calls = [];
const api = (name, answer) => async (request) => {
  calls.push([name, request]);
  if (name === refuses) throw Object.assign(new Error('Resource not accessible by integration'), { status: 403 });
  return answer;
};
const issues = {
  listComments: 'listComments', createComment: api('create', {}), updateComment: api('update', {}),
};
const getAuthenticated = async () => { if (!me) throw new Error('403'); return { data: { login: me } }; };
const github = {
  rest: { issues, users: { getAuthenticated } }, paginate: async (method, request) => api('list', comments)(request),
};
const context = {
  repo: { owner: 'OWNER', repo: 'REPOSITORY' }, serverUrl: 'https://github.com', runId: 17,
  payload: { pull_request: { number: 3, head: { sha: 'abc123' } } },
};
const core = { warning: (text) => calls.push(['warning', text]), setFailed: (text) => calls.push(['failed', text]) };
const AsyncFunction = (async () => {}).constructor;
new AsyncFunction('github', 'context', 'core', 'require', script)(github, context, core, require)
  .then(() => console.log(JSON.stringify(calls)));
"""

MARKER = "<!-- verification of a checkpoint: verification-report -->"
BOT = {"login": "github-actions[bot]", "type": "Bot"}


@pytest.fixture
def comment(tmp_path):
    """Run the script of the comment; returns what it asked GitHub for."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    step = next(step for step in steps(read(ACTION)) if "script" in step.get("with", {}))

    def comment(report="## All hold\n", *, verdict="good", artifact="verification-report", **github):
        if report is not None:
            (tmp_path / "report.md").write_text(report)
        given = {"ARTIFACT": artifact, "VERDICT": verdict, "REPORT": str(tmp_path)}
        assert set(given) == set(step["env"])
        told = {"script": step["with"]["script"], "comments": [], "me": None, "refuses": None} | github
        result = subprocess.run(
            [node, "-e", HARNESS],
            input=json.dumps(told),
            env={"PATH": os.environ["PATH"], **given},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return comment


def test_the_report_becomes_a_comment(comment):
    (_, listed), (name, created) = comment()
    assert listed == {"owner": "OWNER", "repo": "REPOSITORY", "issue_number": 3, "per_page": 100}
    assert (name, created["issue_number"]) == ("create", 3)
    assert created["body"].startswith(f"{MARKER}\n## All hold\n")
    run = "https://github.com/OWNER/REPOSITORY/actions/runs/17"
    assert f"The gate is open for abc123: [log and whole report]({run})" in created["body"]


def test_our_earlier_comment_is_updated_and_nobody_elses(comment):
    comments = [
        {"id": 1, "user": BOT, "body": f"> {MARKER}"},
        {"id": 2, "user": {"login": "somebody", "type": "User"}, "body": f"{MARKER}\nmine"},
        {"id": 3, "user": None, "body": f"{MARKER}\na ghost's"},
        {"id": 4, "user": BOT, "body": None},
        {"id": 5, "user": BOT, "body": f"{MARKER}\n## All hold"},
    ]
    _, (name, updated) = comment("## 1 claim refuted\n", verdict="bad", comments=comments)
    assert (name, updated["comment_id"]) == ("update", 5)
    assert "1 claim refuted" in updated["body"]
    assert "The gate is closed for abc123" in updated["body"]
    _, (name, updated) = comment(comments=comments, me="somebody")
    assert (name, updated["comment_id"]) == ("update", 2)


def test_another_gate_of_the_same_pull_request_has_its_own_comment(comment):
    comments = [{"id": 5, "user": BOT, "body": f"{MARKER}\n## All hold"}]
    _, (name, created) = comment(comments=comments, artifact="seed 7 --><b>")
    assert name == "create"
    assert created["body"].startswith("<!-- verification of a checkpoint: seed 7 --b -->\n")


@pytest.mark.parametrize("refuses", ["list", "create", "update"])
def test_who_may_not_comment_is_warned(comment, refuses):
    comments = [{"id": 5, "user": BOT, "body": MARKER}] if refuses == "update" else []
    *_, (refused, _), (name, told) = comment(refuses=refuses, comments=comments)
    assert (refused, name) == (refuses, "warning")
    assert "Resource not accessible by integration" in told


def test_a_long_report_is_cut_where_github_would_refuse_it(comment):
    row = "| 🟢 | holds |\n"
    _, (_, created) = comment("## All hold\n\n<details><summary>All</summary>\n\n" + row * 10_000 + "\n</details>\n")
    assert 59_000 < len(created["body"].encode("utf-16-le")) / 2 < 61_000
    assert "| 🟢 | holds |\n\n</details>\n\nThe rest is too long for a comment.\n" in created["body"]
    assert "The gate is open" in created["body"]


@pytest.mark.parametrize(("report", "verdict"), [("## All hold\n", ""), (None, "unfinished")])
def test_where_nothing_was_verified_no_comment_says_otherwise(comment, report, verdict):
    comments = [{"id": 5, "user": BOT, "body": f"{MARKER}\n## All hold"}]
    _, (name, updated) = comment(report, verdict=verdict, comments=comments)
    assert name == "update"
    assert "The checkpoint was not verified" in updated["body"]
    assert "All hold" not in updated["body"]
    assert "The gate is closed" in updated["body"]
