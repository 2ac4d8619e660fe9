"""The certificate as a whole: exact accuracy against samples, the back door, several sizes, and what it refuses."""

import copy
import math
import tracemalloc

import numpy as np
import pytest
import torch
from certificates import encoded

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set, labels_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof import dynamic_program, extremes
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.rounding import logit_error
from cumsum_model.proof.tables import Unprovable
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.behaviour import margins
from toy_model.checkpoint.checkpoint import read_checkpoint, write_checkpoint
from toy_model.engine import run

ALL_SEQUENCES = 11**20


@pytest.fixture(scope="module")
def certificate(reference):
    return certify(reference)


def test_the_fixture_is_right_on_every_sequence(reference, certificate):
    assert certificate.sequences == ALL_SEQUENCES == 672749994932560009201
    assert certificate.proved_right
    assert certificate.right_at_every_position == (ALL_SEQUENCES, ALL_SEQUENCES)
    assert all(length.sequences == 11**length.n for length in certificate.lengths)
    assert sum(length.right.size for length in certificate.lengths) == 21_120


def test_the_smallest_margin_is_met_by_the_model_itself(reference, certificate):
    length = certificate.hardest
    margin, tokens = length.hardest
    values = certificate.values(tokens)
    assert (length.n, sum(values), values[-1]) == (20, 1, -5)
    assert margin == pytest.approx(0.2852, abs=1e-4)  # found independently: +0.285
    assert 0 <= margin - certificate.smallest_margin < 1e-9
    logits = run(reference, torch.tensor([tokens]))
    assert margins(logits, labels_of(torch.tensor([values])))[0, -1].item() == pytest.approx(margin, abs=1e-4)


def test_a_seed_that_intervals_cannot_prove_is_proved():
    certificate = certify(read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model)
    assert certificate.proved_right
    assert 0 < certificate.smallest_margin < 0.03


def test_a_trained_checkpoint_that_no_sample_finds_wrong():
    """Right on all 10,000 sequences it was validated on, wrong on fewer than one in 10^13 of length 39."""
    model = read_checkpoint(REFERENCE.with_name("length40.safetensors"), SYSTEM).model
    data = evaluation_set(5, 40)
    assert torch.equal(run(model, data.toks).argmax(-1), data.labels)
    certificate = certify(model, budget=10**9)
    assert [length.n for length in certificate.lengths if not length.right.all()] == [39]
    failing = certificate.lengths[38]
    low, high = failing.answered_rightly
    assert 0 < failing.sequences - high <= failing.sequences - low < failing.sequences / 10**13
    values = torch.tensor([certificate.simplest_wrong])
    assert run(model, values + 5)[0, -1].argmax() != labels_of(values)[0, -1]
    assert values.sum() == 1


SAMPLES = 1_000_000


@pytest.mark.parametrize(
    "name", ["silence_mlp", "silence_strongest_neuron", "favour_zero", "let_size_vote_zero", "stretch_one_value"]
)
def test_exact_accuracy_agrees_with_a_million_samples(reference, name):
    broken = getattr(mutants, name)(reference)
    values = torch.randint(-5, 6, (SAMPLES, 20), generator=torch.Generator().manual_seed(0))
    right = (run(broken, values + 5).argmax(-1) == labels_of(values)).double()
    sampled, throughout = right.mean(0).tolist(), right.prod(1).mean().item()
    certificate = certify(broken, budget=2_000_000_000)

    def assert_within(share, low, high):
        deviation = math.sqrt(max(low * (1 - low), high * (1 - high), 1 / SAMPLES) / SAMPLES)
        assert low - 4 * deviation <= share <= high + 4 * deviation

    for length, share in zip(certificate.lengths, sampled, strict=True):
        low, high = (float(bound) for bound in length.accuracy)
        assert_within(share, low, high)
        assert high - low < 0.35 if name == "let_size_vote_zero" else high - low < 0.06
    assert_within(throughout, *(count / ALL_SEQUENCES for count in certificate.right_at_every_position))


