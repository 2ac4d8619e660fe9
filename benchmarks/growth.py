"""Models of any length and of any largest value that do what the shipped one does, and how a cost grows along them.

Training one for each size would take hours. Instead the shipped weights are stretched so that, in units of the smallest
difference between two sums, everything lands in `resid_mid` where it lands in the original. At a
context of s times the length, neighbouring sums are s times closer as means, so

- the head writes s times as far per unit of mean;
- what is not on the line of the values (the rest of each row of W_E, and the positions) is s times smaller before the
  head, so as large behind it as it was;
- attention is s times more even, since unevenness counts in units of mean.

Positions in between are interpolated. Larger values lie on the same line, and what is off it is the original's,
stretched to the new range. So a model of the family has the original's flaws in the original's size: it is no ideal.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cumsum_model.model import CumsumTransformer
from toy_model.checkout import ROOT


@torch.no_grad()
def stretched(model: CumsumTransformer, *, n_ctx: int | None = None, max_value: int | None = None) -> CumsumTransformer:
    """`model` made for another length or another range of values. The same sizes give the same weights, to rounding."""
    cfg = replace(model.cfg, n_ctx=n_ctx or model.cfg.n_ctx, max_value=max_value or model.cfg.max_value)
    s = cfg.n_ctx / model.cfg.n_ctx
    values = torch.linspace(-model.cfg.max_value, model.cfg.max_value, model.cfg.d_vocab, dtype=torch.float64)
    line = torch.stack([torch.ones_like(values), values], dim=1)
    W_E, W_pos = model.W_E.double().cpu(), model.W_pos.double().cpu()
    middle, unit = torch.linalg.lstsq(line, W_E).solution
    common = W_pos.mean(0)

    state = {name: tensor.double().cpu() for name, tensor in model.state_dict().items()}
    wanted = torch.linspace(-cfg.max_value, cfg.max_value, cfg.d_vocab, dtype=torch.float64)
    off_line = _interpolated(W_E - middle - values[:, None] * unit, cfg.d_vocab)
    state["embed.W_E"] = middle + wanted[:, None] * unit + off_line / s
    state["pos_embed.W_pos"] = common + _interpolated(W_pos - common, cfg.n_ctx) / s
    for layer in range(cfg.n_layers):
        name = f"blocks.{layer}.attn."
        # What is the same for all tokens and positions is a bias and stays one.
        always = (middle + common) @ state[name + "W_V"] + state[name + "b_V"]
        written = torch.einsum("hd,hdm->m", always, state[name + "W_O"])
        state[name + "b_O"] = state[name + "b_O"] + (1 - s) * written
        state[name + "W_O"] = s * state[name + "W_O"]
        for part in ("W_Q", "b_Q"):
            state[name + part] = state[name + part] / s
    made = CumsumTransformer(cfg)
    made.load_state_dict(state)
    return made.requires_grad_(False)


def _interpolated(rows: Float[Tensor, "rows d_model"], count: int) -> Float[Tensor, "count d_model"]:
    at = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    known = np.linspace(0, 1, len(rows))
    return torch.from_numpy(np.stack([np.interp(at, known, column) for column in rows.numpy().T], axis=1))


@dataclass(frozen=True)
class Growth:
    """What each size cost, in every run of it."""

    costs: Mapping[int, Sequence[float]]

    @property
    def powers(self) -> NDArray[np.float64]:
        """The p of cost = c size^p that fits best, by least squares on logarithms: one from each round.

        A size that was run less often than others stands in every round with what runs it has.
        """
        rounds = max(len(runs) for runs in self.costs.values())
        sizes = np.log(list(self.costs))
        return np.array(
            [
                np.polynomial.polynomial.polyfit(
                    sizes, np.log([runs[r % len(runs)] for runs in self.costs.values()]), 1
                )[1]
                for r in range(rounds)
            ]
        )

    @property
    def medians(self) -> dict[int, float]:
        return {size: float(np.median(runs)) for size, runs in self.costs.items()}

    @property
    def steps(self) -> dict[str, float]:
        """The power between each size and the next: where these rise, the fit is no law yet."""
        known = list(self.medians.items())
        return {
            f"{size} to {larger}": float(np.log(dearer / cost) / np.log(larger / size))
            for (size, cost), (larger, dearer) in itertools.pairwise(known)
        }


def growth(cost: Callable[[int], float], sizes: Sequence[int], *, rounds: int, patience: float) -> Growth:
    """Measure `cost` of each size: `rounds` times, or fewer once `patience` seconds went into it, but once at least."""
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    for size, runs in costs.items():
        started = time.perf_counter()
        while not runs or (len(runs) < rounds and time.perf_counter() - started < patience):
            runs.append(cost(size))
    return Growth(costs)


def cpu_seconds(run: Callable[[], object]) -> float:
    """Processor time of one call, of all threads together: what it takes on one core, whoever else uses the machine."""
    start = time.process_time()
    run()
    return time.process_time() - start


def peak_bytes(run: Callable[[], object]) -> int:
    """The most memory that one call holds at once, beyond what was held before. It is slower while watched."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


_REPORTING = """
import json, sys, time
from pathlib import Path
from cumsum_model.__main__ import main

def held(what):
    return 1024 * int(Path("/proc/self/status").read_text().partition(what + ":")[2].split()[0])

first, words = map(json.loads, sys.argv[1:])
main(first)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
before, started = held("VmRSS"), time.process_time()
code = main(words)
print()
print(time.process_time() - started, held("VmHWM") - before)
sys.exit(code)
"""


def command_costs(words: Sequence[str], after: Sequence[str]) -> tuple[float, int]:
    """Processor seconds of a command of `cumsum_model`, and the bytes of memory that its process needs more for it.

    after: one that runs before in the same process, so that all is imported. Needs Linux.

    Raises CalledProcessError if it fails.
    """
    command = [sys.executable, "-c", _REPORTING, json.dumps(after), json.dumps(words)]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds, peak = printed.splitlines()[-1].split()
    return float(seconds), int(peak)
