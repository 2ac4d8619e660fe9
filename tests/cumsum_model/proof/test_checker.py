"""The checker: it accepts what is proved of a model, and of no other."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from brute_force import shortened
from certificates import SHA, document_of, every_class, put, query_of, tampered, verify, weights_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.check import checker, classes
from cumsum_model.proof.check.checker import Rejected, check
from cumsum_model.proof.check.circuit import Circuit, Exact
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkpoint.checkpoint import read_checkpoint


def test_another_checkpoint_is_rejected(short, document):
    """Not by its name alone: every single weight moved by a little makes some proof fail or is a checkpoint as good."""
    with pytest.raises(Rejected, match=r"of another checkpoint: sha256 '000000000000'\.\., not '111111111111'"):
        verify(document, short, "1" * 64)
    for broken in (mutants.silence_strongest_neuron, mutants.swap_verdicts, mutants.favour_zero, mutants.clip_values):
        with pytest.raises(Rejected):
            verify(document, shortened(broken(short), 4))
    seven = shortened(read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model, 4)
    with pytest.raises(Rejected):
        verify(document, seven)


def test_a_perturbed_weight_is_found(short, document):
    for name, by in (("b_in", 1.0), ("W_E", 0.2), ("W_pos", 0.5), ("W_U", 0.1)):
        perturbed = copy.deepcopy(short)
        next(value for key, value in perturbed.named_parameters() if key.endswith(name))[0] += by
        with pytest.raises(Rejected):
            verify(document, perturbed)


@pytest.mark.parametrize("broken", [mutants.silence_strongest_neuron, mutants.clip_values, mutants.swap_verdicts])
def test_a_certificate_of_a_broken_model_is_accepted_for_what_it_says(short, broken):
    model = shortened(broken(short), 4)
    document = document_of(model)
    checked = verify(document, model)
    assert checked.right[0] < checked.sequences
    assert document["smallest_margin"] is None
    verdicts = "".join(query["verdicts"] for length in document["lengths"] for query in length["queries"])
    assert checked.counted_on_trust <= verdicts.count("S") + verdicts.count("U")
    # To call a class right that is not is refused whatever margin is named.
    _, query, place = next(case for case in every_class(document) if case[1]["verdicts"][case[2]] != "R")
    put(query, "verdicts", place, "R")
    query["smallest"][place] = 1e-12
    with pytest.raises(Rejected):
        verify(document, model)


def test_too_many_open_signs_are_refused_and_not_worked_through(short, monkeypatch):
    model = shortened(short, 3)
    document = document_of(model)

    def change(changed):
        for _, query, place in every_class(changed):
            query["signs"][place] = "?" * 8

    verify(tampered(document, change), model)  # it is true in all cases, and these are few
    with monkeypatch.context() as few:
        few.setattr(classes, "MAX_ROWS", 1000)
        with pytest.raises(Rejected, match=r"too many cases of undecided signs$"):
            verify(tampered(document, change), model)
    monkeypatch.setattr(checker, "MAX_ROWS_OF_FEW", 0)
    verify(document, model)
    with pytest.raises(Rejected, match=r"too many cases of undecided signs so far$"):
        verify(tampered(document, change), model)


def test_scores_that_say_nothing_are_refused(short, document):
    extreme = copy.deepcopy(short)
    extreme.blocks[0].attn.W_Q[:] = 1e30
    extreme.blocks[0].attn.W_K[:] = 1e30
    with pytest.raises(Rejected):
        verify(document, extreme)


def test_an_undecided_neuron_counts_with_both_its_signs(short, document):
    """To call a sign unknown is no lie, but then both cases have to hold: no margin can be raised by it."""
    for place in range(21):

        def unknown(changed, place=place, raised=0.0):
            query = query_of(changed)
            query["signs"][place] = "?" * 8
            query["smallest"][place] += raised
            query["smallest_witness"][place] = None

        with pytest.raises(Rejected, match="not proved"):
            verify(tampered(document, lambda changed, unknown=unknown: unknown(changed, raised=0.5)), short)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_what_is_no_certificate_is_rejected(short, content):
    with pytest.raises(Rejected):
        check(content, weights_of(short), SHA)


def test_the_checker_shares_no_code_with_the_search():
    script = (
        "import sys; from cumsum_model.proof.check import checker; "
        "print(*sorted(name for name in sys.modules if name.startswith('cumsum_model.') or name == 'torch'))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == [
        "cumsum_model.proof",
        "cumsum_model.proof.check",
        "cumsum_model.proof.check.checker",
        "cumsum_model.proof.check.circuit",
        "cumsum_model.proof.check.classes",
        "cumsum_model.proof.check.document",
        "cumsum_model.proof.check.recount",
    ]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 2), st.integers(1, 3), st.sampled_from([0.1, 0.5, 2.0]), st.booleans())
def test_every_certificate_that_the_search_makes_is_accepted(seed, max_value, n_ctx, scale, uniform):
    generator = torch.Generator().manual_seed(seed)
    cfg = CumsumConfig(max_value=max_value, n_ctx=n_ctx, d_model=3, d_head=2, d_mlp=3)
    model = CumsumTransformer(cfg).requires_grad_(False)
    for parameter in model.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    if uniform:
        model.blocks[0].attn.W_K *= 1e-3
    verify(document_of(model), model)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=5))
def test_exact_numbers_are_exact(numbers):
    from fractions import Fraction

    assume(numbers)
    exact = Exact.of(np.array(numbers, dtype=np.float32))
    assert [Fraction(int(whole), 2**exact.digits) for whole in exact.whole] == [Fraction(number) for number in numbers]


def test_the_checkers_circuit_is_the_models(reference):
    """Its scores and columns, rounded, are what the model computes."""
    model = shortened(reference, 3)
    circuit = Circuit.of({name.split(".")[-1]: tensor.numpy() for name, tensor in model.state_dict().items()})
    tokens = torch.tensor([[3, 7, 10]])
    double = copy.deepcopy(model).double()
    _, cache = double.run_with_cache(tokens)
    scores = circuit.scores.whole[2, 10, np.arange(3), [3, 7, 10]].astype(float) / 2.0**circuit.scores.digits
    expected = cache["blocks.0.attn.hook_attn_scores"][0, 0, 2].numpy()
    assert scores / 12**0.5 == pytest.approx(expected, abs=1e-15)
