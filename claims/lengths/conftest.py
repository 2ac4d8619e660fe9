"""What the claims about lengths are about: a study, docs/lengths.json, or another that `--checkpoint` names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pytest_claims import Control, Subject

from cumsum_model.lengths import mutants
from cumsum_model.lengths.study import Study, StudyError, encode, read_study
from toy_model.checkout import ROOT

STUDY = ROOT / "docs" / "lengths.json"


def pytest_claims_load(config: pytest.Config, path: Path | None) -> Study:
    try:
        return read_study(STUDY if path is None else path)
    except StudyError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_claims_fingerprint(model: Study) -> str:
    return hashlib.sha256(encode(model).encode()).hexdigest()


def pytest_claims_subject(model: Study, path: Path | None) -> str:
    digest = pytest_claims_fingerprint(model)[:12]
    return f"study {_shown(path)}, sha256 {digest}, {len(model.runs)} runs of {len(model.cells)} cells"


def pytest_claims_details(model: Study, path: Path | None) -> Subject:
    seeds = {str(cell): str(sum(run.cell == cell for run in model.runs)) for cell in model.cells}
    facts = (
        ("runs", str(len(model.runs))),
        ("trained on", model.machine),
        *((cell, f"{n} seeds") for cell, n in seeds.items()),
    )
    return Subject(path=_shown(path), sha256=pytest_claims_fingerprint(model), facts=facts)


def pytest_claims_mutants() -> tuple[list[Control], list[Control]]:
    return [*mutants.BREAKING], [*mutants.SYMMETRIES]


def _shown(path: Path | None) -> str:
    return os.path.relpath(STUDY if path is None else path)
