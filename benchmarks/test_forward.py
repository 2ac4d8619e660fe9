"""Forward passes: the engine against the bridge, and the explanation as a program against the engine."""

import math

import pytest
import torch

from cumsum_model.explanation import explain
from cumsum_model.proof.explanation import distance
from cumsum_model.speed import least_bytes, operations_of, subject, tokens, way_of
from toy_model.timing import limits, seconds_of
from toy_model.timing import threads as torch_threads

SECONDS = 4
"""For all rounds of one comparison together, but for the longest passes, which are run three times."""

STEADY = [(1, 1, 20), (1, 1000, 20)]
"""Quick, and in one thread: a second one stalls whenever the machine has anything else to do."""

ROWS = [
    pytest.param(threads, batch, n, marks=[pytest.mark.guard] if (threads, batch, n) in STEADY else [])
    for threads in (1, 2)
    for n in (20, 200)
    for batch in (1, 1000, 100_000)
]
rows = pytest.mark.parametrize(("threads", "batch", "n"), ROWS)


@pytest.fixture(scope="module")
def proved_error(checkpoint):
    """How far the table is from the model at most, over every sequence: of the shipped sizes."""
    return distance(checkpoint, explain(checkpoint).tabulated()).proved


@rows
def test_engine_against_bridge(checkpoint, versus, threads, batch, n):
    goal = {1: 1 / 5, 1000: 1 / 1.5}.get(batch)
    side_by_side(versus, checkpoint, "engine", "bridge", threads, batch, n, goal=goal, furthest=1e-3)


@rows
def test_program_against_engine(checkpoint, versus, threads, batch, n, proved_error):
    # Of longer sequences the model is untrained, and no explanation has a reason to fit.
    more = {"proved_error": proved_error, "furthest": proved_error + 1e-3} if n <= checkpoint.cfg.n_ctx else {}
    more.setdefault("furthest", math.inf)
    side_by_side(versus, checkpoint, "program", "engine", threads, batch, n, goal=1 / 20, **more)


@torch.inference_mode()
def side_by_side(versus, checkpoint, ours, theirs, threads, batch, n, goal, furthest, **more):
    with torch_threads(threads):
        model = subject(checkpoint, n)
        toks = tokens(model, batch, n)
        first, second = way_of(ours, model, toks), way_of(theirs, model, toks)
        some = toks[:1000]
        small, small_theirs = way_of(ours, model, some), way_of(theirs, model, some)
        apart = (small() - small_theirs()).abs().max().item()  # first calls pay for caches, too
        assert apart <= furthest, f"{ours} and {theirs} are {apart} apart: they do not compute the same"
        larger = batch / len(some)
        once = min(seconds_of(small) + seconds_of(small_theirs) for _ in range(3)) * larger
        least = limits().seconds(operations_of(small), least_bytes(some, small())) * larger
        versus(
            f"{ours} / {theirs}, {batch:,} x {n}, {threads} thread{'s' * (threads > 1)}",
            first,
            second,
            rounds=min(max(int(SECONDS / once), 3), 300),
            warm_up=0 if once > 1 else 3,
            goal=goal,
            tokens=toks.numel(),
            least_seconds=least,
            **more,
        )
