"""What has to happen before pytest looks for tests: `-p toy_model.early`, which this suite's configuration names."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
import pytest_claims

from toy_model.importing import importing


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--checkpoint` and the like, known before pytest takes their values for tests to collect."""
    pytest_claims.short_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Generator[None]:
    # A claim works on arrays so small that a second thread only waits, and there may be other processes. This one
    # has to be set before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with importing():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    with importing():
        return (yield)
