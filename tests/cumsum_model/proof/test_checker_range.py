"""The checker on models whose scores spread widely: what is true is accepted, what is false is not, the rest is named.

Every certificate here is held against every sequence, run by itself in ball arithmetic of 2000 binary digits.
"""

import copy
import math
import re

import numpy as np
import pytest
import torch
from brute_force import shortened
from certificates import document_of, verify
from every_sequence import Everything, precisely
from flint import arb

from cumsum_model import mutants
from cumsum_model.attention import score_spread
from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.check.checker import Rejected
from cumsum_model.proof.check.circuit import WEIGHT_BITS, Circuit, Query
from cumsum_model.proof.check.recount import Recount

SIZES = [(1, 3), (1, 4), (1, 5), (1, 6), (2, 3), (2, 4)]
QUERY_AND_KEY = ("W_Q", "b_Q", "W_K", "b_K")


def reason_for(document, model):
    """Why a certificate is rejected."""
    with pytest.raises(Rejected) as caught:
        verify(document, model)
    return str(caught.value)


def spread_to(model, spread):
    """Scale the scores so that those of one query differ by as much as `spread`."""
    by = math.sqrt(spread / score_spread(model))
    for name in QUERY_AND_KEY:
        getattr(model.blocks[0].attn, name).mul_(by)
    return model


def random_model(seed):
    """A small model of random weights; its scores spread over 10 to 20,000, by token, by position, or by both.

    Every other one writes the last value to the logits, so that more of its classes are all right.
    """
    generator, torch_generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    max_value, n_ctx = SIZES[generator.integers(len(SIZES))]
    d_model, d_mlp = int(generator.integers(3, 6)), int(generator.integers(1, 4))
    cfg = CumsumConfig(max_value=max_value, n_ctx=n_ctx, d_model=d_model, d_head=2, d_mlp=d_mlp)
    model = CumsumTransformer(cfg).requires_grad_(False)
    scale = generator.choice([0.3, 0.7, 1.5])
    for parameter in model.parameters():
        parameter.copy_(scale * torch.randn(parameter.shape, generator=torch_generator))
    by = generator.choice(["token", "position", "both", "both"])
    if by != "both":
        (model.W_pos if by == "token" else model.W_E).mul_(0.02)
    if generator.random() < 0.5:
        direction = torch.randn(d_model, generator=torch_generator)
        model.embed.W_E += torch.arange(-max_value, max_value + 1)[:, None] * direction
        model.unembed.W_U[:, 2] += direction
        model.unembed.W_U[:, 0] -= direction
        model.unembed.b_U[1] += generator.choice([0.0, 0.5, 2.0])
    return spread_to(model, 10 ** generator.uniform(1, 4.3))


def attending_widely(reference, mutant, monkeypatch, n_ctx, spread):
    """The shipped model with a shorter context and a preference of attention whose scores differ by `spread`."""
    steps = {"attend_to_last": n_ctx - 1, "attend_to_first": n_ctx - 1, "attend_to_large_values": 5}[mutant]
    monkeypatch.setattr("cumsum_model.mutants.attention.SCORE_STEP", spread / steps)
    return getattr(mutants, mutant)(shortened(reference, n_ctx))


@pytest.mark.parametrize("seed", range(16))
def test_what_every_sequence_bears_out_is_accepted_and_counted(seed):
    model = random_model(seed)
    document = document_of(model, refine_all=bool(seed % 2))
    assert Everything(model).not_confirmed(document) is None
    assert verify(document, model).counted_on_trust == 0


@pytest.mark.parametrize(
    ("mutant", "spread"),
    [
        ("attend_to_last", 300),
        ("attend_to_last", 1000),
        ("attend_to_last", 5000),
        ("attend_to_first", 2000),
        ("attend_to_large_values", 95_000),
    ],
)
def test_mutants_of_the_shipped_model_are_accepted(reference, monkeypatch, mutant, spread):
    model = attending_widely(reference, mutant, monkeypatch, 3, spread)
    assert score_spread(model) == pytest.approx(spread, rel=0.05)
    document = document_of(model)
    assert Everything(model).not_confirmed(document) is None
    verify(document, model)


@pytest.mark.parametrize(("spread", "length"), [(110_000, 3), (1e9, 2)])
def test_scores_beyond_the_range_are_said_to_be(reference, monkeypatch, spread, length):
    model = attending_widely(reference, "attend_to_last", monkeypatch, 3, spread)
    reason = reason_for(document_of(model), model)
    match = re.fullmatch(
        rf"length {length}, last value -5: out of range: its attention scores differ by up to ([\d.e+]+), "
        r"this checker handles differences of up to 100,000",
        reason,
    )
    assert match, reason
    assert float(match[1]) == pytest.approx(spread * (length - 1) / 2, rel=0.05)


