"""The version of the claims that verify a sweep: it changes with all that decides a verdict."""

import pytest
from sweeping import SUITE

from toy_model.checkout import ROOT
from toy_model.sweep import worker
from toy_model.sweep.suite import fingerprint


def test_a_worker_with_other_claims_refuses(monkeypatch):
    with pytest.raises(worker.OtherCode, match="another version of the claims"):
        worker.train_model("cumsum_model", [], "other")
    with pytest.raises(worker.OtherCode):
        worker.verify_model("seed0", {}, SUITE, "other")


def test_the_fingerprint_changes_with_what_decides_a_verdict_and_with_nothing_else(tmp_path, monkeypatch):
    from toy_model.sweep import suite

    for path in [
        *ROOT.glob("*.py"),
        ROOT / "pyproject.toml",
        ROOT / "fixtures" / "cumsum" / "reference.safetensors",
        *ROOT.glob("claims/**/*.py"),
        *ROOT.glob("cumsum_model/**/*.py"),
        *ROOT.glob("toy_model/**/*.py"),
        *ROOT.glob("pytest-claims/pytest_claims/**/*.py"),
    ]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    monkeypatch.setattr(suite, "CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(suite, "PLUGIN", tmp_path / "pytest-claims" / "pytest_claims")
    of_here = suite.fingerprint.__wrapped__
    assert of_here("cumsum_model") == fingerprint("cumsum_model")
    for name, decides in {
        "claims/cumsum/test_task.py": True,
        "conftest.py": True,
        "fixtures/cumsum/reference.safetensors": True,
        "cumsum_model/ov_circuit.py": True,
        "toy_model/transformer.py": True,
        "pytest-claims/pytest_claims/measure.py": True,
        "pytest-claims/pytest_claims/drawing/canvas.py": False,
        "pytest-claims/pytest_claims/universality/findings.py": False,
        "cumsum_model/figures/neurons.py": False,
        "cumsum_model/commands/certify.py": False,
        "toy_model/commands/train.py": False,
        "toy_model/sweep/client.py": False,
    }.items():
        path = tmp_path / name
        before = path.read_bytes() if path.exists() else b""
        path.write_bytes(before + b"\n# changed\n")
        assert (of_here("cumsum_model") != fingerprint("cumsum_model")) is decides, name
        path.write_bytes(before) if before else path.unlink()
