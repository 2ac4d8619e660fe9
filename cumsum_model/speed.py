"""Three ways to the same logits, ready to be timed: the engine, the bridge, and the explanation as a program."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset
from cumsum_model.explanation import explain
from cumsum_model.model import CumsumTransformer
from cumsum_model.task import TASK
from toy_model.engine import forward

WAYS = ("engine", "bridge", "program")

MOST_TOKENS = 200_000
"""At once. What the bridge computes of more would not fit a cache, and soon not the memory: it is given pieces."""


def subject(model: CumsumTransformer, n: int) -> CumsumTransformer:
    """`model` if it takes sequences of length n, else one of the same sizes that does: weights decide no times."""
    if n <= model.cfg.n_ctx:
        return model
    sizes = {**vars(model.cfg), "n_ctx": n}
    return TASK.untrained(CumsumConfig(**sizes), seed=0).to(model.device)


def tokens(model: CumsumTransformer, batch: int, n: int) -> Tensor:
    """Random sequences, seed 0, where the model is."""
    return CumsumDataset(batch, model.cfg.max_value, n, seed=0).toks.to(model.device)


def way_of(way: str, model: CumsumTransformer, toks: Tensor) -> Callable[[], Tensor]:
    """One forward pass over `toks`, everything that can be made beforehand made."""
    if way == "program":
        table = explain(model).tabulated()
        values = toks - model.cfg.max_value
        return lambda: table(values)
    if way == "engine":
        return lambda: forward(model, toks)
    bridge = model.bridge()
    pieces = toks.split(max(MOST_TOKENS // toks.shape[1], 1))
    if len(pieces) == 1:
        return lambda: bridge(toks)
    return lambda: torch.cat([bridge(piece) for piece in pieces])


def captured(run: Callable[[], Tensor]) -> Callable[[], None]:
    """`run` as a CUDA graph: its kernels without the time that Python takes to ask for each."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # as `torch.cuda.graph` asks for: warm up on another stream
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph.replay


def operations_of(run: Callable[[], object]) -> int:
    """Multiplications and additions inside the matrix products of one run."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def least_bytes(toks: Tensor, logits: Tensor) -> int:
    """What any way has to read and write: the tokens once, the logits once."""
    return toks.nbytes + logits.nbytes