def put(query, place, verdict, **entries):
    """Say something else of a class, and nothing that does not belong to it."""
    query["verdicts"] = query["verdicts"][:place] + verdict + query["verdicts"][place + 1 :]
    blank = dict.fromkeys(("smallest", "smallest_witness", "largest", "largest_witness", "right"))
    for name, entry in {**blank, **entries}.items():
        query[name][place] = entry


def lies_about(query, place, members, everything):
    """Entries for `put` that make a certificate false in this one class, each with the reason to be given."""
    verdict = query["verdicts"][place]
    if verdict == "R":
        smallest = min(float(x.mid()) for values in members for x in everything.differences(values))
        raised = smallest + 1e-9 * max(1, abs(smallest))
        yield "R", {"smallest": raised}, "not proved"
        yield "R", {"smallest": raised, "smallest_witness": query["smallest_witness"][place]}, "contradicted|not proved"
        yield "W", {"largest": 0.0}, "not proved"
    elif verdict == "W":
        yield "R", {"smallest": 5e-324}, "not proved"
    if verdict == "S":
        truth = {name: query[name][place] for name in ("smallest_witness", "largest_witness", "right")}
        count = sum(everything.right(values) for values in members)
        for by in (-1, 1):
            yield "S", {**truth, "right": [str(count + by)] * 2}, "sequences are right|count of right sequences is impo"
        yield "S", {**truth, "smallest_witness": truth["largest_witness"]}, "its witness is not wrong"
        yield "S", {**truth, "largest_witness": truth["smallest_witness"]}, "its witness is not right"
        yield "R", {"smallest": 5e-324}, "not proved"
        yield "W", {"largest": 0.0}, "not proved"


