"""What the suite says of its model, asked once a run is over, in the process that makes the report."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from pytest_claims import weights
from pytest_claims.claim import Control
from pytest_claims.git import commit_of
from pytest_claims.hooks.collection import MODELS, SUITES
from pytest_claims.results import ClaimResult, Record
from pytest_claims.subject import Subject

if TYPE_CHECKING:
    from pytest_claims.drawing.figure import Illustrations
    from pytest_claims.hooks.publishing import Illustrate
    from pytest_claims.hooks.suites import Suite
    from pytest_claims.report.report import Report


class Describer:
    """Asks the hooks of a suite. That it cannot answer must not cost the verdicts."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def _suite(self, key: str, records: Sequence[Record]) -> Suite | None:
        suites = self.config.stash[SUITES]
        if key in suites.by_key or not records:
            return suites.by_key.get(key)
        return suites.at((self.config.rootpath / records[0].test.partition("::")[0]).parent)

    def describe(self, key: tuple[str, str], records: Sequence[Record], fingerprint: str) -> tuple[Subject, list[str]]:
        """The model in the suite's words, completed by what can be read off it; and what went wrong, if anything."""
        try:
            suite = self._suite(key[0], records)
            return (Subject(), []) if suite is None else (self._described(suite, key[1], fingerprint), [])
        except Exception as error:
            problem = f"the checkpoint could not be described: {type(error).__name__}: {str(error)[:300]}"
            return Subject(sha256=fingerprint), [problem]

    def _described(self, suite: Suite, label: str, fingerprint: str) -> Subject:
        checkpoint = next(each for each in suite.checkpoints if each.label == label)
        loaded = self.config.stash[MODELS].load(checkpoint)
        details = suite.hook.pytest_claims_details(config=self.config, model=loaded.model, path=checkpoint.path)
        if details is None:
            details = Subject(facts=weights.facts(loaded.model))
        commit = commit_of(suite.folder)
        return replace(
            details,
            path=details.path or str(checkpoint.path or ""),
            sha256=weights.as_sha256(details.sha256) if details.sha256 else fingerprint,
            environment=(*(details.environment or _environment()), *([("Suite", commit)] if commit else [])),
        )

    def illustrate(self, key: str, records: Sequence[Record]) -> Illustrate:
        """What the suite draws of a report."""

        def illustrate(report: Report) -> Illustrations:
            from pytest_claims.drawing.figure import Illustrations

            suite = self._suite(key, records)
            if suite is None:
                return Illustrations()
            drawn = suite.hook.pytest_claims_illustrate(config=self.config, report=report)
            return drawn if isinstance(drawn, Illustrations) else Illustrations()

        return illustrate

    def mutants(self, key: str, claims: Sequence[ClaimResult]) -> tuple[list[str], Sequence[Control]]:
        """The columns of a matrix: what the suite's hook names, then the controls of claims; and the harmless ones."""
        suite = self._suite(key, [record for claim in claims for record in claim.records])
        mutants = None if suite is None else suite.hook.pytest_claims_mutants(config=self.config)
        breaking, harmless = mutants or ([], [])
        names = dict.fromkeys(mutant.__name__ for mutant in [*breaking, *harmless])
        names |= dict.fromkeys(
            control.subject
            for claim in claims
            for control in claim.controls
            if not control.has_to_lose and not control.instrument
        )
        return list(names), list(harmless)


def _environment() -> tuple[tuple[str, str], ...]:
    """What a claim was judged with, where the suite does not say."""
    versions = [("Python", platform.python_version()), ("pytest", pytest.__version__)]
    for name in ("pytest-claims", "torch", "numpy"):
        try:
            versions.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(versions)
