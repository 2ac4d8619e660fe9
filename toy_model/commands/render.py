"""`render`: make a report's page again, with its figures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pytest_claims.commands import render

from toy_model.system import System

if TYPE_CHECKING:
    from pytest_claims import Illustrations, Report

HELP = """\
Make report.html and report.md again from report.json, without running a claim.

The figures are drawn from the weights that the report stores. Made by the same versions, the files are the
same, byte for byte.
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], system: System[Any]) -> None:
    """Add `render` to the command line."""

    def illustrate(report: Report) -> Illustrations:
        import torch

        torch.set_num_threads(1)
        return system.illustrate(report)

    render.add_command(commands, illustrate, HELP)
