"""The checker's tables of a checkpoint, against the model in float64, and the checkpoints that it refuses."""

import math

import numpy as np
import pytest
import torch
from flint import arb, arb_mat, ctx
from list_certificates import SCALE, STREAM, Lists, Tables, data_of, logits_of, tiny, weights_of

from sorted_list_model.proof.check.balls import BITS, EPSILON, FLOOR, rounded
from sorted_list_model.proof.check.circuit import Circuit, Sizes, sizes_of
from sorted_list_model.proof.check.document import OutOfRange
from sorted_list_model.proof.check.scale import SMALLEST, directs, largest_scale
from toy_model import transformer
from toy_model.surgery import copied

MODELS = [{"heads": 1}, {"heads": 2}, {"heads": 2, "list_len": 4, "louder": 5.0}]


def queries(model):
    circuit = Circuit(weights_of(model))
    numbers = list(range(circuit.sizes.numbers))
    return [query for k in range(model.cfg.list_len) for query in circuit.queries(k, numbers if k else [0])]


def keys_of(query, numbers):
    """The indices of the keys of a list, as they stand in it."""
    sizes, below = query.sizes, sorted(numbers)[: max(query.k - 1, 0)]
    keys = [position * sizes.numbers + number for position, number in enumerate(numbers)] + [sizes.sep]
    keys += [sizes.sorted_keys(rank) + number for rank, number in enumerate(below, start=1)]
    return keys + ([len(query.weights[0]) - 1] if query.k else [])


@pytest.mark.parametrize("sizes", MODELS, ids=str)
def test_the_tables_give_the_logits_of_every_list(sizes):
    """Weights, readouts, biases and writes together, against a pass of the model; up to what all logits share."""
    model = tiny(**sizes)
    numbers, logits = logits_of(model)
    seen = 0
    for query in queries(model):
        for row in range(0, len(numbers), 5):
            list_ = numbers[row].tolist()
            if query.k and sorted(list_)[query.k - 1] != query.d:
                continue
            keys = keys_of(query, list_)
            resid, readout = query.written_own, query.own
            for e, moved, written in zip(query.weights, query.moved, query.written, strict=True):
                pattern = e[keys] / e[keys].sum()
                resid, readout = resid + pattern @ written[keys], readout + moved[:, keys] @ pattern
            scale = math.sqrt(np.mean(resid**2) + EPSILON)
            difference = readout / scale + query.bias - logits[row, query.k]
            assert np.ptp(difference) < 1e-11
            assert SMALLEST <= scale <= largest_scale(query)
            seen += 1
    assert seen > 100


@pytest.mark.parametrize("sizes", MODELS, ids=str)
def test_the_tables_are_those_of_the_formulas(sizes):
    model = tiny(**sizes)
    tables, V, L = Tables(model), model.cfg.max_value + 1, model.cfg.list_len
    for query in queries(model):
        lists = Lists(tables, query.k, query.d)
        keys = [(p, t) for p in range(L) for t in range(V)] + [(L, V)]
        keys += [(L + r, t) for r in range(1, query.k) for t in range(V)] + [(L + query.k, query.d)] * bool(query.k)
        index = tuple(np.array(keys).T)
        for head in range(2):
            assert query.weights[head] == pytest.approx(lists.weights[head][index], rel=1e-12)
            moved = lists.moved[head][index].T
            assert query.moved[head] == pytest.approx(moved - moved.mean(0), abs=1e-13)
        assert largest_scale(query) == pytest.approx(lists.largest_scale, rel=1e-9)
        assert largest_scale(query) >= lists.largest_scale * (1 - 1e-14)
        direct = directs(query, STREAM, SCALE)
        expected = [[lists.direct(y, c) for c in range(V + 1)] for y in range(V + 1)]
        assert direct == pytest.approx(np.array(expected), abs=1e-11)


def test_the_scale_is_never_larger_in_the_model():
    """The bound is of single keys; it is not so far off that it says nothing."""
    model = copied(tiny(list_len=4)).double()
    data, L = data_of(model.cfg), model.cfg.list_len
    _, cache = model.run_with_cache(data.toks)
    scales = cache["ln_final.hook_scale"][:, L : 2 * L, 0].numpy()
    for query in queries(tiny(list_len=4)):
        of = data.toks[:, L + query.k].numpy() == (query.d if query.k else query.sizes.numbers)
        if of.any():
            assert scales[of, query.k].max() <= largest_scale(query) <= 3 * scales[of, query.k].max()


def test_layer_norm_has_the_epsilon_of_the_model():
    assert EPSILON == transformer.EPSILON
    assert SMALLEST <= math.sqrt(EPSILON) <= SMALLEST * (1 + 1e-15)


