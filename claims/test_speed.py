"""Speed: forward passes, timed and never judged"""

import copy

import pytest
import torch

from cumsum_model.data import CumsumDataset
from cumsum_model.verification import timing


def no_cuda():
    return None if torch.cuda.is_available() else "no CUDA device"


def time_forward_pass(model, measure, benchmark, batch, device):
    """Time passes with the tokens already on the device; CUDA is waited for inside the timed region."""
    model = copy.deepcopy(model).to(device)
    cfg = model.cfg
    toks = CumsumDataset(batch, cfg.max_value, cfg.n_ctx, seed=0).toks.to(device)

    def forward():
        logits = model(toks)
        if device == "cuda":
            torch.cuda.synchronize()
        return logits

    with torch.inference_mode():
        for _ in range(5):  # warm-up: first calls pay for kernels and caches
            forward()
        benchmark(forward)
    if benchmark.disabled or benchmark.stats is None:
        pytest.skip("pytest-benchmark is switched off, as it is under pytest-xdist")
    stats = benchmark.stats.stats
    measure("median", stats.median * 1e3, "ms")
    measure("interquartile range", stats.iqr * 1e3, "ms")
    measure("tokens per second", toks.numel() / stats.median)


@timing("Forward pass of 1 sequence", over="cpu, one thread")
def test_cpu_batch_1(model, measure, benchmark):
    time_forward_pass(model, measure, benchmark, 1, "cpu")


@timing("Forward pass of 1000 sequences", over="cpu, one thread")
def test_cpu_batch_1000(model, measure, benchmark):
    time_forward_pass(model, measure, benchmark, 1000, "cpu")


@timing("Forward pass of 1 sequence", over="cuda", needs=no_cuda)
def test_cuda_batch_1(model, measure, benchmark):
    time_forward_pass(model, measure, benchmark, 1, "cuda")


@timing("Forward pass of 1000 sequences", over="cuda", needs=no_cuda)
def test_cuda_batch_1000(model, measure, benchmark):
    time_forward_pass(model, measure, benchmark, 1000, "cuda")
