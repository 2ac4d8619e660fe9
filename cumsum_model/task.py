"""November's task, and the model that is trained on it, as training and checkpoints see them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cumsum_model.config import CumsumConfig
from cumsum_model.token_orders import VALUE, WRAPPED
from toy_model.checkout import ROOT
from toy_model.recipe import Recipe
from toy_model.task import Task, Words

if TYPE_CHECKING:
    import torch

    from cumsum_model.data import CumsumDataset
    from cumsum_model.model import CumsumTransformer
    from toy_model.checkpoint.misreading import Misreading
    from toy_model.checkpoint.reading import Reading

REFERENCE = ROOT / "fixtures" / "cumsum" / "reference.safetensors"
"""The checkpoint that this project ships: seed 42 of the published recipe, whose epoch 8 is selected."""

PUBLISHED = Recipe(config=CumsumConfig(), epochs=20, weight_decay=0.01)
"""Source: write-up, Setup; the order of the random draws was recovered by reproducing the checkpoint."""


def _model(cfg: CumsumConfig) -> CumsumTransformer:
    from cumsum_model.model import CumsumTransformer

    return CumsumTransformer(cfg)


def initialise(model: CumsumTransformer, generator: torch.Generator) -> None:
    """Draw every weight from N(0, 0.8 / sqrt(d_model)) on the CPU and set every bias to zero.

    `W_E` is drawn in the row order of the original release, 0, +1 .. +max, -max .. -1.
    """
    import torch

    std = 0.8 / math.sqrt(model.cfg.d_model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            kind = name.rpartition(".")[2]
            if kind.startswith("b_"):
                parameter.zero_()
                continue
            drawn = torch.empty(parameter.shape).normal_(std=std, generator=generator)
            parameter.copy_(drawn.roll(model.cfg.max_value, 0) if kind == "W_E" else drawn)


def _draw(cfg: CumsumConfig, size: int, generator: torch.Generator) -> CumsumDataset:
    from cumsum_model.data import CumsumDataset

    return CumsumDataset(size, cfg.max_value, cfg.n_ctx, generator=generator)


def _evaluation(cfg: CumsumConfig) -> CumsumDataset:
    from cumsum_model.data import evaluation_set

    return evaluation_set(cfg.max_value, cfg.n_ctx)


def _evaluated_on() -> str:
    from cumsum_model.data import EVALUATION_SET

    return EVALUATION_SET


def _config_of(sizes: Mapping[str, int]) -> CumsumConfig:
    """Raises CheckpointError where these are no sizes of a model of this task."""
    from toy_model.checkpoint.refusal import CheckpointError

    if sizes["d_vocab_out"] != 3:
        raise CheckpointError(f"unembed.W_U has {sizes['d_vocab_out']} outputs, expected 3: neg, zero, pos")
    if sizes["d_vocab"] < 3 or sizes["d_vocab"] % 2 == 0:
        raise CheckpointError(
            f"embed.W_E has {sizes['d_vocab']} rows, expected 2 * max_value + 1, an odd number of at least 3"
        )
    own = {name: size for name, size in sizes.items() if name not in ("d_vocab", "d_vocab_out")}
    return CumsumConfig(max_value=sizes["d_vocab"] // 2, **own)


def _misread(
    model: CumsumTransformer, reading: Reading, reread: Callable[[Reading], CumsumTransformer], from_bridge: bool
) -> Misreading | None:
    from cumsum_model.diagnosis import misread

    return misread(model, reading, reread, from_bridge=from_bridge)


WORDS = Words(
    defaults="The defaults reproduce the published checkpoint (seed 42 keeps epoch 8, counted from 0) in under a "
    "minute on two cores.",
    diagnosis="how much of the evaluation set it answers rightly, how uniform attention is, whether OV has rank one, "
    "whether the stream stores the mean, how many neurons ever fire, and whether the rows of the embedding look "
    "wrapped or the model looks like one with other neurons, layer norm or unscaled scores",
    mutants_take="about twenty minutes",
    sizes={"d_mlp": (4, 8, 16), "seq_len": (10, 20, 40)},
    released="cumsum_model.pt",
    released_order=WRAPPED.name,
)

TASK: Task[CumsumTransformer] = Task(
    name="cumsum",
    package="cumsum_model",
    title="the cumulative sum transformer",
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
    token_orders=(VALUE, WRAPPED),
)


def untrained(cfg: CumsumConfig, seed: int) -> CumsumTransformer:
    """The model that training with `seed` starts from."""
    return TASK.untrained(cfg, seed)
