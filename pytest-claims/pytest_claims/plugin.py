"""The pytest plugin: runs each claim on the checkpoint and on its controls, and turns outcomes into verdicts.

Exit codes: 0 all claims hold, all controls are refuted and each assertion is broken by one of them; 1 something is
refuted, survived, failed, did not run or was never shown to fail, or most claims are not about the checkpoint;
4 pytest could not start, or no suite says how its model is loaded, or it refuses the checkpoint that was named.

It acts on claims alone. A run without any is as it would be without the plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from pytest_claims import hookspec
from pytest_claims.files import a_path
from pytest_claims.hooks import collection, running
from pytest_claims.hooks.arguments import require_own_root, return_tests
from pytest_claims.hooks.collection import MODELS, SUITES
from pytest_claims.hooks.completeness import Collected
from pytest_claims.hooks.publishing import Publisher, add_options
from pytest_claims.hooks.session import Session
from pytest_claims.hooks.suites import Models, Suites
from pytest_claims.hooks.tables import make_room_for
from pytest_claims.hooks.telling import Summary

PUBLISHER = pytest.StashKey[Publisher]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspec)


def pytest_addoption(parser: pytest.Parser) -> None:
    _add_options(parser.getgroup("claims", "claims about a model").addoption)
    parser.addini("claims_paths", "folders in which every test has to be a claim or a timing", type="paths")
    parser.addini("claims_order", "files of claims in reading order; others follow", type="args", default=[])


def short_options(parser: pytest.Parser) -> None:
    """Add `--checkpoint`, `--device`, `--report`, `--baseline` and the like as second names of the plugin's options.

    For the `pytest_addoption` of a suite's root conftest. Another plugin may have such an option, which then ends the
    run: short names are the suite's choice, and none are taken without it.
    """
    _add_options(parser.getgroup("claims", "claims about a model").addoption, "--")


def _add_options(addoption: Callable[..., None], prefix: str = "--claims-") -> None:
    addoption(
        f"{prefix}checkpoint",
        dest="claims_checkpoint",
        metavar="PATH",
        type=a_path,
        nargs="+",
        action="extend",
        help="checkpoint to verify (default: the one that the suite is about); several, or a folder of them, are "
        "verified one after the other",
    )
    addoption(
        f"{prefix}device",
        dest="claims_device",
        metavar="DEVICE",
        default="cpu",
        help="where the model runs, such as cuda (default: cpu)",
    )
    addoption(
        f"{prefix}no-controls",
        dest="claims_no_controls",
        action="store_true",
        help="run every claim on the checkpoint alone, without showing that it can fail",
    )
    addoption(
        f"{prefix}allow-partial",
        dest="claims_allow_partial",
        action="store_true",
        help="exit with 0 even if more claims are not about the checkpoint than hold, as for a model of another "
        "architecture, of which next to nothing is verified (default: exit with 1)",
    )
    addoption(
        f"{prefix}matrix",
        dest="claims_matrix",
        metavar="FILE",
        type=a_path,
        help="run every claim on every control that a claim of its folder names, and on what the suite adds; print "
        "which notices which, and save the table as JSON",
    )
    add_options(addoption, prefix)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    return_tests(early_config, parser, args)
    require_own_root(early_config)
    result = yield
    return_tests(early_config, parser, args)  # a conftest.py may have called `short_options`
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """See to it, before anything else can fail, that no report of an earlier run is left lying where ours will be."""
    option = config.option
    asks_for_help = option.help or option.version or option.markers or option.showfixtures
    if not hasattr(config, "workerinput") and not asks_for_help:
        config.stash[PUBLISHER] = Publisher(config)


def pytest_configure(config: pytest.Config) -> None:
    suites = config.stash[SUITES] = Suites(config)
    config.stash[MODELS] = Models(config, suites)
    collected = Collected(config)
    for part, name in ((collection, "claims-collection"), (running, "claims-running"), (collected, "claims-collected")):
        _register(config, part, name)
    if not hasattr(config, "workerinput"):  # the one process that sees all results
        make_room_for(config)
        publisher = config.stash.get(PUBLISHER, None)
        session = Session(config, collected, publisher)
        _register(config, session, "claims-session")
        _register(config, Summary(session), "claims-summary")


def _register(config: pytest.Config, plugin: object, name: str) -> None:
    if config.pluginmanager.register(plugin, name) is None:
        raise pytest.UsageError(f"-p no:{name}: without it nobody sees what was left out")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For a matrix under `-n N`, one process runs all claims on a mutant: what they share of it is made once."""
    if config.getoption("claims_matrix") is None:
        return None
    from xdist.scheduler import LoadScopeScheduling

    class BySubject(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return nodeid.rpartition("[")[2]

    return BySubject(config, log)
