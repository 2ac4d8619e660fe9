"""`--claims-matrix`: the table of claims against mutants, saved and printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_claims.claim import Control
from pytest_claims.files import beside, shown, write_whole
from pytest_claims.hooks.spelling import spelled
from pytest_claims.report.matrix import Matrix
from pytest_claims.results import ClaimResult


def make_room_for(config: pytest.Config) -> None:
    """Find out before minutes of work whether the table can be saved. Raises pytest.UsageError."""
    matrix: Path | None = config.getoption("claims_matrix")
    if matrix is None:
        return
    option = spelled(config, "matrix")
    try:
        matrix.parent.mkdir(parents=True, exist_ok=True)
        if matrix.exists() and not matrix.is_file():
            raise pytest.UsageError(f"{option} {shown(matrix)}: is not a regular file")
        with beside(matrix, b""):
            pass
    except OSError as error:
        raise pytest.UsageError(f"{option} {shown(matrix)}: {error.strerror}") from None


def save_matrix(
    path: Path,
    claims: Sequence[ClaimResult],
    mutants: tuple[Sequence[str], Sequence[Control]],
    *,
    whole: bool,
    line: str,
) -> tuple[str, list[str]]:
    """The table as text, and what is wrong with it: its holes, or that it could not be saved."""
    matrix = Matrix.of(claims, *mutants, whole=whole)
    matrix.subject = line
    problems = []
    if matrix.cells:  # an empty table is no reason to lose the one that was there
        try:
            write_whole(path, (json.dumps(matrix.to_plain(), indent=1) + "\n").encode())
        except OSError as error:
            problems.append(f"the table could not be saved to {shown(path)}: {error.strerror or error}")
    holes = matrix.holes()
    if holes:
        problems.append(f"the table has {len(holes)} hole{'s' * (len(holes) != 1)}: {holes[0]}")
    return matrix.render(), problems
