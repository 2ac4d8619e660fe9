"""What a wheel carries beside the packages: the suite, so that every command works where there is no checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = (
    "claims",
    "conftest.py",
    "docs/lengths.json",
    "docs/matrix*.json",
    "fixtures/*/reference.*",
    "fixtures/lengths",
    "pyproject.toml",
)
"""The claims, what configures them, the checkpoints and the study that they are about, and the tables of mutants."""


class Shipped(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the suite where `toy_model.checkout` looks for it first. An editable installation has it in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        if version == "editable":
            return
        root = Path(self.root)
        for pattern in SHIPPED:
            for path in root.glob(pattern):
                build_data["force_include"][str(path)] = f"toy_model/shipped/{path.relative_to(root)}"
