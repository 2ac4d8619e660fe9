"""The battery of symmetries: same probabilities, same proof, other weights."""

import functools

import pytest
import torch

from cumsum_model import mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set
from cumsum_model.mutants import symmetries
from cumsum_model.proof.certificate import certify
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

SAME = 1e-4
"""How far a probability may move: the rounding of new weights, and of the sums made with them, to float32.

A logit is a sum of products whose absolute values add up to at most 800, in the widest of these bases; float32 keeps
24 binary digits, so each rounding costs a logit 800 / 2^24 = 5e-5 at most, and a probability less than a logit.
Forgetting a parameter moves some probability by more than ten times as much.
"""

TWO_HEADS = CumsumConfig(n_heads=2, d_head=6)
TWO_LAYERS = CumsumConfig(max_value=2, n_ctx=8, n_layers=2, n_heads=2, d_model=10, d_head=4, d_mlp=4)

each = pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)


@functools.cache
def subject(name):
    """A trained model, or an untrained one that has biases too, since training starts from none."""
    if name in ("reference", "seed7", "length40"):
        return read_checkpoint(REFERENCE.parent / f"{name}.safetensors", SYSTEM).model
    model = copied(untrained({"two heads": TWO_HEADS, "two layers": TWO_LAYERS}[name], seed=1))
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(std=0.3, generator=generator)
    return model


@functools.cache
def probabilities(name, size=None):
    model = subject(name)
    return run(model, evaluation_set(model.cfg.max_value, model.cfg.n_ctx).toks[:size]).double().softmax(-1)


def difference(made, name, size=None):
    """The largest difference between two probabilities, over the evaluation set or its first `size` sequences."""
    cfg = made.cfg
    theirs = run(made, evaluation_set(cfg.max_value, cfg.n_ctx).toks[:size]).double().softmax(-1)
    return (theirs - probabilities(name, size)).abs().max().item()


def made_or_skipped(symmetry, model):
    try:
        return symmetry(model)
    except CannotBeMade as error:
        pytest.skip(str(error))


def changed(made, model):
    before = model.state_dict()
    return [key for key, weights in made.state_dict().items() if not torch.equal(weights, before[key])]


@pytest.mark.parametrize("name", ["reference", "seed7", "length40", "two heads", "two layers"])
@each
def test_no_probability_changes_though_weights_do(symmetry, name):
    made = made_or_skipped(symmetry, subject(name))
    assert made.cfg == subject(name).cfg
    assert all(weights.dtype == torch.float32 for weights in made.state_dict().values())
    assert difference(made, name) < SAME
    # By more than rounding: a weight differs by a hundredth of the largest of its parameter.
    before = subject(name).state_dict()
    assert any(
        (weights - before[key]).abs().max() > before[key].abs().max() / 100
        for key, weights in made.state_dict().items()
    )


@each
def test_a_symmetry_that_forgets_a_parameter_is_noticed(symmetry):
    """Each parameter in turn is put back to what it was; with several layers, heads and biases all of them matter.

    But b_K, which moves all scores of a query alike, and where a single parameter changes: putting that back undoes
    the symmetry.
    """
    model = subject("two layers")
    made = symmetry(model)
    names = changed(made, model)
    assert difference(made, "two layers", 500) < SAME
    if len(names) == 1:
        assert symmetry.changes == (symmetries.LOGIT_GAUGE,)
        return
    for name in names:
        if name.endswith("b_K"):
            continue
        forgetful = copied(made)
        forgetful.get_parameter(name).copy_(model.get_parameter(name))
        assert difference(forgetful, "two layers", 500) > 10 * SAME, name


@each
def test_a_symmetry_has_the_same_proof(symmetry):
    made = made_or_skipped(symmetry, subject("reference"))
    proof, original = certify(made, budget=0), certificate()
    assert original.proved_right
    assert proof.proved_right
    assert proof.smallest_margin == pytest.approx(original.smallest_margin, abs=SAME)
    for mine, theirs in zip(proof.lengths, original.lengths, strict=True):
        assert mine.smallest_margin == pytest.approx(theirs.smallest_margin, abs=SAME)


@functools.cache
def certificate():
    return certify(subject("reference"), budget=0)


@each
def test_a_symmetry_declares_what_it_changes(symmetry):
    assert symmetry.changes
    assert set(symmetry.changes) <= set(symmetries.EVERYTHING)
    assert symmetry.__doc__.splitlines()[0].endswith(".")


def test_everything_that_can_be_declared_is_changed_by_something():
    assert (*symmetries.ONE_BY_ONE, mutants.all_at_once) == mutants.SYMMETRIES
    assert {word for symmetry in symmetries.ONE_BY_ONE for word in symmetry.changes} == set(symmetries.EVERYTHING)
    assert mutants.all_at_once.changes == symmetries.EVERYTHING


@pytest.mark.parametrize("words", [(), ("the basis of the stram",)])
def test_a_misspelt_declaration_is_refused(words):
    with pytest.raises(ValueError, match="a symmetry changes some of"):
        symmetries.changes(*words)


@pytest.mark.parametrize(
    ("symmetry", "condition"),
    [
        (mutants.rescale_stream, (2, 4)),
        (mutants.shear_stream, (2.999, 3.001)),
        (mutants.rotate_stream, (0.999, 1.001)),
        (mutants.skew_stream, (9.99, 10.01)),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_how_far_a_change_of_basis_goes(reference, symmetry, condition):
    """Read off the weights: the matrix M that takes old vectors to new ones, W_pos M and W_E M."""
    old, new = (torch.cat([model.W_E, model.W_pos]).double() for model in (reference, symmetry(reference)))
    M = torch.linalg.lstsq(old, new).solution
    torch.testing.assert_close(old @ M, new, atol=1e-6, rtol=0)
    assert condition[0] < torch.linalg.cond(M) < condition[1]
    if symmetry is mutants.shear_stream:
        torch.testing.assert_close(M.tril(), torch.eye(24, dtype=torch.float64), atol=1e-4, rtol=0)


def test_where_there_is_nothing_to_change_it_says_so():
    smallest = untrained(CumsumConfig(d_model=1, d_head=1, d_mlp=1, n_ctx=4), seed=0)
    reasons = {}
    for symmetry in mutants.SYMMETRIES:
        try:
            assert symmetry(smallest).cfg == smallest.cfg
        except CannotBeMade as error:
            reasons[symmetry.__name__] = str(error)
    one_dimension = "the stream has one dimension, whose only change of basis is a scale"
    assert reasons == {
        "shear_stream": one_dimension,
        "rotate_stream": one_dimension,
        "skew_stream": one_dimension,
        "fold_b_V_into_b_O": "b_V is zero already",
        "fold_b_out_into_readers": "b_out is zero already",
        "renumber_neurons": "there is no second neuron",
        "renumber_heads": "there is no second head",
    }


@each
def test_a_symmetry_leaves_the_global_generator_alone(symmetry):
    before = torch.random.get_rng_state()
    made_or_skipped(symmetry, subject("two layers"))
    assert torch.equal(torch.random.get_rng_state(), before)
