"""What this suite adds to the verification plugin: the checkpoint under test, and how hypothesis searches."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis.configuration import set_hypothesis_home_dir

from cumsum_model.checkpoint import REFERENCE, Checkpoint, CheckpointError, Reading, Stored, load_stored, read_stored
from cumsum_model.data import CumsumDataset, evaluation_set
from cumsum_model.files import shown
from cumsum_model.formats.commands import add_reading
from cumsum_model.formats.source import SAFETENSORS
from cumsum_model.guard import refuse_foreign
from cumsum_model.model import CumsumTransformer
from cumsum_model.verification.claim import Control
from cumsum_model.verification.document import readable
from cumsum_model.verification.page import Illustrations
from cumsum_model.verification.report import Report
from cumsum_model.verification.subject import Subject

pytest_plugins = ["cumsum_model.verification.plugin", "pytester"]

CHECKPOINT = pytest.StashKey[Checkpoint]()
STORED = pytest.StashKey[Stored]()
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
    parser.getgroup("verification").addoption(
        "--timings",
        choices=("few", "all"),
        default="few",
        help="forward passes to time: the engine at two sizes, or every way at every size, which takes minutes "
        "(default: few)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the checkpoint first: one that cannot be read ends the run in one line, with exit code 4."""
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
    device = config.getoption("device")
    if device == "cuda" and not torch.cuda.is_available():
        raise pytest.UsageError("--device cuda: torch sees no CUDA device on this machine")
    reading = Reading(config.getoption("token_order"), config.getoption("n_heads"))
    try:
        config.stash[STORED] = _stored(config)
        config.stash[CHECKPOINT] = read_stored(config.stash[STORED], device, reading)
    except CheckpointError as error:
        raise pytest.UsageError(shown(error)) from None


def _stored(config: pytest.Config) -> Stored:
    """The bytes of the checkpoint: of the file itself, once; in a process of pytest-xdist's what it was handed."""
    if not hasattr(config, "workerinput"):
        named = config.getoption("checkpoint")
        return load_stored(REFERENCE if named is None else named)
    path, content, card, unfinished = config.workerinput[HANDED_OVER]
    return Stored(Path(os.fsdecode(path)), content, card, unfinished)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the checkpoint to a process of pytest-xdist's: the file may be another one by the time that it starts."""
    stored = node.config.stash[STORED]
    node.workerinput[HANDED_OVER] = os.fsencode(stored.path), stored.content, stored.card, stored.unfinished


def _describe(checkpoint: Checkpoint) -> str:
    told = f"checkpoint {os.path.relpath(checkpoint.path)}, sha256 {checkpoint.sha256[:12]}"
    if checkpoint.read_as != SAFETENSORS or checkpoint.notes:
        told += f", {'; '.join((checkpoint.read_as, *checkpoint.notes))}"
    recipe = checkpoint.card.get("recipe") if checkpoint.card else None
    if checkpoint.card and isinstance(recipe, dict):
        told += f", seed {recipe.get('seed')}, epoch {checkpoint.card.get('kept_epoch')}"
    return " ".join(readable(told).split())


def pytest_report_header(config: pytest.Config) -> str:
    return _describe(config.stash[CHECKPOINT])


def pytest_verification_subject(config: pytest.Config) -> str:
    return _describe(config.stash[CHECKPOINT])


def pytest_verification_details(config: pytest.Config) -> Subject:
    from cumsum_model.report.details import details

    return details(config.stash[CHECKPOINT], config.getoption("device"))


def pytest_verification_illustrate(report: Report) -> Illustrations:
    from cumsum_model.report.illustrate import illustrate

    return illustrate(report)


def pytest_verification_fingerprint(model: CumsumTransformer) -> str:
    weights = b"".join(tensor.cpu().numpy().tobytes() for tensor in model.state_dict().values())
    return hashlib.sha256(weights).hexdigest()


def pytest_verification_mutants() -> tuple[list[Control], list[Control]]:
    from cumsum_model import mutants

    return [*mutants.BREAKING, *mutants.HIDDEN], [*mutants.SYMMETRIES, *mutants.IDEALS]


@pytest.fixture(scope="session")
def checkpoint(pytestconfig: pytest.Config) -> CumsumTransformer:
    """The model under test."""
    return pytestconfig.stash[CHECKPOINT].model


@pytest.fixture(scope="session")
def proved() -> Callable[..., Any]:
    """`proved(certify, model)`: what a proof says of a model, made once for all claims that ask for it."""
    known: dict[tuple[Callable[..., Any], str], Any] = {}

    def proved(prove: Callable[[CumsumTransformer], Any], model: CumsumTransformer) -> Any:
        key = prove, pytest_verification_fingerprint(model)
        if key not in known:
            known[key] = prove(model)
        return known[key]

    return proved


@pytest.fixture(scope="session")
def computed() -> Callable[..., Any]:
    """`computed(function, model, *rest)`: what a function gives for a model, made once for all claims that ask for it.

    By the model itself and its weights, since a mutant may have the weights of another and run them otherwise.
    """
    known: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}

    def computed(function: Callable[..., Any], model: CumsumTransformer, *rest: Any) -> Any:
        key = function, id(model), pytest_verification_fingerprint(model), *map(id, rest)
        if key not in known:
            known[key] = function(model, *rest), (model, *rest)  # what is kept cannot have its id taken by another
        return known[key][0]

    return computed


@pytest.fixture(scope="session")
def data(checkpoint: CumsumTransformer) -> CumsumDataset:
    """The write-up's evaluation set, for the sizes of the model under test."""
    return evaluation_set(checkpoint.cfg.max_value, checkpoint.cfg.n_ctx)
