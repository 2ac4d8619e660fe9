"""What the claims about two layers are about: the checkpoint under test, its data, and what a report says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_claims import Control, Illustrations, Report, Subject

from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.two_layers.system import SYSTEM
from toy_model.under_test import checkpoint_of, checkpoints_in, subject_line


def pytest_claims_load(config: pytest.Config, path: Path | None) -> CumsumTransformer:
    return checkpoint_of(config, path, SYSTEM).model


def pytest_claims_checkpoints(config: pytest.Config, path: Path) -> list[Path] | None:
    return checkpoints_in(path)


def pytest_claims_subject(config: pytest.Config, path: Path | None) -> str:
    return subject_line(checkpoint_of(config, path, SYSTEM))


def pytest_claims_details(config: pytest.Config, path: Path | None) -> Subject:
    return SYSTEM.details(checkpoint_of(config, path, SYSTEM), config.getoption("claims_device"))


def pytest_claims_illustrate(report: Report) -> Illustrations:
    return SYSTEM.illustrate(report)


def pytest_claims_mutants() -> tuple[list[Control], list[Control]]:
    kinds = SYSTEM.mutants()
    return [*kinds["BREAKING"], *kinds["HIDDEN"], *kinds["IDEALS"]], [*kinds["SYMMETRIES"]]


@pytest.fixture(scope="session")
def data(checkpoint: CumsumTransformer) -> CumsumDataset:
    """The write-up's evaluation set, for the sizes of the model under test."""
    return evaluation_set(checkpoint.cfg.max_value, checkpoint.cfg.n_ctx)
