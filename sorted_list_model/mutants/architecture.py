"""Models of other sizes, or not of this kind: for what is said of the architecture."""

from __future__ import annotations

from dataclasses import replace

from sorted_list_model.model import SortedListTransformer
from toy_model.surgery import rewired


def add_a_head(model: SortedListTransformer) -> SortedListTransformer:
    """The same function with one head more, which writes nothing."""
    wider = SortedListTransformer(replace(model.cfg, n_heads=model.cfg.n_heads + 1)).to(model.device)
    wider.requires_grad_(False)
    theirs = dict(wider.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.shape == theirs[name].shape:
            theirs[name].copy_(parameter)
        else:
            theirs[name][: len(parameter)].copy_(parameter)
    return wider


def add_a_layer(model: SortedListTransformer) -> SortedListTransformer:
    """The same function with one layer more, whose heads write nothing."""
    deeper = SortedListTransformer(replace(model.cfg, n_layers=model.cfg.n_layers + 1)).to(model.device)
    deeper.requires_grad_(False)
    theirs = dict(deeper.named_parameters())
    for name, parameter in model.named_parameters():
        theirs[name].copy_(parameter)
    return deeper


def unembed_without_layer_norm(model: SortedListTransformer) -> SortedListTransformer:
    """The final layer norm divides by nothing."""
    return rewired(model, {"ln_final.hook_scale": lambda scale: 0 * scale + 1})
