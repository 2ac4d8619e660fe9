"""Checkpoints as other people save them, for tests that read them."""

import os
import zipfile
from collections import OrderedDict

import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import CheckpointError, read_checkpoint

SMALL = CumsumConfig(max_value=2, n_ctx=6, n_layers=2, n_heads=2, d_model=8, d_head=3, d_mlp=5)


def hooked(model, wrapped=False):
    """The state dict of the HookedTransformer that `model` could have been, with its buffers."""
    state = OrderedDict((name, tensor.clone()) for name, tensor in model.state_dict().items())
    if wrapped:  # the original release fed negative values to the embedding, which Python counts from the end
        values = range(-model.cfg.max_value, model.cfg.max_value + 1)
        rows = torch.empty_like(state["embed.W_E"])
        for value in values:
            rows[value] = model.W_E[value + model.cfg.max_value]
        state["embed.W_E"] = rows
    for layer in range(model.cfg.n_layers):
        state[f"blocks.{layer}.attn.mask"] = torch.ones(model.cfg.n_ctx, model.cfg.n_ctx).tril().bool()
        state[f"blocks.{layer}.attn.IGNORE"] = torch.tensor(-torch.inf)
    return state


def prefixed(prefix, state):
    return OrderedDict((prefix + name, tensor) for name, tensor in state.items())


def equal(first, second):
    mine, theirs = first.state_dict(), second.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)


def read(path, **options):
    return read_checkpoint(path, SYSTEM, **options)


def complaint(path, **options):
    """Why a file is refused: one line that begins with its name, which is left out here."""
    with pytest.raises(CheckpointError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    return message.removeprefix(f"{path}: ")


def rezipped(path, change):
    """The same archive with other members, and checksums that fit."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


class Touches:
    """An object whose pickle makes a folder when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))
