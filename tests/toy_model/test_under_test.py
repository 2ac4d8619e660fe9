"""The suite on checkpoints from elsewhere."""

import json
import os
import subprocess
import sys

import pytest
import safetensors.torch
from saved_files import hooked

from cumsum_model.report import details
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import Reading, read_checkpoint
from toy_model.under_test import subject_line


def verify(*arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "claims/",
        "-p",
        "no:cacheprovider",
        "--no-controls",
        *map(str, arguments),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_suite_runs_on_a_wrapped_file_if_told(save, tmp_path, reference):
    path = save(hooked(reference, wrapped=True))
    refused = verify("--checkpoint", path)
    assert refused.returncode == 4
    assert f"{path}: its embedding rows look wrapped" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    report = tmp_path / "report"
    result = verify("--checkpoint", path, "--token-order", "wrapped", "-k", "attention", "--report", report)
    assert result.returncode == 0, result.stdout
    assert "torch.save state dict, embedding rows wrapped" in result.stdout
    subject = json.loads((report / "report.json").read_text())["subject"]
    assert dict(subject["facts"])["file"].startswith("torch.save state dict, embedding rows wrapped; left out")


def test_a_table_of_mutants_is_not_that_of_other_rows():
    wrapped = read_checkpoint(REFERENCE, SYSTEM, reading=Reading("wrapped"))
    assert "matrix" not in details(wrapped, "cpu").suite


def test_what_is_taken_for_granted_stands_in_the_header_unless_our_training_says_so(save, reference):
    line = subject_line(read_checkpoint(save(hooked(reference)), SYSTEM))
    assert line.endswith("; taken for granted: ReLU, no norm, scores / sqrt(d_head), causal")
    assert subject_line(read_checkpoint(REFERENCE, SYSTEM)).endswith("sha256 8d15bc624a15, seed 42, epoch 8")
    facts = dict(details(read_checkpoint(REFERENCE, SYSTEM), "cpu").facts)
    assert facts["taken for granted"].startswith("ReLU, no norm, scores / sqrt(d_head), causal")


def test_the_suite_refuses_a_model_of_another_architecture():
    refused = verify("--checkpoint", ROOT / "tests" / "cumsum_model" / "gelu.pt")
    assert refused.returncode == 4
    assert "which this project does not have" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr


@pytest.mark.parametrize("several_processes", [[], ["-n", "2"]], ids=["one process", "two processes"])
def test_the_suite_takes_a_folder_of_shards_for_one_checkpoint(tmp_path, reference, several_processes):
    state = dict(reference.state_dict())
    where = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(sorted(state))}
    for file in set(where.values()):
        safetensors.torch.save_file({name: w for name, w in state.items() if where[name] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
        result = verify("--checkpoint", path, "-k", "test_scores", *several_processes)
        assert "safetensors in 2 shards" in " ".join(result.stdout.split())
        assert result.returncode == 0, result.stdout + result.stderr
