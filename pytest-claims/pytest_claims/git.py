"""The commit of a suite, if it stands in git."""

from __future__ import annotations

import subprocess
from pathlib import Path

PATIENCE = 10
"""Seconds. A repository that takes longer to say what has changed is not waited for."""


def commit_of(folder: Path) -> str:
    """The commit that a folder is at, and whether files of it were changed since.

    "" where it is in no repository, or git knows none of its files, as of what is installed inside of one.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None or not _git(folder, "ls-files", "--", "."):
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    if changed is None:
        return commit
    n = len(changed.splitlines())
    return f"{commit}, with {n} file{'s' * (n != 1)} changed since" if n else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None where there is none, or it has nothing to say. Hooks of the repository are left out."""
    command = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip()
