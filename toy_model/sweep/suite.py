"""Which claims a run was verified with: a fingerprint of everything in this project that decides a verdict."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from toy_model.checkout import CLAIMS, ROOT

PLUGIN = ROOT / "pytest-claims" / "pytest_claims"

_SAYS_NOTHING = (
    *("cumsum_model/figures/", "cumsum_model/sequence_box/", "cumsum_model/report.py", "cumsum_model/__main__.py"),
    *("toy_model/commands/", "toy_model/sweep/", "cumsum_model/commands/"),
    *(f"pytest-claims/pytest_claims/{room}/" for room in ("commands", "drawing", "output", "universality")),
)
"""Drawing, and what starts the rest: a change of these changes no verdict."""


@cache
def fingerprint() -> str:
    """Of the claims, what they measure with and what judges them; of the source text alone, on any machine the same."""
    paths = [
        ROOT / "conftest.py",
        ROOT / "fixtures" / "cumsum" / "reference.safetensors",
        ROOT / "pyproject.toml",
        *CLAIMS.rglob("*.py"),
        *(ROOT / "cumsum_model").rglob("*.py"),
        *(ROOT / "toy_model").rglob("*.py"),
        *PLUGIN.rglob("*.py"),
    ]
    digest = hashlib.sha256()
    for path in sorted(paths):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(_SAYS_NOTHING):
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@dataclass(frozen=True)
class Suite:
    """Which claims are run, and how.

    controls: with them or without. select: only those that pytest's -k finds, all if it is empty.
    """

    controls: bool = True
    select: str = ""

    @property
    def arguments(self) -> list[str]:
        """For pytest."""
        return [*([] if self.controls else ["--no-controls"]), *(["-k", self.select] if self.select else [])]

    @property
    def name(self) -> str:
        """What tells verdicts apart that do not mean the same: in an outcome, `suite`."""
        return " ".join([fingerprint(), *self.arguments])
