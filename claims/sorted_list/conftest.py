"""What October's claims are about: the checkpoint under test, its data, and what a report says of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_claims import Control, Illustrations, Report, Subject

from sorted_list_model.data import SortedListDataset, evaluation_set, first_lists, validation_set
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.system import SYSTEM
from toy_model.under_test import checkpoint_of, checkpoints_in, subject_line


def pytest_claims_load(config: pytest.Config, path: Path | None) -> SortedListTransformer:
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
def data(checkpoint: SortedListTransformer) -> SortedListDataset:
    """The solution's evaluation set, for the sizes of the model under test."""
    return evaluation_set(checkpoint.cfg.max_value, checkpoint.cfg.list_len)


@pytest.fixture(scope="session")
def validation(checkpoint: SortedListTransformer) -> SortedListDataset:
    """The set that the training run was validated on."""
    return validation_set(checkpoint.cfg.max_value, checkpoint.cfg.list_len)


@pytest.fixture(scope="session")
def lists(checkpoint: SortedListTransformer) -> SortedListDataset:
    """The first of them, for what is said of most lists."""
    return first_lists(checkpoint.cfg.max_value, checkpoint.cfg.list_len)
