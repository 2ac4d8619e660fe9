"""What a suite tells the plugin of its model: it knows nothing of models itself."""

from __future__ import annotations

from typing import Any

import pytest

from cumsum_model.verification.claim import Control
from cumsum_model.verification.page import Illustrations
from cumsum_model.verification.report import Report
from cumsum_model.verification.subject import Subject


@pytest.hookspec(firstresult=True)
def pytest_verification_subject(config: pytest.Config) -> str | None:
    """One line that says which checkpoint is under test, for the report."""


@pytest.hookspec(firstresult=True)
def pytest_verification_fingerprint(config: pytest.Config, model: Any) -> str | None:
    """Something that differs when the model does, to notice a test that edits the checkpoint."""


@pytest.hookspec(firstresult=True)
def pytest_verification_details(config: pytest.Config) -> Subject | None:
    """What the report says of the checkpoint beside the verdicts. Called once, for `--report`."""


@pytest.hookspec(firstresult=True)
def pytest_verification_illustrate(config: pytest.Config, report: Report) -> Illustrations | None:
    """Figures and panels for the page of `--report`."""


@pytest.hookspec(firstresult=True)
def pytest_verification_mutants(config: pytest.Config) -> tuple[list[Control], list[Control]] | None:
    """All mutants for `--matrix`: those that break something, and harmless ones.

    A harmless one may have an attribute `changes`, a tuple that names what of the form of the weights is another in
    it, such as "neuron numbers": claims whose `depends_on` names it, too, may notice it, and no others.
    """
