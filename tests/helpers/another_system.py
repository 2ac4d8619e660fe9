"""A system as unlike November's as one may be: attention alone, layer norm, two heads, some positions scored.

It copies: of N tokens, a separator and the same N again, the answers to the second half are what stands there next.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from toy_model.config import Config
from toy_model.dataset import Dataset
from toy_model.recipe import Recipe
from toy_model.system import System
from toy_model.task import Words
from toy_model.transformer import Transformer

SEPARATOR = 51


@dataclass(frozen=True, kw_only=True)
class CopyingConfig(Config):
    n_ctx: int = 9
    n_heads: int = 2
    d_model: int = 8
    d_head: int = 3
    d_vocab: ClassVar[int] = 52
    d_vocab_out: ClassVar[int] = 52
    attn_only: ClassVar[bool] = True
    normalization_type: ClassVar[str | None] = "LN"


def draw(cfg, size, generator):
    """Tokens of n_ctx positions, labels of one less, of which those from the separator on count."""
    n = cfg.n_ctx // 2
    drawn = torch.randint(SEPARATOR, (size, n), generator=generator)
    toks = torch.cat([drawn, torch.full((size, 1), SEPARATOR), drawn], 1)
    data = Dataset(toks, toks[:, 1:])
    data.scored = slice(n, 2 * n)
    return data


def initialise(model, generator):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".W_" in name:
                parameter.normal_(std=0.3, generator=generator)


COPYING = System(
    name="copying",
    package="copying_model",
    title="the copying transformer",
    recipe=Recipe(config=CopyingConfig(), epochs=3, weight_decay=0.0, train_size=400, val_size=50, batch_size=50),
    reference=Path("nowhere.safetensors"),
    model=Transformer,
    initialise=initialise,
    draw=draw,
    evaluation=lambda cfg: draw(cfg, 40, torch.Generator().manual_seed(1)),
    evaluated_on=lambda: "40 sequences, from the separator on",
    config_of=lambda sizes: CopyingConfig(**{k: v for k, v in sizes.items() if k not in ("d_vocab", "d_vocab_out")}),
    misread=lambda model, reading, reread, from_bridge: None,
    words=Words(
        defaults="The defaults take a second.",
        diagnosis="how much of the evaluation set it answers rightly",
        mutants_take="no time",
        sizes={"d_model": (8, 16)},
        released="copying.pt",
    ),
    inspected=lambda checkpoint, misreading: (["copies"], {"diagnosis": {}}),
    details=lambda checkpoint, device: None,
    illustrate=lambda report: None,
    mutants=dict,
    prove=lambda model: "nothing is",
)


def drawn(**sizes):
    """A model with every parameter drawn."""
    model, generator = Transformer(CopyingConfig(**sizes)).requires_grad_(False), torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.normal_(generator=generator)
    return model
