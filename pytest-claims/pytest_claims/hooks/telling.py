"""What a run prints at its end: each report, the tables, and where everything lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from pytest_claims.hooks.collection import REFUSED
from pytest_claims.text import one_line

if TYPE_CHECKING:
    from pytest_claims.hooks.session import Key, Session
    from pytest_claims.report.report import Report


class Summary:
    """Prints everything that there is to say of the claims of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        _print(terminalreporter, self.session)


def _print(terminal: pytest.TerminalReporter, session: Session) -> None:
    config = session.config
    if config.option.collectonly:
        return
    refused = config.stash.get(REFUSED, [])
    if refused:
        if config.getoption("dist", "no") != "no":  # else pytest says it by itself
            terminal.write_line(f"ERROR: {one_line(refused[0], 1000)}", red=True)
        return
    reports = session.reports
    for table in session.tables:
        terminal.write_line("")
        terminal.write_sep("=", "claims x mutants")
        terminal.write(table)
    _print_reports(terminal, reports)
    publisher = session.publisher
    asked = publisher is not None and (publisher.folder is not None or publisher.baseline is not None)
    for report in reports.values():
        for problem in report.problems if asked or session.tables or report.claims else ():
            terminal.write_line(f"problem: {problem}", red=True)
    for problem in session.problems:
        terminal.write_line(f"problem: {problem}", red=True)
    for warning in dict.fromkeys(session.warnings):
        terminal.write_line(f"warning: {warning}", yellow=True)
    if publisher is None:
        return
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from pytest_claims.output.github import workflow_commands

        for report in reports.values():
            for line in workflow_commands(report) if report.claims or asked else ():
                terminal.write_line(line)
    for page in publisher.pages(list(session.places.values())):
        terminal.write_line(f"report: {page}")


def _print_reports(terminal: pytest.TerminalReporter, reports: Mapping[Key, Report]) -> None:
    shown = [report for report in reports.values() if report.claims or report.timings]
    if not shown:
        return
    from pytest_claims.output.terminal import print_counts, print_report

    for report in shown:
        print_report(terminal, report)
    if len({report.suite for report in shown}) < len(shown):
        print_counts(terminal, shown)
