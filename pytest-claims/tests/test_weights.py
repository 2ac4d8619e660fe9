"""The fingerprint of a model: it differs whenever a number in the model does, and is None where it could not."""

from __future__ import annotations

import collections
import dataclasses
import enum
import itertools
import types

import pytest
from pytest_claims import weights


@dataclasses.dataclass
class Pair:
    gap: float
    mean: object = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    gap: float


class Plain:
    def __init__(self, **numbers):
        self.__dict__.update(numbers)


class Other(Plain):
    pass


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


DIFFERENT = [
    {},
    {"gap": 1},
    {"gap": 1.0},
    {"gap": 1.0000000000000002},
    {"gap": -0.0},
    {"gap": 0.0},
    {"gap": True},
    {"gap": "1"},
    {"gap": b"1"},
    {"gap": None},
    {"gap": 1j},
    {"gap": [1]},
    {"gap": [1, 2]},
    {"gap": [[1], 2]},
    {"gap": [[1, 2]]},
    {"gap": []},
    {"gap": {}},
    {"gap": {"mean": 1}},
    {"gap": {}, "mean": 1},
    {"mean": 1},
    {1: "gap"},
    {"gap": Colour.RED},
    {"gap": Colour.GREEN},
    {"gap": float("nan")},
    {"gap": float("inf")},
    {"gap": "\ud800"},
    Pair(1.0),
    Pair(2.0),
    Pair(1.0, Pair(1.0)),
    Slotted(1.0),
    Plain(gap=1.0),
    Plain(gap=2.0),
    Other(gap=1.0),
    "text",
    1,
]


def test_models_that_differ_have_different_fingerprints():
    for first, second in itertools.combinations(DIFFERENT, 2):
        assert weights.fingerprint(first) != weights.fingerprint(second), (first, second)


@pytest.mark.parametrize("model", DIFFERENT, ids=range(len(DIFFERENT)))
def test_a_fingerprint_is_the_same_each_time_and_a_sha256(model):
    fingerprint = weights.fingerprint(model)
    assert fingerprint == weights.fingerprint(model)
    assert weights.as_sha256(fingerprint) == fingerprint


def test_a_copy_has_the_fingerprint_of_the_original():
    import copy

    model = {"layers": [Pair(0.1), Plain(weights=(1.0, 2.0))], "vocab": {"a": 1}}
    assert weights.fingerprint(copy.deepcopy(model)) == weights.fingerprint(model)


def test_a_dataclass_and_its_fields_as_a_mapping_are_two_models():
    assert weights.fingerprint(Pair(1.0)) != weights.fingerprint({"gap": 1.0, "mean": 1.0})


def test_mappings_of_every_kind_are_read():
    ordered = collections.OrderedDict(gap=1.0)
    assert weights.fingerprint(types.MappingProxyType(ordered)) == weights.fingerprint({"gap": 1.0})


@pytest.mark.parametrize("deep", [1, 2, 3])
def test_a_number_that_changes_deep_inside_is_noticed(deep):
    def nested(number):
        model = number
        for _ in range(deep):
            model = {"layer": [Pair(1.0, Plain(inner=(model,)))]}
        return model

    assert weights.fingerprint(nested(1.0)) != weights.fingerprint(nested(1.5))


class Nothing:
    __slots__ = ()


def cyclic():
    model = Plain(gap=1.0)
    model.itself = model
    return model


@pytest.mark.parametrize(
    "unknown",
    [object(), Nothing(), lambda: 1, Plain, Plain(), iter([1]), {"gap": object()}, [lambda: 1], {1, 2}, cyclic()],
    ids=lambda unknown: type(unknown).__name__,
)
def test_what_cannot_be_read_has_no_fingerprint(unknown):
    assert weights.fingerprint(unknown) is None


def test_a_text_in_place_of_a_fingerprint_becomes_one():
    digits = "0123456789abcdef" * 4
    assert weights.as_sha256(digits) == digits
    assert weights.as_sha256("seed 0, epoch 3") != weights.as_sha256("seed 0, epoch 4")
    assert len(weights.as_sha256("\ud800")) == 64


def test_arrays_are_read_by_their_type_shape_and_numbers():
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    row = numpy.arange(6.0)
    different = [row, row + 1, row.reshape(2, 3), row.reshape(3, 2), row.astype("float32"), row.astype(int), row[:0]]
    prints = [weights.fingerprint({"W_E": array}) for array in different]
    assert len(set(prints)) == len(different)
    assert None not in prints
    assert weights.fingerprint(row.reshape(2, 3).T) == weights.fingerprint(row.reshape(2, 3).T.copy())
    assert weights.fingerprint(numpy.array([object()])) is None
    assert weights.fingerprint(numpy.float32(1.0)) != weights.fingerprint(numpy.float32(2.0))


def test_torch_modules_are_read_by_their_state():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 3)
    before = weights.fingerprint(model)
    assert before == weights.fingerprint(model)
    with torch.no_grad():
        model.weight[0, 0] += 1
    assert weights.fingerprint(model) != before


def test_what_is_attached_to_a_torch_module_is_noticed():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    before = weights.attached(model)
    handle = model[0].register_forward_hook(lambda *_: None)
    assert weights.attached(model) != before
    handle.remove()
    assert weights.attached(model) == before
    model[0].forward = lambda x: x
    assert weights.attached(model) != before