def lies(document, everything, of_each):
    """False certificates, made from a true one by changing one class: `of_each` of each verdict, and signs."""
    places = [(i, j, k) for i, length in enumerate(document["lengths"]) for j, query in enumerate(length["queries"])
              for k in range(len(query["verdicts"]))]  # fmt: skip

    def query_of(changed, i, j):
        return changed["lengths"][i]["queries"][j]

    for verdict in "RWS":
        having = [at for at in places if query_of(document, *at[:2])["verdicts"][at[2]] == verdict]
        for at in having[:: max(1, -(-len(having) // of_each))]:
            query = query_of(document, *at[:2])
            members = everything.classes[at[0] + 1, query["last"], query["lowest_sum"] + at[2]]
            for to, entries, reason in lies_about(query, at[2], members, everything):
                changed = copy.deepcopy(document)
                put(query_of(changed, *at[:2]), at[2], to, **entries)
                yield changed, reason
    for at in places[:: max(1, len(places) // of_each)]:
        query = query_of(document, *at[:2])
        values = everything.classes[at[0] + 1, query["last"], query["lowest_sum"] + at[2]][0]
        changed = copy.deepcopy(document)
        opposite = "".join("+" if sign < 0 else "-" for sign in everything.signs(values))
        query_of(changed, *at[:2])["signs"][at[2]] = opposite
        yield changed, "is not always"


@pytest.mark.parametrize("seed", range(100, 108))
def test_what_a_sequence_contradicts_is_rejected(seed):
    model = random_model(seed)
    document, everything = document_of(model), Everything(model)
    assert verify(document, model)
    made = 0
    for changed, reason in lies(document, everything, of_each=1):
        assert everything.not_confirmed(changed) is not None
        with pytest.raises(Rejected, match=reason):
            verify(changed, model)
        made += 1
    assert made >= 5


def where_little_is_attended_to():
    """A model that attends to +1 by e^800 more than to -1 and to 0, which pull the neuron in opposite directions.

    Where no +1 occurs, everything that decides is smaller by e^-800 than in other sequences, and adds up from
    positive and negative terms.
    """
    cfg = CumsumConfig(max_value=1, n_ctx=4, d_model=3, d_head=1, d_mlp=1)
    model = CumsumTransformer(cfg).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    block = model.blocks[0]
    model.W_E.copy_(torch.tensor([[1.0, 0, 0.5], [0, 0, 1], [0, 1, 0.25]]))
    block.attn.b_Q[:] = 1
    block.attn.W_K[0, :, 0] = torch.tensor([-200.0, 500, -400])
    block.attn.W_V[0, :, 0] = torch.tensor([-2.0, 3, 1])
    block.attn.W_O[0, 0, 2] = 1
    block.mlp.W_in[:, 0] = torch.tensor([0.0, 0, 1])
    block.mlp.W_out[0, 2] = 0.5
    model.W_U[2] = torch.tensor([1.0, -0.5, -1])
    return model


def sharpened(document, everything):
    """The certificate with every class decided, every sign named and every bound raised as far as float64 goes."""
    document = copy.deepcopy(document)
    for length in document["lengths"]:
        for query in length["queries"]:
            for place in range(len(query["verdicts"])):
                members = everything.classes[length["length"], query["last"], query["lowest_sum"] + place]
                signs = [{everything.signs(values)[i] for values in members} for i in range(len(query["signs"][place]))]
                query["signs"][place] = "".join({(1,): "+", (-1,): "-"}.get(tuple(sign), "?") for sign in signs)
                differences = np.array([[float(x.mid()) for x in everything.differences(values)] for values in members])
                if differences.min() > 0:
                    put(query, place, "R", smallest=differences.min() * (1 - 2**-50))
                elif differences.max(0).min() < 0:
                    put(query, place, "W", largest=differences.max(0).min() * (1 - 2**-50))
        verdicts = "".join(query["verdicts"] for query in length["queries"])
        smallest = [bound for query in length["queries"] for bound in query["smallest"] if bound is not None]
        length["smallest_margin"] = min(smallest) if set(verdicts) == {"R"} else None
        right = sum(everything.right(values) for values in everything.sequences if len(values) == length["length"])
        length["right"] = [str(right)] * 2
    return document


def test_bounds_that_sums_of_64_bits_cannot_show_are_proved_without_rounding(monkeypatch):
    model = where_little_is_attended_to()
    everything = Everything(model)
    document = sharpened(document_of(model), everything)
    document["right_at_every_position"] = ["0", "81"]  # true, and rejected because the classes say more: last of all
    assert everything.not_confirmed(document) is None
    every_class_holds = "the whole: sequences right at every position"
    assert reason_for(document, model).startswith(every_class_holds)
    for slow, reason in (("proves_one", "is not proved"), ("has_sign", "is not always")):
        with monkeypatch.context() as without:
            without.setattr(Query, slow, lambda *_: False)
            assert reason in reason_for(document, model)
    raised = 0
    for length in document["lengths"]:
        for query in length["queries"]:
            for place, verdict in enumerate(query["verdicts"]):
                name = {"R": "smallest", "W": "largest"}.get(verdict)
                if name:
                    before = query[name][place]
                    query[name][place] = before * (1 + 2**-48)
                    assert f"{name} margin" in reason_for(document, model)
                    query[name][place] = before
                    raised += 1
    assert raised > 30


def test_whole_sequences_are_settled_one_by_one(monkeypatch):
    """Else the numbers of right sequences would have to be trusted, for sums of 64 bits leave many open."""
    model = random_model(0)
    document = document_of(model)
    assert verify(document, model).counted_on_trust == 0
    monkeypatch.setattr(Recount, "_right", lambda *_: None)
    assert verify(document, model).counted_on_trust > 0


@pytest.mark.parametrize("seed", range(3))
def test_every_weight_is_known_to_as_many_digits(seed):
    model = spread_to(random_model(seed), 40_000)
    circuit = Circuit.of({name.split(".")[-1]: tensor.numpy() for name, tensor in model.state_dict().items()})
    smallest = 1.0
    for n in range(1, model.cfg.n_ctx + 1):
        for a in range(model.cfg.d_vocab):
            weights = circuit.weights(n, a)
            scores = circuit.scores.whole[n - 1, a, :n]
            occurring = [at for at in np.ndindex(scores.shape) if at[0] < n - 1 or at[1] == a]
            top = max(scores[at] for at in occurring)
            with precisely():
                for at in np.ndindex(scores.shape):
                    low, high = int(weights.low[at]), int(weights.high[at])
                    if at not in occurring:
                        assert (low, high) == (0, 0)
                        continue
                    exponent = arb(int(scores[at]) - int(top)) / arb(2) ** circuit.scores.digits / arb(2).sqrt()
                    true = exponent.exp() * arb(2) ** int(weights.digits[at])
                    assert low <= true
                    assert true <= high
                    assert 0 <= high - low <= 2
                    assert low >= 2 ** (WEIGHT_BITS - 1)
                    smallest = min(smallest, float(exponent))
    assert smallest < -30_000
