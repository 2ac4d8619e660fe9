"""What the claims about two layers are about: the checkpoint under test, its data, and what a report says of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_claims import Control, Illustrations, Report, Subject

from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.lengths.sampled import HARD_SEED, of_sum
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


@pytest.fixture(scope="session")
def hard() -> Callable[..., torch.Tensor]:
    """Sequences of a given sum and largest value, each of all as likely as any other: seeded."""

    @functools.cache
    def drawn(sums: tuple[int, ...], size: int, max_value: int, n_ctx: int) -> torch.Tensor:
        generator = np.random.default_rng(HARD_SEED)
        return torch.cat([of_sum(sum_, size, max_value, n_ctx, generator) for sum_ in sums])

    return drawn
