"""What this suite adds to the verification plugin: its options, and how hypothesis searches.

What the claims about one system add lies beside them, in `claims/NAME/conftest.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir
from pytest_claims.files import shown

from toy_model.checkout import cache_of
from toy_model.choosing import Chosen, choose
from toy_model.commands.shared import add_reading
from toy_model.guard import SYSTEMS as PACKAGES
from toy_model.guard import refuse_foreign
from toy_model.system import system_of
from toy_model.under_test import checkpoint_of, hand_over

pytest_plugins = ["pytester"]

SYSTEMS = tuple(map(system_of, PACKAGES))
"""Those whose claims there are."""

CHOSEN = pytest.StashKey[Chosen]()
"""Those whose claims run."""

# The same search in every run: derandomised, nothing remembered on disk, one counterexample at a time.
# `model` and `measure` are made once per test on purpose; a search shares them between its examples.
settings.register_profile(
    "ci",
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=set(Phase) - {Phase.explain},  # which would take as long as the search, to comment on code that is no bug
    # How slowly examples are drawn says how busy a machine is, and nothing of the model.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("ci"), max_examples=20_000, derandomize=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("checkpoint", "how to read a checkpoint from elsewhere")
    add_reading(group.addoption, *SYSTEMS)
    parser.getgroup("claims").addoption(
        "--timings",
        choices=("few", "all"),
        default="few",
        help="forward passes to time: the engine at two sizes, or every way at every size, which takes minutes "
        "(default: few)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    profile = os.environ.get("HYPOTHESIS_PROFILE", "ci")
    if profile not in ("ci", "thorough"):
        raise pytest.UsageError(f"HYPOTHESIS_PROFILE is {profile!r}; there are: ci, thorough")
    settings.load_profile(profile)
    if config.option.help or config.option.version:
        return
    refuse_foreign(config, Path(__file__).resolve().parent)  # where pytest loads no plugins by itself, too
    # What the tools remember goes where pytest keeps such things, not into the folder one happens to be in.
    cache = cache_of(config.rootpath)
    set_hypothesis_home_dir(cache / "hypothesis")
    if getattr(config.option, "benchmark_storage", None) == "file://./.benchmarks":
        config.option.benchmark_storage = f"file://{cache / 'benchmarks'}"
    # One thread is as fast on tensors this small, does not stall beside another process (under
    # pytest-xdist two threads each take twice as long), and gives the same sums on every machine.
    torch.set_num_threads(1)
    device = config.getoption("claims_device")
    if device not in ("cpu", "cuda"):
        raise pytest.UsageError(f"--device {shown(device)}: there are: cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError("--device cuda: torch sees no CUDA device on this machine")
    chosen = config.stash[CHOSEN] = choose(config, SYSTEMS)
    # One that cannot be read ends the run in one line; and a file may be another one by the time that a worker starts.
    several_processes = config.getoption("dist", "no") != "no"
    for path in config.getoption("claims_checkpoint") or [None] * several_processes:
        if path is None or not path.is_dir():
            for system in chosen.systems:
                checkpoint_of(config, path, system)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[CHOSEN].header


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if CHOSEN in config.stash and config.stash[CHOSEN].leaves_out(collection_path) else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    hand_over(node, node.config.stash[CHOSEN].systems)