def test_rounded_balls_are_as_exact_as_is_said():
    """Each entry relative to itself, beside others of other sizes; and refused when it is not known that well."""
    with ctx.workprec(BITS):
        exact = arb_mat([[arb(10) ** power / 3 for power in range(-15, 18)]])
        for entry, found in zip(exact.entries(), rounded(exact, "thirds")[0].tolist(), strict=True):
            assert abs(entry - arb(found)) <= arb(2) ** -52 * (abs(entry) + arb(FLOOR))
        uncertain = exact + arb_mat([[arb(0, 1e-27)] * 33])
        with pytest.raises(OutOfRange, match=r"^out of range: thirds are up to 3\.33e\+16, and known to 1e-27 only$"):
            rounded(uncertain, "thirds")


def test_float32_takes_its_room_off_and_the_scale_counts_the_worse_way():
    query = queries(tiny())[0]
    exact, most = directs(query, 0, 0), largest_scale(query)
    assert exact - directs(query, 1, 0) == pytest.approx(np.full(exact.shape, 2.0))
    assert exact - directs(query, 0, 1) == pytest.approx(np.full(exact.shape, 2 * most))
    own, bias = (of[:, None] - of[None] for of in (query.own, query.bias))
    for scale in np.linspace(SMALLEST, most, 5):
        assert (exact <= own + scale * bias).all()


def changed(**entries):
    """The parameters of a tiny model, with some replaced by what a function makes of them."""
    weights = {name: array.copy() for name, array in weights_of(tiny()).items()}
    for name, change in entries.items():
        full = next(full for full in weights if full.endswith(name))
        weights[full] = change(weights[full])
    return weights


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (
            {"W_Q": lambda W: W * 1e4},
            r"^out of range: .*: its attention scores differ by up to \d+.*, this checker",
        ),
        (
            {name: lambda W: W * np.float32(1e30) for name in ("W_Q", "W_K")},
            "^out of range: .*: its attention scores are known to .* only",
        ),
        ({"W_U": lambda W: W * np.float32(1e30)}, "^out of range: readouts of the stream are up to "),
        ({"b_O": lambda b: b + np.float32("nan")}, "attn.b_O of the checkpoint has an entry that is not finite"),
        ({"W_V": lambda W: W * np.float32("inf")}, "attn.W_V of the checkpoint has an entry that is not finite"),
        ({"b_U": lambda b: b[1:]}, r"unembed.b_U of the checkpoint has the shape \(7,\)"),
        ({"W_pos": lambda W: W[1:]}, "no list has 6 positions and 8 tokens"),
        ({"W_pos": lambda W: np.repeat(W, 3, 0)}, "no list has 21 positions and 8 tokens"),
        (
            {name: lambda W: np.repeat(W, 2, 0) for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")},
            "the checkpoint has 4 heads, this checker handles one or two",
        ),
    ],
)
def test_what_it_cannot_compute_with_is_refused_in_one_line(entries, reason):
    with np.errstate(all="ignore"):
        weights = changed(**entries)
    with pytest.raises(OutOfRange, match=reason) as refusal:
        list(Circuit(weights).queries(1, [2]))
    assert "\n" not in str(refusal.value)


def test_parameters_of_another_architecture_are_refused():
    weights = weights_of(tiny())
    with pytest.raises(OutOfRange, match=r"ln1\.w is missing"):
        sizes_of({name: array for name, array in weights.items() if name != "blocks.0.ln1.w"})
    with pytest.raises(OutOfRange, match=r"blocks\.1\.attn\.W_Q belongs to another architecture"):
        sizes_of(weights | {"blocks.1.attn.W_Q": weights["blocks.0.attn.W_Q"]})


def test_a_checkpoint_that_computes_nothing_has_tables():
    weights = {name: np.zeros_like(array) for name, array in weights_of(tiny()).items()}
    (query,) = Circuit(weights).queries(1, [2])
    assert not query.moved[0].any()
    assert not query.own.any()
    assert (query.weights[0] == 1).all()
    assert largest_scale(query) == pytest.approx(math.sqrt(EPSILON), abs=1e-12)


def test_keys_are_in_the_order_that_is_said():
    sizes = Sizes(numbers=5, list_len=3, heads=2)
    assert sizes.sep == 15
    assert sizes.keys(0, 0).tolist() == list(range(16))
    assert sizes.keys(1, 4).tolist() == [*range(16), 20]
    assert sizes.keys(2, 4).tolist() == [*range(21), 25]


def test_the_reference_model_is_in_range(trained):
    circuit = Circuit(weights_of(trained))
    assert circuit.sizes == Sizes(numbers=51, list_len=10, heads=2)
    (query,) = circuit.queries(9, [42])
    assert len(query.weights[0]) == 10 * 51 + 1 + 8 * 51 + 1
    assert torch.isfinite(torch.tensor(directs(query, 0, 0))).all()
