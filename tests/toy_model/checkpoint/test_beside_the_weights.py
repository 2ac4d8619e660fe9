"""What training checkpoints hold beside the weights: inert values are read past, everything else is named."""

import argparse
import random
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from saved_files import complaint, equal, hooked, read

from toy_model.checkpoint.survey import BESIDE, DTYPES, STAND_INS
from toy_model.checkpoint.torch_file import Beside


def trained():
    """An optimizer and schedulers after a step."""
    layer = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    schedulers = [
        torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5, 5]),
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
    ]
    optimizer.step()
    return {"optimizer": optimizer.state_dict(), "schedulers": [scheduler.state_dict() for scheduler in schedulers]}


def a_defaultdict(factory, value):
    made = defaultdict(factory)
    made["a"] = value
    return made


VALUES = {
    "training": trained(),
    "Counter": Counter([3, 5, 5]),
    "dtype": [torch.float32, torch.bfloat16, torch.int64],
    "device": [torch.device("cuda:0"), torch.device("cpu"), torch.device("mps")],
    "Size": torch.ones(3, 2).shape,
    "set": {1, 2, "three"},
    "OrderedDict": OrderedDict(a=1),
    "defaultdict": [a_defaultdict(dict, {"b": 1}), a_defaultdict(list, [1]), a_defaultdict(int, 2)],
    "numpy scalars": [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True)],
    "numpy arrays": [np.arange(3.0), np.zeros((2, 2), dtype=np.int32)],
    "random states": [torch.get_rng_state(), np.random.get_state(), random.getstate()],  # noqa: NPY002  # as people save it
    "numbers": [None, True, 2**70, -0.5, 1j, "text", b"bytes", (1, (2, 3))],
    "named by numbers": {0: {1: [2]}},
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize("what", VALUES)
def test_it_is_read_past(save, reference, what, zipped):
    saved = read(save({"model": hooked(reference), "beside": VALUES[what]}, _use_new_zipfile_serialization=zipped))
    assert equal(saved.model, reference)
    assert saved.notes[0] == 'taken from its entry "model"'


def test_plain_values_in_the_state_dict_itself_are_left_out(save, reference):
    saved = read(save(hooked(reference) | {"epoch": 3, "loss": np.float64(0.5)}))
    assert equal(saved.model, reference)
    assert saved.notes[0] == "left out epoch and loss: no tensors"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (argparse.Namespace(lr=0.1), "holds a Namespace object"),
        (Path("a"), "data.pkl names pathlib."),
        (frozenset({1}), "data.pkl names __builtin__.frozenset"),
        (bytearray(b"x"), "data.pkl names __builtin__.bytearray"),
        (len, "data.pkl names __builtin__.len"),
        (slice(3), "data.pkl names __builtin__.slice"),
        (torch.ones(3).to_sparse(), "data.pkl names torch._utils._rebuild_sparse_tensor"),
        (torch.nn.functional.relu, "data.pkl names torch.nn.functional.relu"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_anything_else_is_named_and_not_run(save, reference, value, named):
    assert complaint(save({"model": hooked(reference), "beside": value})).startswith(named)


def test_weights_that_are_numpy_arrays_are_no_tensors(save, reference):
    message = complaint(save({name: tensor.numpy() for name, tensor in reference.state_dict().items()}))
    assert message == "holds embed.W_E, which is not a tensor: save model.state_dict()"


def test_what_stands_in_keeps_nothing_and_calls_nothing():
    stands_in = Beside(len, "argument")
    stands_in.__setstate__({"a": 1})
    assert vars(stands_in) == {}


def test_what_is_allowed_beside_the_weights_is_a_short_list():
    """Whoever makes it longer says here why that is inert."""
    assert {
        "collections Counter", "torch Size", "torch device", "_codecs encode",
        "builtins set", "__builtin__ set", "builtins complex", "__builtin__ complex",
    } == BESIDE - DTYPES  # fmt: skip
    assert {name.partition(" ")[0].partition(".")[0] for name in STAND_INS} == {"numpy", "builtins", "__builtin__"}
