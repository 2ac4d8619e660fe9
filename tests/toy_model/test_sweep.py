"""Many seeds on a real Dask cluster: what comes out is what one run gives."""

import json
import re

import pytest
from pytest_claims.universality.outcome import Ending, read_outcome
from sweeping import FILES, ONE_CLAIM, TINY, end, results, sweep

from cumsum_model.__main__ import main
from cumsum_model.system import SYSTEM
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.sweep import client
from toy_model.sweep.suite import fingerprint


def test_each_run_has_its_checkpoint_its_report_and_its_outcome(undisturbed):
    for seed in range(3):
        run = undisturbed / "runs" / f"seed{seed}"
        assert sorted(path.name for path in run.iterdir()) == FILES
        outcome = read_outcome(run / "outcome.json")
        assert (outcome.name, outcome.seed, outcome.ending) == (f"seed{seed}", seed, Ending.VERIFIED)
        assert outcome.exit_code == 1  # nobody learns the task in three such epochs
        assert outcome.suite == f"{fingerprint('cumsum_model')} --no-controls -k test_every_answer_is_right"
        checkpoint = read_checkpoint(run, SYSTEM)
        assert outcome.sha256 == checkpoint.sha256
        report = json.loads((run / "report.json").read_text())
        assert report["subject"]["sha256"] == checkpoint.sha256
        assert report["subject"]["path"] == f"seed{seed}/model.safetensors"
        assert str(ROOT) not in json.dumps(report["run"])
        assert [claim["verdict"] for claim in report["claims"]] == ["refuted"]


def test_it_trains_what_train_trains(undisturbed, tmp_path):
    assert main(["train", "--seed", "2", "--out", str(tmp_path), *TINY]) == 0
    for name in ("model.safetensors", "model.card.json"):
        assert (tmp_path / name).read_bytes() == (undisturbed / "runs" / "seed2" / name).read_bytes()


def test_what_is_proved_is_what_certify_proves(undisturbed, capsys):
    proved = read_outcome(undisturbed / "runs" / "seed1" / "outcome.json").proved
    main(["certify", str(undisturbed / "runs" / "seed1")])
    output = capsys.readouterr().out
    (margin,) = re.findall(r"proved to be no smaller than (.*)", output)
    assert float(margin) == pytest.approx(proved.smallest_margin, abs=2e-7)  # it is rounded down to seven digits
    assert f"of {proved.sequences} sequences" in output
    assert f"right at every position: {proved.right_everywhere[0]}" in output


def test_the_same_command_has_nothing_left_to_do(swept_again):
    before = {path: path.stat().st_mtime_ns for path in swept_again.rglob("report.json")}
    code, out, err = end(sweep(swept_again))
    assert code == 0
    assert "3 runs: 3 done, 0 to train and verify" in err
    assert before == {path: path.stat().st_mtime_ns for path in swept_again.rglob("report.json")}
    assert out.strip()


def test_a_seed_that_diverges_is_a_result(tmp_path):
    code, _, err = end(sweep(tmp_path, "--grid", "lr_start=0.001,1e30", seeds="1"))
    assert code == 0, err
    outcome = read_outcome(tmp_path / "runs" / "lr_start=1e+30,seed=1" / "outcome.json")
    assert (outcome.ending, outcome.varied, outcome.exit_code) == (Ending.DIVERGED, {"lr_start": 1e30}, None)
    assert "the loss is" in outcome.reason
    assert "diverged: seed 1: the loss is" in err
    assert sorted(path.name for path in (tmp_path / "runs" / "lr_start=1e+30,seed=1").iterdir()) == ["outcome.json"]
    assert "2 runs: 2 done" in end(sweep(tmp_path, "--grid", "lr_start=0.001,1e30", seeds="1"))[2]


def test_another_recipe_does_not_go_on_with_it(swept_again):
    before = results(swept_again)
    code, _, err = end(sweep(swept_again, "--lr-end", "0.0005"))
    assert code == 4
    assert err.count("\n") == 1
    assert "seed0 holds a run with lr-end 0.0001, not 0.0005" in err
    assert results(swept_again) == before


def test_claims_that_end_without_verdicts_are_a_failure_and_the_checkpoint_stays(tmp_path):
    code, _, err = end(sweep(tmp_path, claims=["-k", "no_such_claim"], seeds="0"))
    assert code == 1
    assert "failed: WorkFailed: pytest claims/ ended with exit code 5" in err
    assert "1 runs failed (seed0); 0 of 1 runs are done" in err
    assert sorted(path.name for path in (tmp_path / "runs" / "seed0").iterdir()) == FILES[:2]
    code, _, err = end(sweep(tmp_path, seeds="0"))
    assert code == 0
    assert "1 runs: 0 done, 0 to train and verify, 1 to verify" in err


def test_workers_with_other_claims_end_the_sweep_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(client, "fingerprint", lambda package: "other")
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path), "--workers", "1", *TINY]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("error: a worker runs another version of the claims than this one")
    assert line.endswith("0 of 1 runs are done, the same command goes on from there")


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    write_whole = client.write_whole

    def full(path, content):
        if path.name == "report.json":
            raise OSError(28, "No space left on device", str(path))
        write_whole(path, content)

    monkeypatch.setattr(client, "write_whole", full)
    assert main(["sweep", "--seeds", "0", "--out", str(tmp_path), "--workers", "1", *TINY, *ONE_CLAIM]) == 1
    assert "report.json: No space left on device; 0 of 1 runs are done" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "runs" / "seed0" / "outcome.json").exists()
