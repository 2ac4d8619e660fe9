"""What the README and the pages that it leads to show of a run is what happens."""

import json
import math
import re
import shutil
import subprocess
import sys

import pytest
from documents import block, blocks, run_pytest, text, words
from ruamel.yaml import YAML

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.scope import reference_model
from cumsum_model.system import SYSTEM as CUMSUM
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from sorted_list_model.__main__ import main as sorted_list_main
from sorted_list_model.system import SYSTEM as SORTED_LIST
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import write_checkpoint

README, GUIDE, GATE = "README.md", "CONTRIBUTING.md", "docs/gate.md"
EXAMPLE = "claims/cumsum/test_mine.py"


def test_the_readme_is_a_front_door():
    assert len(text(README).encode()) <= 8_000
    assert max(map(len, re.sub(r"^\|.*|^!\[.*", "", text(README), flags=re.MULTILINE).splitlines())) <= 120


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The worked example in a copy of the project that has nothing else in claims/."""
    root = tmp_path_factory.mktemp("project")
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    for conftest in (ROOT / "claims").glob("**/conftest.py"):
        copy = root / conftest.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(conftest, copy)
    (root / EXAMPLE).parent.mkdir(parents=True, exist_ok=True)
    (root / EXAMPLE).write_text(block(f"example: {EXAMPLE}", README))
    return root


def test_the_example_claim_holds_and_prints_what_is_shown(example):
    result = run_pytest(EXAMPLE, cwd=example)
    assert result.returncode == 0, result.stdout
    assert block("output of the example", GUIDE) in result.stdout


def test_the_example_claim_needs_its_control(example):
    claim = example / EXAMPLE
    claim.write_text(claim.read_text().replace("refuted_by=[read_zero_as_one]", "refuted_by=[]"))
    result = run_pytest(EXAMPLE, cwd=example)
    assert result.returncode == 2
    assert "has no control" in result.stdout


@pytest.fixture(scope="module")
def printed():
    return run_pytest("claims/cumsum", "--benchmark-max-time=0.1").stdout


@pytest.mark.parametrize("page", [README, "docs/verdicts.md"])
def test_the_printed_report_is_the_one_that_is_printed(printed, page):
    for part in block("excerpt of the report", page).split("...\n"):
        if "no CUDA device" in part and "no CUDA device" not in printed:
            part = part.partition("; timings")[0]
        assert part in printed


def test_the_table_of_broken_models_has_what_the_claims_measured(printed):
    rows = re.findall(r"^\| `(\w+)` \| 1\.0000 \|.*\*\*([\d.,]+)\*\* \|$", text(README), re.MULTILINE)
    assert len(rows) == 5
    for mutant, value in rows:
        assert f"{mutant} ({value})" in " ".join(printed.split())


SUMMARY = re.compile(
    r"(\d+) claims: \1 hold \((?:(\d+) over every input; )?[^)]*\)(?:, of them (\d+) of the instruments)?; "
    r"controls refuted (\d+)/\4; assertions shown to fail (\d+)/\5; errata refuted as published (\d+)/\6"
)


@pytest.mark.parametrize("system", [CUMSUM, TWO_LAYERS, SORTED_LIST], ids=lambda system: system.name)
def test_the_table_of_models_counts_what_is_there(system):
    excerpt = block("excerpt of the report", README).split("...\n")[-1]
    output = excerpt if system is CUMSUM else run_pytest(f"claims/{system.name}").stdout
    n_claims, n_exhaustive, _, _, n_assertions, n_errata = SUMMARY.search(" ".join(output.split())).groups()
    broken = sum(len(system.mutants()[kind]) for kind in ("BREAKING", "HIDDEN"))
    counts = f"| {n_claims} | {n_exhaustive or 0} | {n_errata} | {broken} | {n_assertions} |"
    (row,) = [
        line for line in text(README).splitlines() if line.startswith("| [") and f"](claims/{system.name})" in line
    ]
    assert row.endswith(counts)


def test_the_readme_counts_the_mutants_that_no_accuracy_test_distinguishes():
    in_words = {15: "Fifteen", 16: "Sixteen", 17: "Seventeen", 18: "Eighteen"}[len(mutants.HIDDEN)]
    assert f"{in_words} broken models of the first answer the whole" in words(README)


@pytest.mark.parametrize(("suite", "claims"), [("modular_addition", "Twenty"), ("rxnmapper", "Nineteen")])
def test_the_table_of_suites_counts_their_claims(suite, claims):
    number = {"Nineteen": 19, "Twenty": 20}[claims]
    assert f"{claims} claims hold" in words(f"examples/{suite}/README.md")
    assert f"](examples/{suite}/README.md), {number} claims over" in words(README)


def test_the_suite_of_your_own_that_is_shown_is_green(tmp_path):
    assert "python -m pytest_claims init ../mine && cd ../mine && pytest" in text(README)
    command = [sys.executable, "-m", "pytest_claims", "init", "mine"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    result = run_pytest(cwd=tmp_path / "mine")
    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def universality():
    """What the sweep found that docs/universality.md reports."""
    return json.loads(text("docs/universality.json"))


def test_the_seeds_are_reported_as_the_sweep_found_them(universality):
    (group,) = universality["groups"]
    page = text("docs/universality.md").partition("## Sorted lists")[0]
    assert f"**{group['headline'][0].upper()}{group['headline'][1:]}.**" in words("docs/universality.md")
    by_seed = [
        claim
        for claim in group["claims"]
        if claim["kind"] == "claim" and claim["n"] and (claim["holds"] < claim["n"] or not claim["interval"])
    ]
    rows = re.findall(r"^\| (.+?) \| (\d+) of (\d+) \| (\d+) \.\. (\d+)% \| (.+?) \|$", page, re.MULTILINE)
    assert len(rows) == len(by_seed)
    for (statement, holds, n, low, high, refuting), claim in zip(rows, by_seed, strict=True):
        assert statement == claim["statement"]
        assert (int(holds), int(n)) == (claim["holds"], claim["n"])
        assert (int(low), int(high)) == (math.floor(100 * claim["interval"][0]), math.ceil(100 * claim["interval"][1]))
        shown = (
            f"seed {broken['seed']} ({float(broken['measured'][0]['value']):.3g})" for broken in claim["refuted_by"]
        )
        assert refuting == ", ".join(shown)
    refuting = {broken["seed"] for claim in group["claims"] for broken in claim["refuted_by"]}
    assert (len(refuting), len(group["counted"])) == (13, 32)
    assert "Nineteen of the seeds refute no claim" in words("docs/universality.md")
    by_107 = [claim for claim in by_seed if any(broken["seed"] == 107 for broken in claim["refuted_by"])]
    assert len(by_107) == 2
    assert "seed 107 refutes two" in words(README)
    for path in (README, "docs/verdicts.md"):
        assert "Of 32 retrained seeds thirteen refute at least one claim" in words(path)


def test_the_seeds_of_sorted_lists_are_reported_as_the_sweep_found_them():
    found = json.loads(text("docs/universality-sorted-list.json"))
    (group,) = found["groups"]
    page = text("docs/universality.md").partition("## Sorted lists")[2]
    assert f"**{group['headline'][0].upper()}{group['headline'][1:]}.**" in " ".join(page.split())
    refuted = [
        (claim["statement"], claim["holds"], claim["n"], [broken["seed"] for broken in claim["refuted_by"]])
        for claim in group["claims"]
        if claim["kind"] == "claim" and 0 < claim["holds"] < claim["n"]
    ]
    rows = re.findall(r"^\| (.+?) \| (\d+) of (\d+) \| .+? \| (.+?) \|$", page, re.MULTILINE)
    assert [
        (statement, int(holds), int(n), [int(seed) for seed in re.findall(r"seed (\d+)", refuting)])
        for statement, holds, n, refuting in rows
    ] == refuted
    worst = {run["seed"]: run["claims"]["about"] - run["claims"]["holds"] for run in found["runs"]}
    assert worst.pop(3) == 7
    assert set(worst.values()) == {1, 2}
    assert {run["seed"]: run["kept_epoch"] for run in found["runs"] if run["seed"] in (1, 3, 4)} == {1: 1, 3: 0, 4: 2}


def test_the_figures_over_all_seeds_are_those_of_the_sweep(universality):
    counted = [run for run in universality["runs"] if run["ending"] == "counted"]
    assert [run["seed"] for run in counted] == list(range(100, 132))
    right = [run for run in counted if run["proved"]["right_everywhere"] == [run["proved"]["sequences"]] * 2]
    margins = sorted((run["proved"]["smallest_margin"], run["seed"]) for run in counted)
    page = words("docs/universality.md")
    assert f"{len(right)} of 32 are proved right on all 11^20 sequences" in page
    (least, low_seed), (most, high_seed) = margins[0], margins[-1]
    assert f"the smallest margin is {least:+.4f}, of seed {low_seed}" in page
    assert f"all right | {least:+.4f} (seed {low_seed}) to {most:+.4f} (seed {high_seed}) |" in text("docs/proofs.md")


def test_certify_prints_what_is_shown(tmp_path, capsys):
    """But for the line of the model's own logits, whose last digits another processor may change."""
    back_door = tmp_path / "back_door.safetensors"
    write_checkpoint(back_door, mutants.open_back_door(reference_model()), {})
    for marker, arguments in (("output of certify", []), ("output of certify for open_back_door", [str(back_door)])):
        main(["certify", *arguments])
        printed = capsys.readouterr().out
        for line in block(marker, "docs/proofs.md").splitlines():
            if "the model itself says" not in line:
                assert line in printed.splitlines()


def test_certify_of_sorted_lists_prints_what_is_shown(capsys):
    """But for the last digits, as rounding on another processor decides what the search tries next."""
    sorted_list_main(["certify"])
    printed = capsys.readouterr().out.splitlines()
    part = re.compile(r"0\.\d{6}")
    for line in block("output of certify", "docs/proofs-sorted-list.md").splitlines():
        (found,) = [other for other in printed if part.sub("", other) == part.sub("", line)]
        numbers = zip(part.findall(found), part.findall(line), strict=True)
        assert all(abs(float(ours) - float(shown)) < 2e-4 for ours, shown in numbers)


def test_the_gate_that_is_shown_uses_inputs_that_the_action_has():
    action = YAML(typ="safe").load(ROOT / "action.yml")
    required = {name for name, described in action["inputs"].items() if described["required"]}
    for example in (*blocks("example: gate", README), *blocks("example: gate", GATE)):
        *_, step = YAML(typ="safe").load(example)
        assert step["uses"] == "OWNER/REPOSITORY@REF"
        assert required <= set(step["with"]) <= set(action["inputs"])
    for name in ("comment", "baseline"):
        assert name in action["inputs"]
        assert f"`{name}`" in text(GATE)
