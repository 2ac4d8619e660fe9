"""Queries proved by the workers of a Dask cluster, which come back in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import proofs_of_query
from sorted_list_model.proof.proving import ClassProof
from sorted_list_model.proof.rounding import Float32Error
from sorted_list_model.proof.tables import Tables, tables

if TYPE_CHECKING:
    from distributed import Client

MOST_TRIES = 5
"""Times that a query is handed out, each after the cluster gave up on it."""


class WorkerLost(RuntimeError):
    """A query could not be proved by any worker. The message is half a line."""


def proved_by_workers(
    client: Client,
    model: SortedListTransformer,
    to_prove: Sequence[tuple[int, int]],
    budget: int,
    error: Float32Error,
) -> Iterator[list[ClassProof]]:
    """The proofs of each query, in order, whichever is done first. Raises WorkerLost."""
    weights = {name: tensor.cpu().numpy().tobytes() for name, tensor in model.state_dict().items()}
    model_of = client.scatter((model.cfg, tuple(weights.items())), broadcast=True)
    futures = [
        client.submit(_prove, model_of, k, d, budget, error, pure=False, priority=-place, retries=MOST_TRIES)
        for place, (k, d) in enumerate(to_prove)
    ]
    for (k, d), future in zip(to_prove, futures, strict=True):
        try:
            yield future.result()
        except Exception as error:  # whatever a worker raises, or Dask of one that is gone
            raise WorkerLost(
                f"query ({k}, {d if k else 'SEP'}) was given up: {type(error).__name__}: {str(error)[:200]}"
            ) from None
        future.release()


def _prove(
    model_of: tuple[SortedListConfig, tuple[tuple[str, bytes], ...]], k: int, d: int, budget: int, error: Float32Error
) -> list[ClassProof]:
    return list(proofs_of_query(_tables(*model_of), k, d, budget, error))


@lru_cache(maxsize=1)
def _tables(cfg: SortedListConfig, weights: tuple[tuple[str, bytes], ...]) -> Tables:
    torch.set_num_threads(1)
    model = SortedListTransformer(cfg)
    state = {name: torch.frombuffer(bytearray(stored), dtype=torch.float32) for name, stored in weights}
    model.load_state_dict({name: state[name].view_as(weight) for name, weight in model.state_dict().items()})
    return tables(model)
