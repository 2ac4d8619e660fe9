"""What this suite adds to the verification plugin: the checkpoint under test, and how hypothesis searches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir
from pytest_claims import Control, Illustrations, Report, Subject
from pytest_claims.files import shown
from pytest_claims.text import readable

from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.scope import REFERENCE
from toy_model.checkpoint.checkpoint import Checkpoint, CheckpointError, Reading, Stored, load_stored, read_stored
from toy_model.checkpoint.container import SAFETENSORS
from toy_model.commands.shared import add_reading
from toy_model.guard import refuse_foreign
from toy_model.transformer import CumsumTransformer

pytest_plugins = ["pytester"]

STORED = pytest.StashKey[dict[Path | None, Stored]]()
READ = pytest.StashKey[dict[Path | None, Checkpoint]]()
HANDED_OVER = "cumsum_model.checkpoint"

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
    add_reading(group.addoption)
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
    cache = config.rootpath / ".pytest_cache"
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
    # One that cannot be read ends the run in one line; and a file may be another one by the time that a worker starts.
    several_processes = config.getoption("dist", "no") != "no"
    for path in config.getoption("claims_checkpoint") or [None] * several_processes:
        if path is None or not path.is_dir():
            _read(config, path)


def pytest_claims_load(config: pytest.Config, path: Path | None) -> CumsumTransformer:
    return _read(config, path).model


def _read(config: pytest.Config, path: Path | None) -> Checkpoint:
    """A checkpoint, read once. Raises pytest.UsageError in one line that names it."""
    known = config.stash.setdefault(READ, {})
    if path not in known:
        reading = Reading(config.getoption("token_order"), config.getoption("n_heads"))
        try:
            known[path] = read_stored(_stored(config, path), config.getoption("claims_device"), reading)
        except CheckpointError as error:
            raise pytest.UsageError(shown(error)) from None
    return known[path]


def _stored(config: pytest.Config, path: Path | None) -> Stored:
    """The bytes of a checkpoint: of the file itself, once; in a process of pytest-xdist's what it was handed."""
    stored = config.stash.setdefault(STORED, {})
    if path not in stored and hasattr(config, "workerinput"):
        for named, whole, content, card, unfinished in config.workerinput[HANDED_OVER]:
            known = Stored(Path(os.fsdecode(whole)), content, card, unfinished)
            stored[None if named is None else Path(os.fsdecode(named))] = known
    if path not in stored:
        stored[path] = load_stored(REFERENCE if path is None else path)
    return stored[path]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the checkpoints to a process of pytest-xdist's: a file may be another one by the time that it starts."""
    handed_over = []
    for path in node.config.getoption("claims_checkpoint") or [None]:
        if path is not None and path.is_dir():
            continue
        stored = _stored(node.config, path)
        named = None if path is None else os.fsencode(path)
        handed_over.append((named, os.fsencode(stored.path), stored.content, stored.card, stored.unfinished))
    node.workerinput[HANDED_OVER] = handed_over


def pytest_claims_subject(config: pytest.Config, path: Path | None) -> str:
    checkpoint = config.stash[READ][path]
    told = f"checkpoint {os.path.relpath(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}"
    if checkpoint.read_as != SAFETENSORS or checkpoint.notes:
        told += f", {'; '.join((checkpoint.read_as, *checkpoint.notes))}"
    recipe = checkpoint.card.get("recipe") if checkpoint.card else None
    if checkpoint.card and isinstance(recipe, dict):
        told += f", seed {recipe.get('seed')}, epoch {checkpoint.card.get('kept_epoch')}"
    return " ".join(readable(told).split())


def pytest_claims_details(config: pytest.Config, path: Path | None) -> Subject:
    from cumsum_model.report import details

    return details(config.stash[READ][path], config.getoption("claims_device"))


def pytest_claims_illustrate(report: Report) -> Illustrations:
    from cumsum_model.report import illustrate

    return illustrate(report)


def pytest_claims_mutants() -> tuple[list[Control], list[Control]]:
    from cumsum_model import mutants

    return [*mutants.BREAKING, *mutants.HIDDEN], [*mutants.SYMMETRIES, *mutants.IDEALS]


@pytest.fixture(scope="session")
def data(checkpoint: CumsumTransformer) -> CumsumDataset:
    """The write-up's evaluation set, for the sizes of the model under test."""
    return evaluation_set(checkpoint.cfg.max_value, checkpoint.cfg.n_ctx)
