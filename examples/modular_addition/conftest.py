"""What pytest_claims asks of a suite: how to load the model, and two optional hooks that describe it."""

from pathlib import Path

import torch

import controls
from fourier import key_frequencies
from modadd import load

TRAINED = Path(__file__).parent / "trained.pt"


def pytest_claims_load(path, device):
    if device != "cpu":
        raise ValueError(f"the model is run on the CPU, in seconds; not on {device}")
    torch.set_num_threads(1)  # the matrices are so small that threads cost more than they save
    model = load(path or TRAINED)
    if model.config.p != 31:
        raise ValueError(f"these claims are about addition modulo 31, and {path} adds modulo {model.config.p}")
    return model


def pytest_claims_subject(model, path):
    c = model.config
    return (
        f"{(path or TRAINED).name}: addition modulo {c.p}, one layer, {c.n_heads} heads, {c.d_mlp} neurons, "
        f"key frequencies {', '.join(map(str, key_frequencies(model)))}"
    )


def pytest_claims_mutants():
    return controls.BREAKING, controls.HARMLESS
