"""Which claims a run was verified with: a fingerprint of everything in this project that decides a verdict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from toy_model.checkout import CLAIMS, ROOT
from toy_model.system import system_of

PLUGIN = ROOT / "pytest-claims" / "pytest_claims"

_SAYS_NOTHING = (
    *("toy_model/commands/", "toy_model/sweep/"),
    *(f"pytest-claims/pytest_claims/{room}/" for room in ("commands", "drawing", "output", "universality")),
)
_SAYS_NOTHING_IN_A_SYSTEM = ("commands/", "figures/", "sequence_box/", "report.py", "__main__.py")
"""Drawing, and what starts the rest: a change of these changes no verdict."""


@cache
def fingerprint(package: str) -> str:
    """Of a system's claims, what they measure with and what judges them: of the source alone, the same everywhere."""
    name = system_of(package).name
    paths = [
        ROOT / "conftest.py",
        ROOT / "pyproject.toml",
        ROOT / "fixtures" / name / "reference.safetensors",
        *(CLAIMS / name).rglob("*.py"),
        *(ROOT / package).rglob("*.py"),
        *(ROOT / "toy_model").rglob("*.py"),
        *PLUGIN.rglob("*.py"),
    ]
    says_nothing = (*_SAYS_NOTHING, *(f"{package}/{part}" for part in _SAYS_NOTHING_IN_A_SYSTEM))
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(says_nothing):
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
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