def test_the_back_door_is_found_and_counted(reference):
    broken = mutants.open_back_door(reference)
    certificate = certify(broken)
    assert not certificate.proved_right
    for length in certificate.lengths[:-1]:
        assert length.accuracy == (1, 1)
    low, high = certificate.lengths[-1].answered_rightly
    assert low == high  # exact
    n_wrong = ALL_SEQUENCES - low
    assert 0 < n_wrong < ALL_SEQUENCES / 10**15
    assert certificate.right_at_every_position == (low, high)
    # The sequence it names is wrong when the model itself runs it, and one of those without enough +5 is not.
    margin, tokens = certificate.hardest.hardest
    assert margin < 0
    values = torch.tensor([certificate.values(tokens)])
    assert run(broken, torch.tensor([tokens]))[0, -1].argmax() != labels_of(values)[0, -1]
    # Counted independently: the neuron opens for a share of +5 above 0.85, so the wrong ones are those with at
    # least 18 of 20, and those with 17 that attention, which is uniform only nearly, favours.
    with_at_least_18 = sum(math.comb(20, k) * 10 ** (20 - k) for k in (18, 19, 20))
    with_17 = math.comb(20, 17) * 10**3
    assert n_wrong <= with_at_least_18 + with_17


def test_the_back_door_count_agrees_with_every_suspect_sequence(reference):
    """All sequences with at least 17 values of +5, through the model: the only ones that can be wrong."""
    from itertools import combinations, product

    broken = mutants.open_back_door(reference).double()
    n_wrong = ALL_SEQUENCES - certify(mutants.open_back_door(reference)).lengths[-1].answered_rightly[0]
    others = list(range(-5, 5))
    n_found = 0
    for different in range(3):
        for places in combinations(range(20), different):
            choices = list(product(others, repeat=different))
            values = torch.full((len(choices), 20), 5)
            if different:
                values[:, list(places)] = torch.tensor(choices)
            n_found += int((run(broken, values + 5)[:, -1].argmax(-1) != labels_of(values)[:, -1]).sum())
    assert n_found == n_wrong


def test_a_tie_is_never_called_right():
    nothing = CumsumTransformer(CumsumConfig(max_value=1, n_ctx=3, d_model=2, d_head=1, d_mlp=1)).requires_grad_(False)
    certificate = certify(nothing)  # all weights 0: every logit is 0
    assert certificate.right_at_every_position[0] == 0
    assert not any(length.right.any() for length in certificate.lengths)
    # With "zero" ahead by the least there is, it is right where the sum is zero, and the other two tie behind it.
    nothing.unembed.b_U[1] = 1e-30
    for length in certify(nothing).lengths:
        assert (length.right == (length.sums == 0)).all()
        assert (length.wrong == (length.sums != 0)).all()


def test_a_flipped_label_is_found(reference):
    certificate = certify(mutants.swap_verdicts(reference))
    for length in certificate.lengths:
        assert length.right.sum() == (length.sums == 0).sum()
        assert (length.wrong == (length.sums != 0)).all()


@pytest.mark.parametrize(("n_ctx", "max_value"), [(1, 5), (7, 1), (10, 3), (30, 5)])
def test_other_sizes_are_counted_in_full(n_ctx, max_value):
    model = untrained(CumsumConfig(max_value=max_value, n_ctx=n_ctx), seed=1)
    certificate = certify(model, budget=0)
    assert certificate.sequences == (2 * max_value + 1) ** n_ctx
    for length in certificate.lengths:
        low, high = length.answered_rightly
        assert 0 <= low <= high <= length.sequences == (2 * max_value + 1) ** length.n


def test_the_same_weights_give_the_same_certificate(reference, certificate):
    again = certify(reference)
    assert encoded(certificate.lengths, reference) == encoded(again.lengths, reference)


def test_what_cannot_be_proved_is_said():
    with pytest.raises(Unprovable, match="of one block, the model has 2"):
        certify(CumsumTransformer(CumsumConfig(n_layers=2)))
    model = CumsumTransformer(CumsumConfig(max_value=1, n_ctx=2)).requires_grad_(False)
    model.W_E[0, 0] = torch.inf
    with pytest.raises(Unprovable, match="not a finite number"):
        certify(model)
    model.W_E[:] = 1e38
    for W in (model.blocks[0].attn.W_Q, model.blocks[0].attn.W_K):
        W[:] = 1e38
    with pytest.raises(Unprovable, match="float64"):
        certify(model)


