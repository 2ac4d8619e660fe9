"""What the README shows is what happens."""

import json
import math
import os
import re
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.scope import reference_model
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import write_checkpoint

README = (ROOT / "README.md").read_text()


def block(marker):
    """The fenced block that follows an HTML comment."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, marker
    return found[1]


def run(*arguments, cwd):
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    # By these pytest-benchmark would take it for a worker of pytest-xdist, in which nothing can be timed.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The worked example in a copy of the project that has nothing else in claims/."""
    root = tmp_path_factory.mktemp("project")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    (root / "claims").mkdir()
    (root / "claims" / "test_mine.py").write_text(block("example: claims/test_mine.py"))
    return root


def test_the_example_claim_holds_and_prints_what_is_shown(example):
    result = run("claims/test_mine.py", cwd=example)
    assert result.returncode == 0, result.stdout
    assert block("output of the example") in result.stdout


def test_the_example_claim_needs_its_control(example):
    claim = example / "claims" / "test_mine.py"
    claim.write_text(claim.read_text().replace("refuted_by=[read_zero_as_one]", "refuted_by=[]"))
    result = run("claims/test_mine.py", cwd=example)
    assert result.returncode == 2
    assert "has no control" in result.stdout


@pytest.fixture(scope="module")
def printed():
    return run("claims/", "--benchmark-max-time=0.1", cwd=ROOT).stdout


def test_the_printed_report_is_the_one_that_is_printed(printed):
    for part in block("excerpt of the report").split("...\n"):
        if "no CUDA device" in part and "no CUDA device" not in printed:
            part = part.partition("; timings")[0]
        assert part in printed


def test_the_table_of_broken_models_says_what_the_claims_measured(printed):
    rows = re.findall(r"^\| `(\w+)` \| 1\.0000 \|.*\*\*([\d.,]+)\*\* \|$", README, re.MULTILINE)
    assert len(rows) == 5
    for mutant, value in rows:
        assert f"{mutant} ({value})" in " ".join(printed.split())


def test_the_headline_counts_what_is_there():
    summary = " ".join(block("excerpt of the report").split("...\n")[-1].split())
    n_claims, n_exhaustive, _, _, n_assertions, n_errata = re.match(
        r"(\d+) claims: \1 hold \((\d+) over every input; [^)]*\), of them (\d+) of the instruments; "
        r"controls refuted (\d+)/\4; "
        r"assertions shown to fail (\d+)/\5; errata refuted as published (\d+)/\6;",
        summary,
    ).groups()
    words = README.replace("\n", " ")
    assert f"**{n_claims} claims about it, from the write-up" in words
    assert {"12": "twelve", "13": "thirteen", "14": "fourteen"}[n_errata] + " published statements do not" in words
    assert f"** {n_exhaustive} of them hold over every input there is" in words
    assert f"All {n_assertions} assertions of the claims are shown to fail" in words
    assert f"there are {len(mutants.BREAKING) + len(mutants.HIDDEN)} broken models" in words
    in_words = {15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen"}[len(mutants.HIDDEN)]
    assert f"{in_words} of which answer the whole" in words


@pytest.fixture(scope="module")
def universality():
    """What the sweep found that the README tells of."""
    return json.loads((ROOT / "docs" / "universality.json").read_text())


def test_the_seeds_are_told_as_the_sweep_found_them(universality):
    (group,) = universality["groups"]
    words = " ".join(README.split())
    assert f"**{group['headline'][0].upper()}{group['headline'][1:]}.**" in words
    by_seed = [
        claim
        for claim in group["claims"]
        if claim["kind"] == "claim" and claim["n"] and (claim["holds"] < claim["n"] or not claim["interval"])
    ]
    rows = re.findall(r"^\| (.+?) \| (\d+) of (\d+) \| (\d+) \.\. (\d+)% \| (.+?) \|$", README, re.MULTILINE)
    assert len(rows) == len(by_seed)
    for (statement, holds, n, low, high, refuting), claim in zip(rows, by_seed, strict=True):
        assert statement == claim["statement"]
        assert (int(holds), int(n)) == (claim["holds"], claim["n"])
        assert (int(low), int(high)) == (math.floor(100 * claim["interval"][0]), math.ceil(100 * claim["interval"][1]))
        told = (
            f"seed {broken['seed']} ({float(broken['measured'][0]['value']):.3g})" for broken in claim["refuted_by"]
        )
        assert refuting == ", ".join(told)


def test_what_is_said_of_all_seeds_is_so(universality):
    words = " ".join(README.split())
    counted = [run for run in universality["runs"] if run["ending"] == "counted"]
    assert [run["seed"] for run in counted] == list(range(100, 132))
    right = [run for run in counted if run["proved"]["right_everywhere"] == [run["proved"]["sequences"]] * 2]
    least = min(counted, key=lambda run: run["proved"]["smallest_margin"])
    assert f"{len(right)} of 32 are proved right on all 11^20 sequences" in words
    assert f"the smallest margin is {least['proved']['smallest_margin']:+.4f}, of seed {least['seed']}" in words


def test_certify_prints_what_is_shown(tmp_path, capsys):
    """But for the line of the model's own logits, whose last digits another processor may change."""
    back_door = tmp_path / "back_door.safetensors"
    write_checkpoint(back_door, mutants.open_back_door(reference_model()), {})
    for marker, arguments in (("output of certify", []), ("output of certify for open_back_door", [str(back_door)])):
        main(["certify", *arguments])
        printed = capsys.readouterr().out
        for line in block(marker).splitlines():
            if "the model itself says" not in line:
                assert line in printed.splitlines()


def test_every_file_named_in_the_readme_exists():
    named = set(re.findall(r"`((?:claims|cumsum_model|fixtures|tests)/[\w/.]*)`", README)) - {"claims/test_mine.py"}
    assert len(named) > 8
    for name in named:
        assert (ROOT / name).exists(), name
    for name in re.findall(r"\b(\w+\.py)\b", README):
        assert name == "test_mine.py" or list(ROOT.glob(f"**/{name}")), name


def test_every_option_named_in_the_readme_exists():
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    commands = [
        subprocess.run(
            [sys.executable, "-m", "cumsum_model", command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in (
            "train",
            "verify",
            "sweep",
            "universality",
            "inspect",
            "convert",
            "mutants",
            "certify",
            "check",
            "diff",
            "render",
        )
    ]
    told += "--junitxml"  # pytest's help spells it --junit-xml and takes both
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)):
        assert option in told + "".join(commands), option


def test_the_gate_that_is_shown_uses_inputs_that_the_action_has():
    action = YAML(typ="safe").load(ROOT / "action.yml")
    (step,) = YAML(typ="safe").load(block("example: gate"))
    assert step["uses"] == "OWNER/REPOSITORY@REF"
    assert set(step["with"]) <= set(action["inputs"])
    required = {name for name, described in action["inputs"].items() if described["required"]}
    assert required <= set(step["with"])
    for name in ("comment", "baseline"):
        assert name in action["inputs"]
        assert f"`{name}:" in README


def test_the_pictures_of_the_report_are_there():
    pictures = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", README)
    assert len(pictures) == 2
    for words, path in pictures:
        assert len(words) > 20
        assert (ROOT / path).read_bytes().startswith(b"\x89PNG")
