"""What a GPU is to be measured with runs on the CPU, and many seeds at once are trained as one is."""

import dataclasses
import json
import subprocess

import pytest
import torch

from benchmarks import gpu
from benchmarks.many_seeds import ManySeeds
from cumsum_model.task import TASK
from toy_model.checkout import ROOT
from toy_model.training.training import Training

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def test_seeds_trained_at_once_are_those_trained_one_by_one():
    recipe = dataclasses.replace(TASK.recipe, train_size=4 * 128, batch_size=128, val_size=1, epochs=1)
    seeds = [0, 7]
    losses = torch.stack(list(ManySeeds(recipe, TASK, seeds, "cpu").steps()))
    for seed, mine in zip(seeds, losses.T, strict=True):
        alone = []
        Training(dataclasses.replace(recipe, seed=seed), TASK).epoch(lambda step, alone=alone: alone.append(step.loss))
        assert mine.tolist() == pytest.approx(alone, abs=1e-5)
    assert (losses[:, 0] - losses[:, 1]).abs().min() > 1e-4  # else they were one seed


@pytest.mark.parametrize("part", gpu.PARTS)
def test_every_part_runs_on_the_cpu_at_small_sizes(part, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "SECONDS", 0.01)
    assert gpu.main([part, "--device", "cpu", "--dry", "--into", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / f"{part}.json").read_text())["rows"]
    assert rows
    for row in rows:
        assert row["seconds"] or row["note"], row
    assert {"forward": "engine, 100 x 20", "agreement": "bridge, float32", "training": "a step"}[part] in [
        row["what"] for row in rows
    ]


def test_bridge_and_engine_agree_where_nothing_rounds_to_tf32(tmp_path):
    gpu.main(["agreement", "--device", "cpu", "--dry", "--into", str(tmp_path)])
    rows = {row["what"]: row["note"] for row in json.loads((tmp_path / "agreement.json").read_text())["rows"]}
    assert rows["bridge, float32"].endswith("(goal 0.0001: met)")
    assert rows["with TF32"] == "not run: no CUDA device" or torch.cuda.is_available()


def test_what_cannot_be_imported_has_a_row_that_says_so(tmp_path, monkeypatch):
    def no_bridge(*_):
        raise ImportError("No module named 'transformer_lens'")

    monkeypatch.setattr("toy_model.transformer.Transformer.bridge", no_bridge)
    gpu.main(["training", "--device", "cpu", "--dry", "--into", str(tmp_path)])
    text = gpu.markdown([json.loads((tmp_path / "training.json").read_text())])
    assert "by bridge and DataLoaders |  |  |  |  |  | not run: No module named 'transformer_lens' |" in text
    assert "- dry run: small sizes, which say nothing of speed" in text


def test_the_table_is_put_between_the_marks_of_a_document(tmp_path, capsys):
    row = gpu.Row("forward", "engine, 1 x 20", {"median": 0.001, "low": 0.0005, "high": 0.002}, 9, 20, 0.25, 0.5)
    document = {"about": {"cuda": "a card"}, "rows": [dataclasses.asdict(row)]}
    (tmp_path / "forward.json").write_text(json.dumps(document))
    doc = tmp_path / "performance.md"
    doc.write_text(f"before\n{gpu.START}\nold\n{gpu.END}\nafter\n")
    assert gpu.main(["table", str(tmp_path), "--doc", str(doc)]) == 0
    text = doc.read_text()
    assert "- cuda: a card" in text
    assert "| forward: engine, 1 x 20 | 1 ms | 0.5 ms .. 2 ms | 2e+04 | 0.25 | 50.00% |  |" in text
    assert "old" not in text
    document["about"]["dry run"] = "small sizes"
    (tmp_path / "forward.json").write_text(json.dumps(document))
    assert gpu.main(["table", str(tmp_path), "--doc", str(doc)]) == 1
    assert doc.read_text() == text
    assert "is of a dry run" in capsys.readouterr().err
    del document["about"]["dry run"]
    (tmp_path / "forward.json").write_text(json.dumps(document))
    doc.write_text("no marks")
    assert gpu.main(["table", str(tmp_path), "--doc", str(doc)]) == 4
    assert capsys.readouterr().err.count("\n") == 1


@needs_no_cuda
def test_without_a_device_one_line_says_so(tmp_path, capsys):
    assert gpu.main(["forward", "--into", str(tmp_path)]) == 4
    assert capsys.readouterr().err == "error: --device cuda: torch sees no CUDA device on this machine\n"


def test_the_script_is_a_shell_script_and_asks_for_no_more_than_eight_minutes():
    script = ROOT / "benchmarks" / "on_gpu.sh"
    subprocess.run(["bash", "-n", script], check=True)
    seconds = [int(line.split()[2]) for line in script.read_text().splitlines() if line.startswith("part ")]
    assert len(seconds) == 4
    assert sum(seconds) <= 480
