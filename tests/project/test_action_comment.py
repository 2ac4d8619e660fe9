"""The comment on the pull request, with GitHub played by an object."""

import json
import os
import shutil
import subprocess

import pytest
from played import ACTION, read, steps

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

    def comment(report="## All hold\n", *, verdict="good", error="", artifact="verification-report", **github):
        if report is not None:
            (tmp_path / "report.md").write_text(report)
        given = {"ARTIFACT": artifact, "VERDICT": verdict, "ERROR": error, "REPORT": str(tmp_path)}
        assert set(given) == set(step["env"])
        script_input = {"script": step["with"]["script"], "comments": [], "me": None, "refuses": None} | github
        result = subprocess.run(
            [node, "-e", HARNESS],
            input=json.dumps(script_input),
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
    *_, (refused, _), (name, message) = comment(refuses=refuses, comments=comments)
    assert (refused, name) == (refuses, "warning")
    assert "Resource not accessible by integration" in message


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


def test_where_nothing_was_verified_the_comment_says_why(comment):
    error = "runs/@somebody *seed* 7: `embed.W_E` is missing"
    _, (_, created) = comment("## This run has not finished\n", verdict="unfinished", error=error)
    assert f"\n## 🔴 The checkpoint was not verified\n\n    {error}\n" in created["body"]
    assert "has not finished" not in created["body"]
