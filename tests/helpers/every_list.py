"""Every list of a small model, run by the model itself in float64: what certificates of October are held against."""

import itertools
from collections import defaultdict
from dataclasses import replace
from functools import cache

import torch

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.proof.classes import ListClass
from sorted_list_model.task import PUBLISHED, TASK, untrained
from toy_model.surgery import copied, louder
from toy_model.training.training import train

SMALL = SortedListConfig(max_value=8, n_ctx=11, n_heads=2, d_model=24, d_head=12)
"""Five of nine numbers: 126 sets, 15,120 lists."""


def every_list(cfg):
    """All lists of these sizes, whole sets one after another."""
    sets = itertools.combinations(range(cfg.max_value + 1), cfg.list_len)
    return SortedListDataset.of(
        torch.tensor([order for numbers in sets for order in itertools.permutations(numbers)]), cfg.max_value
    )


@torch.no_grad()
def margins_of_every_list(model):
    """The data of all lists, and the margins of the right answers in float64, [list, rank]."""
    data = every_list(model.cfg)
    logits = copied(model).double()(data.toks)[:, data.scored]
    right = logits.gather(-1, data.targets[..., None])[..., 0]
    others = logits.scatter(-1, data.targets[..., None], -torch.inf)
    return data, right - others.amax(-1)


def by_class(model):
    """The margins of the lists of every class, each set's lists together: {class: {set: margins}}."""
    data, margins = margins_of_every_list(model)
    cfg = model.cfg
    found = defaultdict(lambda: defaultdict(list))
    for numbers, of_list in zip(data.targets.tolist(), margins.tolist(), strict=True):
        for k, margin in enumerate(of_list):
            of = ListClass(k, numbers[k - 1] if k else -1, numbers[k], cfg.list_len, cfg.max_value)
            found[of][tuple(numbers)].append(margin)
    return found


def random_model(seed, scale=1.0, cfg=SMALL):
    """Weights as training begins with, biases drawn as well; attention `scale` times as sharp, and logits as loud."""
    model = untrained(cfg, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.rpartition(".")[2].startswith("b"):
                parameter.normal_(std=0.05, generator=generator)
        model.blocks[0].attn.W_Q.mul_(scale)
    return louder(model, scale)


def without_positions(model):
    """The same model, to which all positions of the unsorted half look alike: then only the set matters."""
    alike = copied(model)
    n = model.cfg.list_len
    alike.W_pos[:n] = model.W_pos[0]
    return alike


RECIPE = replace(
    PUBLISHED, config=SMALL, epochs=2, train_size=10_000, val_size=500, batch_size=256, lr_start=5e-3, weight_decay=0.0
)


@cache
def trained_small():
    """A model of the small sizes that is right on three answers of four."""
    return train(RECIPE, TASK).model
