"""Speed: forward passes, timed and never judged"""

import copy

import pytest
import torch
from pytest_claims import timing

from cumsum_model.speed import WAYS, captured, least_bytes, operations_of, subject, tokens, way_of
from toy_model.timing import finish, limits, seconds_of, threads

WHERE = {
    "cpu": "cpu, one thread",
    "cpu2": "cpu, two threads",
    "cuda": "cuda",
    "graph": "cuda, captured as a graph",
}
FEW = [("engine", batch, 20, where) for where in ("cpu", "cuda") for batch in (1, 1000)]
ALL = [(way, batch, n, where) for where in WHERE for n in (20, 200) for batch in (1, 1000, 100_000) for way in WAYS]

LONGEST = {"few": 0.1, "all": 1.0}
"""Seconds that a timing may take, but for the longest passes, which are run once."""


def pytest_generate_tests(metafunc):
    rows = FEW if metafunc.config.getoption("timings") == "few" else ALL
    words = [
        (f"the {way}", f"{batch:,} sequence{'s' * (batch > 1)} of length {n}", WHERE[at]) for way, batch, n, at in rows
    ]
    metafunc.parametrize(
        ("row", "of", "sequences", "where"),
        [(row, *words_of_row) for row, words_of_row in zip(rows, words, strict=True)],
        ids=["-".join(map(str, row)) for row in rows],
    )


@timing("Forward pass of {of}: {sequences}", over="{where}")
def test_forward_pass(model, measure, benchmark, pytestconfig, row, of, sequences, where):
    """Everything is on the device before the clock starts, and done before it stops."""
    way, batch, n, at = row
    device = "cuda" if at in ("cuda", "graph") else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    model = copy.deepcopy(subject(model, n)).to(device)
    toks = tokens(model, batch, n)
    with threads(2 if at == "cpu2" else 1), torch.inference_mode():
        forward = way_of(way, model, toks)
        if at == "graph":
            if way == "bridge":
                pytest.skip("the bridge asks the CPU in between, which a graph cannot hold")
            forward = captured(forward)

        def pass_():
            forward()
            finish(device)

        once = seconds_of(pass_)  # warm-up too: first calls pay for kernels and caches
        rounds = int(LONGEST[pytestconfig.getoption("timings")] / once)
        benchmark.pedantic(pass_, rounds=min(max(rounds, 1), 300), warmup_rounds=min(rounds, 5))
        if benchmark.disabled or benchmark.stats is None:
            pytest.skip("pytest-benchmark is switched off, as it is under pytest-xdist")
        stats = benchmark.stats.stats
        measure("median", stats.median * 1e3, "ms")
        measure("interquartile range", stats.iqr * 1e3, "ms")
        measure("tokens per second", toks.numel() / stats.median)
        if pytestconfig.getoption("timings") == "all":
            plain = way_of(way, model, toks[:1000])
            logits = plain()
            least = limits(device).seconds(operations_of(plain), least_bytes(toks[:1000], logits))
            measure("of what the machine could do", least * batch / len(logits) / stats.median)
