"""What a suite tells the plugin of its model: it knows nothing of models itself.

Hooks are asked in the folder of the claims, so that each of several suites in one run has its own `conftest.py` to
answer. All but the first have a default. A hook may leave out any argument that it has no use for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_claims.claim import Control
from pytest_claims.subject import Subject

if TYPE_CHECKING:
    from pytest_claims.drawing.figure import Illustrations
    from pytest_claims.report.report import Report


@pytest.hookspec(firstresult=True)
def pytest_claims_load(config: pytest.Config, path: Path | None, device: str) -> Any:
    """The model under test: the one hook that a suite must have.

    path    what `--claims-checkpoint` names; None without it, for the model that the suite is about
    device  what `--claims-device` says, "cpu" without it

    Any exception refuses the path: the run ends with exit code 4 and its first line.
    """


@pytest.hookspec(firstresult=True)
def pytest_claims_checkpoints(config: pytest.Config, path: Path) -> Sequence[Path] | None:
    """The checkpoints in a folder that `--claims-checkpoint` names; [path] if the folder is one.

    Default: the files in it that have the ending of a checkpoint; the folder itself if there are none.
    """


@pytest.hookspec(firstresult=True)
def pytest_claims_subject(config: pytest.Config, model: Any, path: Path | None) -> str | None:
    """One line that names the model under test. Default: path, type and the start of the fingerprint."""


@pytest.hookspec(firstresult=True)
def pytest_claims_fingerprint(config: pytest.Config, model: Any) -> str | None:
    """Something that differs when the model does, to notice a test or a control that edits the checkpoint.

    Default: sha256 over the names, types, shapes and numbers of `model.state_dict()`.
    """


@pytest.hookspec(firstresult=True)
def pytest_claims_details(config: pytest.Config, model: Any, path: Path | None) -> Subject | None:
    """What the report says of the model beside the verdicts. Called once, for `--claims-report`.

    Default: its type, how many parameters it has, their types, and where they lie.
    """


@pytest.hookspec(firstresult=True)
def pytest_claims_illustrate(config: pytest.Config, report: Report) -> Illustrations | None:
    """Figures and panels for the page of `--claims-report`."""


@pytest.hookspec(firstresult=True)
def pytest_claims_mutants(config: pytest.Config) -> tuple[Sequence[Control], Sequence[Control]] | None:
    """Models for `--claims-matrix` beside the controls of the claims: those that break something, and harmless ones.

    A harmless one may have an attribute `changes`, a tuple that names what of the form of the weights is another in
    it, such as "neuron numbers": claims whose `depends_on` names it, too, may notice it, and no others.
    """
