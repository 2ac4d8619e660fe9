"""The checker on models whose scores spread widely: what is true is accepted, what is false is not, the rest is named.

Every certificate here is held against every sequence, run by itself in ball arithmetic of 2000 binary digits.
"""

import contextlib
import copy
import json
import math
import re
from itertools import product

import numpy as np
import pytest
import torch
from flint import arb, arb_mat, ctx

from cumsum_model import mutants
from cumsum_model.attention import score_spread
from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.certificate_file import to_document
from cumsum_model.proof.check.checker import Rejected, check
from cumsum_model.proof.check.circuit import WEIGHT_BITS, Circuit, Query
from cumsum_model.proof.check.recount import Recount

SHA = "0" * 64
SIZES = [(1, 3), (1, 4), (1, 5), (1, 6), (2, 3), (2, 4)]
QUERY_AND_KEY = ("W_Q", "b_Q", "W_K", "b_K")


PRECISION = 2000
"""Binary digits of every number. Every one of them is as precise relative to itself, however small."""


@contextlib.contextmanager
def precisely():
    before, ctx.prec = ctx.prec, PRECISION
    try:
        yield
    finally:
        ctx.prec = before


def _rows(matrix):
    return [[matrix[i, j] for j in range(matrix.ncols())] for i in range(matrix.nrows())]


def _plus(rows, vector):
    return [[x + y for x, y in zip(row, vector, strict=True)] for row in rows]


class Everything:
    """Every sequence of a small model, from the definition of the model: its signs of neurons and margin.

    Nothing is shared with the search or the checker: no sums over positions, no shift that serves all sequences.

    sequences: by the values. differences: the right label's logit minus each other one. signs: +1, -1, or 0 if unknown.
    classes: the sequences of each length, last value and sum.
    """

    def __init__(self, model):
        self.model, self.sequences, self.classes = model, {}, {}
        with precisely():
            self._run()
        for values in self.sequences:
            self.classes.setdefault((len(values), values[-1], sum(values)), []).append(values)

    def _run(self):
        cfg = self.model.cfg
        W = {name.split(".")[-1]: weight.double() for name, weight in self.model.state_dict().items()}
        matrix = {
            name: arb_mat((weight[0] if weight.dim() == 3 else weight).tolist())
            for name, weight in W.items()
            if name.startswith("W")
        }
        bias = {name: [arb(x) for x in weight.flatten().tolist()] for name, weight in W.items() if name.startswith("b")}
        tokens = range(cfg.d_vocab)
        embedded = _rows(matrix["W_E"])
        # One row for each position and token.
        stream = [row for at in _rows(matrix["W_pos"]) for row in _plus(embedded, at)]
        q, k, v = (_plus(_rows(arb_mat(stream) * matrix[f"W_{x}"]), bias[f"b_{x}"]) for x in "QKV")
        root = arb(W["W_Q"].shape[-1]).sqrt()
        for n in range(1, cfg.n_ctx + 1):
            for sequence in product(tokens, repeat=n):
                at = [position * cfg.d_vocab + token for position, token in enumerate(sequence)]
                scores = [sum(x * y for x, y in zip(q[at[-1]], k[key], strict=True)) / root for key in at]
                weights = [score.exp() for score in scores]
                z = arb_mat([weights]) * arb_mat([v[key] for key in at]) * (1 / sum(weights))
                resid_mid = _plus(_plus(_rows(z * matrix["W_O"]), bias["b_O"]), stream[at[-1]])
                (pre,) = _plus(_rows(arb_mat(resid_mid) * matrix["W_in"]), bias["b_in"])
                written = _plus(_rows(arb_mat([[_relu(x) for x in pre]]) * matrix["W_out"]), bias["b_out"])
                resid_post = _plus(written, resid_mid[0])
                (logits,) = _plus(_rows(arb_mat(resid_post) * matrix["W_U"]), bias["b_U"])
                values = tuple(token - cfg.max_value for token in sequence)
                label = (sum(values) > 0) - (sum(values) < 0) + 1
                differences = [logits[label] - logits[other] for other in range(3) if other != label]
                self.sequences[values] = [(x > 0) - (x < 0) for x in pre], differences

    def signs(self, values):
        return self.sequences[values][0]

    def differences(self, values):
        return self.sequences[values][1]

    def right(self, values):
        """Whether a sequence is right; None if that is not known."""
        differences = self.differences(values)
        return True if all(x > 0 for x in differences) else False if any(x <= 0 for x in differences) else None

    def not_confirmed(self, document):
        """The first statement of a certificate that the sequences do not bear out; None if they bear out all."""
        with precisely():
            return next(self._not_confirmed(document), None)

    def _not_confirmed(self, document):
        for length in document["lengths"]:
            n = length["length"]
            for query in length["queries"]:
                for place in range(len(query["verdicts"])):
                    class_ = n, query["last"], query["lowest_sum"] + place
                    for wrong in self._of_class(query, place, self.classes[class_]):
                        yield f"{class_}: {wrong}"
            count = sum(self.right(values) for values in self.sequences if len(values) == n)
            if not int(length["right"][0]) <= count <= int(length["right"][1]):
                yield f"length {n}: {count} sequences are right"
        full = [values for values in self.sequences if len(values) == self.model.cfg.n_ctx]
        count = sum(all(self.right(values[:n]) for n in range(1, len(values) + 1)) for values in full)
        low, high = map(int, document["right_at_every_position"])
        if not low <= count <= high:
            yield f"{count} sequences are right at every position"

    def _of_class(self, query, place, members):
        for neuron, sign in enumerate(query["signs"][place]):
            if sign != "?" and any(self.signs(values)[neuron] != (1 if sign == "+" else -1) for values in members):
                yield f"neuron {neuron} is not always {sign}"
        verdict = query["verdicts"][place]
        if verdict == "R":
            bound = query["smallest"][place]
            if not (bound > 0 and all(x >= bound for values in members for x in self.differences(values))):
                yield "the smallest margin"
        elif verdict == "W":
            bound = query["largest"][place]
            if not (bound <= 0 and all(any(x <= bound for x in self.differences(values)) for values in members)):
                yield "the largest margin"
        else:
            count = sum(self.right(values) for values in members)
            if not int(query["right"][place][0]) <= count <= int(query["right"][place][1]):
                yield f"{count} sequences are right"
        if verdict == "S":
            for name, right in (("smallest_witness", False), ("largest_witness", True)):
                if self.right(tuple(query[name][place])) is not right:
                    yield name


