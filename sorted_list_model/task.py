"""October's task, and the model that is trained on it, as training and checkpoints see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sorted_list_model.config import SortedListConfig
from toy_model.checkout import ROOT
from toy_model.recipe import Recipe
from toy_model.task import Task, Words

if TYPE_CHECKING:
    import torch

    from sorted_list_model.data import SortedListDataset
    from sorted_list_model.model import SortedListTransformer
    from toy_model.checkpoint.misreading import Misreading
    from toy_model.checkpoint.reading import Reading

REFERENCE = ROOT / "fixtures" / "sorted_list" / "reference.safetensors"
"""The checkpoint that this project ships: seed 42 of the published recipe, whose last epoch is selected."""

PUBLISHED = Recipe(config=SortedListConfig(), epochs=25, weight_decay=0.005)
"""Source: the notebook that the published checkpoint was trained with."""


def _model(cfg: SortedListConfig) -> SortedListTransformer:
    from sorted_list_model.model import SortedListTransformer

    return SortedListTransformer(cfg)


def initialise(model: SortedListTransformer, generator: torch.Generator) -> None:
    """Draw every weight matrix from N(0, 0.8 / sqrt(d_model)) on the CPU; biases zero, layer norms the identity."""
    import torch

    std = 0.8 / math.sqrt(model.cfg.d_model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = name.rpartition(".")[2]
            if kind.startswith("W_"):
                parameter.copy_(torch.empty(parameter.shape).normal_(std=std, generator=generator))
            else:
                parameter.fill_(1.0 if kind == "w" else 0.0)


def _draw(cfg: SortedListConfig, size: int, generator: torch.Generator) -> SortedListDataset:
    from sorted_list_model.data import SortedListDataset

    return SortedListDataset(size, cfg.list_len, cfg.max_value, generator=generator)


def _evaluation(cfg: SortedListConfig) -> SortedListDataset:
    from sorted_list_model.data import evaluation_set

    return evaluation_set(cfg.max_value, cfg.list_len)


def _evaluated_on() -> str:
    from sorted_list_model.data import EVALUATION_SET

    return EVALUATION_SET


def _config_of(sizes: Mapping[str, int]) -> SortedListConfig:
    """Raises CheckpointError where these are no sizes of a model of this task."""
    from toy_model.checkpoint.refusal import CheckpointError

    if sizes["d_vocab_out"] != sizes["d_vocab"]:
        raise CheckpointError(
            f"unembed.W_U has {sizes['d_vocab_out']} outputs, expected {sizes['d_vocab']}, one for each row of W_E"
        )
    n_ctx, d_vocab = sizes["n_ctx"], sizes["d_vocab"]
    if n_ctx < 3 or n_ctx % 2 == 0:
        raise CheckpointError(
            f"pos_embed.W_pos has {n_ctx} rows, expected an odd number of at least 3: a list, SEP and the list in order"
        )
    if d_vocab < 3:
        raise CheckpointError(f"embed.W_E has {d_vocab} rows, expected max_value + 2, at least 3")
    if n_ctx // 2 >= d_vocab:
        raise CheckpointError(
            f"pos_embed.W_pos has {n_ctx} rows, for lists of {n_ctx // 2} different numbers, and embed.W_E has "
            f"{d_vocab}, for SEP and {d_vocab - 1} numbers"
        )
    own = {name: size for name, size in sizes.items() if name not in ("d_vocab", "d_vocab_out")}
    try:
        return SortedListConfig(max_value=sizes["d_vocab"] - 2, **own)
    except ValueError as error:
        raise CheckpointError(str(error)) from None


def _misread(
    model: SortedListTransformer,
    reading: Reading,
    reread: Callable[[Reading], SortedListTransformer],
    from_bridge: bool,
) -> Misreading | None:
    from sorted_list_model.diagnosis import misread

    return misread(model, reading, reread, from_bridge=from_bridge)


WORDS = Words(
    defaults="The defaults end as the published run did (seed 42 keeps epoch 24, the last, counted from 0) in about "
    "two minutes on one core.",
    diagnosis="how much of the evaluation set it answers rightly and at which positions, what is lost without each "
    "head and which numbers it copies, and whether it would answer more as a model with another number of heads, "
    "unscaled scores or attention to later positions",
    mutants_take="about twelve minutes",
    sizes={"n_heads": (1, 2, 4), "seq_len": (11, 21, 41)},
    released="sorted_list_model.pt",
)

TASK: Task[SortedListTransformer] = Task(
    name="sorted_list",
    package="sorted_list_model",
    title="the sorted list transformer",
    recipe=PUBLISHED,
    reference=REFERENCE,
    model=_model,
    initialise=initialise,
    draw=_draw,
    evaluation=_evaluation,
    evaluated_on=_evaluated_on,
    config_of=_config_of,
    misread=_misread,
    words=WORDS,
)


def untrained(cfg: SortedListConfig, seed: int) -> SortedListTransformer:
    """The model that training with `seed` starts from."""
    return TASK.untrained(cfg, seed)