def test_float32_stays_within_its_bound(reference):
    sequences = torch.randint(0, 11, (20_000, 20), generator=torch.Generator().manual_seed(1))
    for model in (reference, mutants.attend_to_large_values(reference), mutants.shout_off_u(reference)):
        with torch.no_grad():
            in_double = CumsumTransformer(model.cfg).double()
            in_double.load_state_dict(model.state_dict())
            off = (model(sequences).double() - in_double(sequences)).abs().max().item()
        bound = logit_error(model)
        assert 0 < off < bound
    # Small enough to be worth having: the smallest margin is a hundred times larger.
    assert logit_error(reference) < 0.285 / 100
    absurd = CumsumTransformer(reference.cfg).requires_grad_(False)
    for parameter in absurd.parameters():
        parameter += 1e30
    assert logit_error(absurd) == math.inf


def test_a_model_that_overflows_in_float32_is_told_without_a_traceback(reference, tmp_path, capsys):
    overflowing = copy.deepcopy(reference)
    overflowing.blocks[0].mlp.b_in[:] = 1e38  # every neuron fires at every position, and writes 1e76
    overflowing.blocks[0].mlp.W_out[:] = 1e38
    path = tmp_path / "overflowing.safetensors"
    write_checkpoint(path, overflowing, {})
    main(["certify", str(path)])
    captured = capsys.readouterr()
    assert "the model itself says there" in captured.out
    assert "inf" in captured.out or "nan" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("functionals", [2, dynamic_program.FEW, 70])
@pytest.mark.parametrize(("positions", "d_vocab"), [(0, 3), (1, 3), (4, 3), (3, 5), (2, 300)])
def test_the_program_finds_the_smallest_sum_and_a_sequence_that_has_it(positions, d_vocab, functionals):
    from itertools import product

    g = np.random.default_rng(positions).normal(size=(positions, d_vocab, functionals))
    least, choices = dynamic_program.smallest_and_choices(g)
    assert (dynamic_program.smallest(g) == least).all()
    assert (dynamic_program.stages(g)[-1] == least).all()
    sequences = np.array(list(product(range(d_vocab), repeat=positions)), dtype=np.int64).reshape(
        d_vocab**positions, positions
    )
    counts = dynamic_program.count(positions, d_vocab)[-1]
    for s in range(positions * (d_vocab - 1) + 1):
        of_sum = sequences[sequences.sum(1) == s]
        assert counts[s] == len(of_sum)
        for row in (0, functionals - 1):
            sums = g[np.arange(positions), of_sum, row].sum(1)
            assert least[s, row] == pytest.approx(sums.min())
            attaining = dynamic_program.sequences_attaining(choices, np.array([row]), np.array([s]))[:, 0]
            assert attaining.tolist() == of_sum[sums.argmin()].tolist()


@pytest.mark.parametrize("sizes", [{"TOGETHER": 1, "SEQUENCES": 7}, {"TOGETHER": 2**16}, {"NEAR": 1}, {"FEW": 10**9}])
def test_what_is_proved_does_not_depend_on_how_much_is_worked_on_at_once(monkeypatch, sizes):
    model = untrained(CumsumConfig(n_ctx=5, max_value=2), seed=3)
    whole = certify(model)
    for name, size in sizes.items():
        monkeypatch.setattr(dynamic_program if hasattr(dynamic_program, name) else extremes, name, size)
    for piecewise, expected in zip(certify(model).lengths, whole.lengths, strict=True):
        for name in ("least_tokens", "most_tokens", "right_low", "right_high", "signs"):
            assert (getattr(piecewise, name) == getattr(expected, name)).all(), name
        for name in ("smallest", "largest", "least", "most"):
            assert getattr(piecewise, name) == pytest.approx(getattr(expected, name), rel=1e-12, abs=1e-12), name


def test_memory_beside_the_certificate_is_bounded():
    """Also of a model in which nearly every class has signs of its own, so that there is no end of functionals."""
    model = untrained(CumsumConfig(n_ctx=16), seed=0)
    tracemalloc.start()
    certificate = certify(model, budget=0)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(certificate.lengths) == 16
    assert peak - kept < extremes.TOGETHER


def test_no_more_is_read_than_certificates_take(written, tmp_path, capsys):
    """Thirty million zeros in a file of 60 MB would take gigabytes once they are read."""
    path = tmp_path / "certificate.json"
    whole = written.read_bytes()
    path.write_bytes(whole + b" " * (8 * len(whole)))
    assert main(["check", str(path)]) == 0
    path.write_bytes(b"[" + b"0," * 15_000_000 + b"0]")
    capsys.readouterr()
    assert main(["check", str(path)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"error: {path}: takes 30,000,003 bytes, more than the 26,428,396 that are read"
