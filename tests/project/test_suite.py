"""The suite as its users run it: `pytest claims/` in a process of its own, on good and bad checkpoints."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import write_checkpoint


def verify(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "pytest", "claims/", "-p", "no:cacheprovider", *map(str, arguments)]
    # Under pytest-xdist this process says so in its environment, and pytest-benchmark would listen.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def summary(result):
    """The line that counts everything, which is printed on several."""
    found = re.findall(
        r"^\d+ claims: .*(?:\n(?!problem|warning|report|=|\d+ (?:passed|failed)).*)*", result.stdout, re.MULTILINE
    )
    assert found, result.stdout + result.stderr
    return " ".join(found[-1].split())


def verdicts(result):
    """The (verdict, statement) of every claim in the order of the report, timings left out."""
    found = re.findall(r"^(HOLDS|REFUTED|ERROR|N/A|NOT RUN) +(.*)$", result.stdout, re.MULTILINE)
    return [(verdict, statement) for verdict, statement in found if not statement.startswith("Forward pass")]


def refuted(result):
    """Names of the tests that pytest lists as refuted on the checkpoint."""
    return set(re.findall(r"^REFUTED \S+::(\w+)\[checkpoint\]", result.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def reference_run(folder):
    return verify("--benchmark-max-time=0.1", f"--report={folder / 'one'}")


def test_every_claim_holds_on_the_reference(reference_run):
    assert reference_run.returncode == 0, reference_run.stdout
    assert {verdict for verdict, _ in verdicts(reference_run)} == {"HOLDS"}
    n_refuted, n_controls = re.search(r"controls refuted (\d+)/(\d+);", summary(reference_run)).groups()
    assert n_refuted == n_controls
    assert int(n_controls) > len(verdicts(reference_run))


def test_timings_are_reported_and_a_missing_gpu_is_no_failure(reference_run):
    assert len(re.findall(r"^TIMED +Forward pass of the engine: 1", reference_run.stdout, re.MULTILINE)) >= 2
    if not torch.cuda.is_available():
        assert "not run: no CUDA device" in reference_run.stdout


def test_two_processes_give_the_same_verdicts_and_the_same_report(reference_run, folder):
    parallel = verify("-n", "2", f"--report={folder / 'two'}")
    assert parallel.returncode == 0
    assert verdicts(parallel) == verdicts(reference_run)
    claims_and_controls = r"\d+ claims: .*controls refuted \d+/\d+"
    assert (
        re.match(claims_and_controls, summary(parallel))[0] == re.match(claims_and_controls, summary(reference_run))[0]
    )
    documents = [json.loads((folder / name / "report.json").read_text()) for name in ("one", "two")]
    for document in documents:
        del document["run"]["arguments"], document["timings"], document["summary"]
    assert documents[0] == documents[1]


def test_the_same_checkpoint_gives_the_same_report(reference_run):
    def without_times(result):
        start, end = result.stdout.index("= verification report ="), result.stdout.index("-- Speed")
        return result.stdout[start:end]

    assert without_times(verify("--benchmark-disable")) == without_times(reference_run)


def test_an_untrained_model_is_refuted(tmp_path):
    write_checkpoint(tmp_path / "model.safetensors", untrained(CumsumConfig(), seed=5), {})
    result = verify("--checkpoint", tmp_path, "--benchmark-disable")
    assert result.returncode == 1
    mechanism = {
        "test_attention_is_uniform",
        "test_every_reader_reads_the_value",
        "test_what_is_written_pushes_pos_against_neg",
    }
    behaviour = {"test_every_answer_is_right", "test_near_zero_sums_are_distinguished"}
    assert mechanism | behaviour <= refuted(result)
    holding = [statement for verdict, statement in verdicts(result) if verdict == "HOLDS"]
    assert len(holding) < len(verdicts(result)) / 10, holding
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize("sizes", [{"n_ctx": 12, "max_value": 3}, {"n_layers": 2}, {"n_heads": 2, "d_mlp": 5}])
def test_models_of_other_sizes_are_judged_without_an_error(tmp_path, sizes):
    write_checkpoint(tmp_path / "model.safetensors", untrained(CumsumConfig(**sizes), seed=5), {})
    result = verify("--checkpoint", tmp_path, "--benchmark-disable", "--no-controls")
    assert result.returncode == 1
    assert {verdict for verdict, _ in verdicts(result)} <= {"REFUTED", "N/A", "HOLDS"}
    assert "in error" not in summary(result)


def test_a_checkpoint_that_cannot_be_read_is_one_line_and_exit_code_4(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(REFERENCE.read_bytes()[:6000])
    for name, message in (("missing.safetensors", "No such file"), ("cut.safetensors", "cut short")):
        result = verify("--checkpoint", tmp_path / name)
        assert result.returncode == 4
        told = (result.stdout + result.stderr).strip()
        assert "\n" not in told
        assert name in told
        assert message in told


def test_a_gpu_that_is_not_there_is_one_line_and_exit_code_4():
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    result = verify("--device", "cuda")
    assert result.returncode == 4
    assert (result.stdout + result.stderr).strip() == "ERROR: --device cuda: torch sees no CUDA device on this machine"


def test_the_suite_runs_from_another_folder(tmp_path):
    command = [sys.executable, "-m", "pytest", ROOT / "claims", "-k", "QK_is_zero", "-p", "no:cacheprovider"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert not list(tmp_path.iterdir())


def deafen_neuron_2(weights):
    weights["blocks.0.mlp.b_in"][2] = -30


def look_for_something(weights):
    weights["blocks.0.attn.W_Q"][0, :, 3] = 0.5
    weights["blocks.0.attn.W_K"][0, :, 3] = torch.linspace(-1, 1, 24)


def write_a_constant_more_for_even_values(weights):
    weights["embed.W_E"][::2, :] += 0.02
    weights["blocks.0.attn.W_V"][0, :, 5] = 1
    weights["blocks.0.attn.W_O"][0, 5] = torch.linspace(-1, 1, 24)


def swap_two_values(weights):
    weights["embed.W_E"][[7, 8]] = weights["embed.W_E"][[8, 7]]


def unembed_neg_by_another_direction(weights):
    weights["unembed.W_U"][:, 0] = weights["unembed.W_U"][:, 0].roll(1)


def lower_every_logit_but_zero(weights):
    weights["unembed.b_U"][1] += 3


BREAKS = {
    deafen_neuron_2: {"test_neuron_2_matters_most"},
    look_for_something: {
        "test_scores_make_no_difference",
        "test_attention_is_uniform",
        "test_uniform_attention_answers_alike",
    },
    write_a_constant_more_for_even_values: {"test_every_reader_reads_the_value"},
    swap_two_values: {"test_values_are_evenly_spaced", "test_resid_mid_is_monotone_in_the_mean"},
    unembed_neg_by_another_direction: {
        "test_every_answer_is_right",
        "test_zero_takes_no_side",
        "test_moving_along_u_moves_the_answer",
    },
    lower_every_logit_but_zero: {
        "test_every_answer_is_right",
        "test_loss_is_small",
        "test_right_label_is_likely",
        "test_near_zero_sums_are_distinguished",
    },
}


@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_breaking_the_fixture_by_hand_refutes_the_claims_about_it(tmp_path, reference, damage):
    weights = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    damage(weights)
    broken = untrained(reference.cfg, seed=0)
    broken.load_state_dict(weights)
    write_checkpoint(tmp_path / "model.safetensors", broken, {})
    result = verify("--checkpoint", tmp_path, "--benchmark-disable", "--no-controls")
    assert result.returncode == 1
    assert BREAKS[damage] <= refuted(result)
    assert "in error" not in summary(result)


def test_an_unfinished_run_beside_the_model_is_told_in_the_header(tmp_path):
    shutil.copy(REFERENCE, tmp_path / "model.safetensors")
    (tmp_path / "training.safetensors").touch()
    result = verify(f"--checkpoint={tmp_path}", "-k", "attention_is_uniform", "--no-controls")
    assert "training.safetensors is of a training run that has not finished" in " ".join(result.stdout.split())
