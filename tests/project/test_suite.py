"""The suite as its users run it: `pytest claims/` in a process of its own, on good and bad checkpoints."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from verifying import summary, verdicts, verdicts_of, verify

from cumsum_model.config import CumsumConfig
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import write_checkpoint


@pytest.fixture(scope="session")
def in_two_processes(once):
    """The folder of another report of the shipped checkpoint, with stdout.txt beside it."""

    def make(folder):
        result = verify("-n", "2", f"--report={folder}")
        (folder / "stdout.txt").write_text(result.stdout)
        assert result.returncode == 0, result.stdout + result.stderr

    return once("in-two-processes", make)


@pytest.fixture(scope="session")
def printed(shipped_report):
    return (shipped_report / "stdout.txt").read_text()


def test_every_claim_holds_on_the_reference(printed):
    assert {verdict for verdict, _ in verdicts(printed)} == {"HOLDS"}
    n_refuted, n_controls = re.search(r"controls refuted (\d+)/(\d+);", summary(printed)).groups()
    assert n_refuted == n_controls
    assert int(n_controls) > len(verdicts(printed))


def test_timings_are_reported_and_a_missing_gpu_is_no_failure(printed):
    assert len(re.findall(r"^TIMED +Forward pass of the engine: 1", printed, re.MULTILINE)) >= 2
    if not torch.cuda.is_available():
        assert "not run: no CUDA device" in printed


def test_two_processes_give_the_same_verdicts_and_the_same_report(shipped_report, printed, in_two_processes):
    in_two = (in_two_processes / "stdout.txt").read_text()
    assert verdicts(in_two) == verdicts(printed)
    claims_and_controls = r"\d+ claims: .*controls refuted \d+/\d+"
    assert re.match(claims_and_controls, summary(in_two))[0] == re.match(claims_and_controls, summary(printed))[0]
    documents = [json.loads((folder / "report.json").read_text()) for folder in (shipped_report, in_two_processes)]
    for document in documents:
        del document["run"]["arguments"], document["timings"], document["summary"]
    assert documents[0] == documents[1]


def test_the_same_checkpoint_gives_the_same_report_to_the_letter(printed, in_two_processes):
    def without_times(text):
        start, end = text.index("= verification report ="), text.index("-- Speed")
        return text[start:end]

    assert without_times((in_two_processes / "stdout.txt").read_text()) == without_times(printed)


def test_an_untrained_model_is_refuted(tmp_path):
    write_checkpoint(tmp_path / "model.safetensors", untrained(CumsumConfig(), seed=5), {})
    result = verify(f"--checkpoint={tmp_path}", "--benchmark-disable", f"--report={tmp_path / 'report'}")
    assert result.returncode == 1
    by_claim = verdicts_of(tmp_path / "report" / "report.json")
    mechanism = {
        "test_attention_is_uniform",
        "test_every_reader_reads_the_value",
        "test_what_is_written_pushes_pos_against_neg",
    }
    behaviour = {"test_every_answer_is_right", "test_near_zero_sums_are_distinguished"}
    assert mechanism | behaviour <= {name for name, verdict in by_claim.items() if verdict == "refuted"}
    holding = [statement for verdict, statement in verdicts(result.stdout) if verdict == "HOLDS"]
    assert len(holding) < len(verdicts(result.stdout)) / 10, holding
    assert "Traceback" not in result.stdout


def test_a_checkpoint_that_cannot_be_read_is_one_line_and_exit_code_4(tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(REFERENCE.read_bytes()[:6000])
    for name, message in (("missing.safetensors", "No such file"), ("cut.safetensors", "cut short")):
        result = verify("--checkpoint", tmp_path / name)
        assert result.returncode == 4
        output = (result.stdout + result.stderr).strip()
        assert "\n" not in output
        assert name in output
        assert message in output


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


CAME_OUT = {"refuted", "not about this model", "holds", "refuted as published", "stands"}
"""Every verdict but those that say that something went wrong."""

SIZES = {
    "short": {"n_ctx": 12, "max_value": 3},
    "two_layers": {"n_layers": 2},
    "two_heads": {"n_heads": 2, "d_mlp": 5},
}


@pytest.fixture(scope="session")
def reports(once, reference):
    """Reports of checkpoints that were broken by hand, and of untrained ones of other sizes, all made in one run."""

    def make(folder):
        models = {}
        for damage in BREAKS:
            weights = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
            damage(weights)
            models[damage.__name__] = untrained(reference.cfg, seed=0)
            models[damage.__name__].load_state_dict(weights)
        for name, sizes in SIZES.items():
            models[name] = untrained(CumsumConfig(**sizes), seed=5)
        for name, model in models.items():
            write_checkpoint(folder / f"{name}.safetensors", model, {})
        paths = [f"--checkpoint={folder / name}.safetensors" for name in models]
        result = verify(*paths, "--benchmark-disable", "--no-controls", f"--report={folder}")
        assert result.returncode == 1, result.stdout
        assert sorted(path.parent.name for path in folder.glob("*/report.json")) == sorted(models)

    return once("several-checkpoints", make)


@pytest.mark.parametrize("name", SIZES)
def test_models_of_other_sizes_are_judged_without_an_error(reports, name):
    report = reports / name / "report.json"
    assert json.loads(report.read_text())["tone"] == "bad"
    assert set(verdicts_of(report).values()) <= CAME_OUT


@pytest.mark.parametrize("damage", BREAKS, ids=lambda damage: damage.__name__)
def test_breaking_the_fixture_by_hand_refutes_the_claims_about_it(reports, damage):
    report = reports / damage.__name__ / "report.json"
    assert json.loads(report.read_text())["tone"] == "bad"
    by_claim = verdicts_of(report)
    assert BREAKS[damage] <= {name for name, verdict in by_claim.items() if verdict == "refuted"}
    assert set(by_claim.values()) <= CAME_OUT


def test_an_unfinished_run_beside_the_model_is_told_in_the_header(tmp_path):
    shutil.copy(REFERENCE, tmp_path / "model.safetensors")
    (tmp_path / "training.safetensors").touch()
    result = verify(f"--checkpoint={tmp_path}", "-k", "attention_is_uniform", "--no-controls")
    assert "training.safetensors is of a training run that has not finished" in " ".join(result.stdout.split())
