"""Which claims a run was verified with: a fingerprint of everything in this project that decides a verdict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest_claims

from toy_model.checkout import CLAIMS, PACKAGES, ROOT, SHIPPED
from toy_model.system import system_of

PLUGIN = Path(pytest_claims.__file__).resolve().parent

_SAYS_NOTHING = (
    *("toy_model/commands/", "toy_model/sweep/", "toy_model/reporting.py"),
    *(f"pytest-claims/pytest_claims/{room}/" for room in ("commands", "drawing", "output", "universality")),
)
_SAYS_NOTHING_IN_A_SYSTEM = ("commands/", "figures/", "list_box/", "sequence_box/", "report.py", "__main__.py")
"""Drawing, and what starts the rest: a change of these changes no verdict."""


@cache
def fingerprint(package: str) -> str:
    """Of a system's claims, what they measure with and what judges them: of the source alone, the same everywhere."""
    name = system_of(package).name
    packages = PACKAGES if ROOT == SHIPPED else ROOT
    suite = [ROOT / "conftest.py", ROOT / "pyproject.toml", ROOT / "fixtures" / name / "reference.safetensors"]
    paths = {path.relative_to(ROOT).as_posix(): path for path in [*suite, *(CLAIMS / name).rglob("*.py")]}
    for folder in (package.partition(".")[0], "toy_model"):
        for path in (packages / folder).rglob("*.py"):
            if SHIPPED not in path.parents:
                paths[path.relative_to(packages).as_posix()] = path
    for path in PLUGIN.rglob("*.py"):
        paths[f"pytest-claims/pytest_claims/{path.relative_to(PLUGIN).as_posix()}"] = path
    says_nothing = (*_SAYS_NOTHING, *(f"{package.replace('.', '/')}/{part}" for part in _SAYS_NOTHING_IN_A_SYSTEM))
    digest = hashlib.sha256()
    for relative, path in sorted(paths.items()):
        if not relative.startswith(says_nothing):
            digest.update(f"{relative}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class Suite:
    """Which claims are run, and how.

    package: of the system whose claims they are.
    controls: with them or without. select: only those that pytest's -k finds, all if it is empty.
    """

    package: str
    controls: bool = True
    select: str = ""

    @property
    def arguments(self) -> list[str]:
        """For pytest."""
        return [*([] if self.controls else ["--no-controls"]), *(["-k", self.select] if self.select else [])]

    @property
    def name(self) -> str:
        """What tells verdicts apart that do not mean the same: in an outcome, `suite`."""
        return " ".join([fingerprint(self.package), *self.arguments])