def _relu(x):
    return x if x > 0 else arb(0) if x <= 0 else x.union(arb(0))


def verify(document, model):
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return check(json.dumps(document).encode(), weights, SHA)


def reason_for(document, model):
    """Why a certificate is rejected."""
    with pytest.raises(Rejected) as caught:
        verify(document, model)
    return str(caught.value)


def document_of(model, **options):
    return to_document(certify(model, **options), model, "x.safetensors", SHA)


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
    short = CumsumTransformer(CumsumConfig(**{**reference.cfg.__dict__, "n_ctx": n_ctx}))
    short.load_state_dict({**reference.state_dict(), "pos_embed.W_pos": reference.W_pos[:n_ctx]})
    steps = {"attend_to_last": n_ctx - 1, "attend_to_first": n_ctx - 1, "attend_to_large_values": 5}[mutant]
    monkeypatch.setattr("cumsum_model.mutants.attention.SCORE_STEP", spread / steps)
    return getattr(mutants, mutant)(short.requires_grad_(False))


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
    told = re.fullmatch(
        rf"length {length}, last value -5: out of range: its attention scores differ by up to ([\d.e+]+), "
        r"this checker handles differences of up to 100,000",
        reason,
    )
    assert told, reason
    assert float(told[1]) == pytest.approx(spread * (length - 1) / 2, rel=0.05)


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
        told = {name: query[name][place] for name in ("smallest_witness", "largest_witness", "right")}
        count = sum(everything.right(values) for values in members)
        for by in (-1, 1):
            yield "S", {**told, "right": [str(count + by)] * 2}, "sequences are right|count of right sequences is impo"
        yield "S", {**told, "smallest_witness": told["largest_witness"]}, "its witness is not wrong"
        yield "S", {**told, "largest_witness": told["smallest_witness"]}, "its witness is not right"
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
