"""The battery of symmetries: the same probabilities, other weights, and what each says that it changes."""

import functools

import pytest
import torch

from sorted_list_model import mutants
from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset, evaluation_set
from sorted_list_model.decomposition import decompose
from sorted_list_model.mutants import symmetries
from sorted_list_model.scope import reference_model
from sorted_list_model.system import SYSTEM
from sorted_list_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import read_checkpoint
from toy_model.engine import run
from toy_model.surgery import CannotBeMade, copied

SAME = 1e-4
"""How far a probability may move: the rounding of new weights, and of sums made with them, to float32."""

SIZES = {
    "three heads": SortedListConfig(max_value=9, n_ctx=9, n_heads=3, d_model=12, d_head=5),
    "one head": SortedListConfig(max_value=9, n_ctx=9, n_heads=1, d_model=12, d_head=5),
}

each = pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)


@functools.cache
def subject(name):
    """A trained model, or an untrained one whose biases and layer norms do something too."""
    if name == "reference":
        return reference_model()
    if name == "seed7":
        return read_checkpoint(REFERENCE.parent / "seed7.safetensors", SYSTEM).model
    model, generator = copied(untrained(SIZES[name], seed=1)), torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    return model


def probabilities(model):
    data = evaluation_set(model.cfg.max_value, model.cfg.list_len)
    return run(model, data.toks, data.scored).double().softmax(-1)


def difference(made, model):
    return (probabilities(made) - probabilities(model)).abs().max().item()


def made_or_skipped(symmetry, model):
    try:
        return symmetry(model)
    except CannotBeMade as error:
        assert model.cfg.n_heads == 1
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["reference", "seed7", *SIZES])
@each
def test_no_probability_changes_though_weights_do(symmetry, name):
    model = subject(name)
    made = made_or_skipped(symmetry, model)
    assert made.cfg == model.cfg
    assert all(weights.dtype == torch.float32 for weights in made.state_dict().values())
    assert difference(made, model) < SAME
    before = model.state_dict()
    assert any(
        (weights - before[key]).abs().max() > before[key].abs().max() / 100
        for key, weights in made.state_dict().items()
    )


@each
def test_a_symmetry_that_forgets_a_parameter_is_noticed(symmetry):
    """Each parameter in turn is put back to what it was.

    But b_K, which moves all scores of a query alike; and where putting it back leaves another symmetry, as with each
    matrix that writes to the stream where a constant is added to all of its dimensions.
    """
    model = subject("three heads")
    made = symmetry(model)
    names = [name for name, weights in made.state_dict().items() if not torch.equal(weights, model.get_parameter(name))]
    harmless = {
        "shift_stream_mean": ["embed.W_E", "pos_embed.W_pos", "blocks.0.attn.W_O"],
        "shift_logits_by_a_constant": ["unembed.b_U"],
        "shift_unembeddings": ["unembed.W_U"],
    }.get(symmetry.__name__, [])
    if harmless:
        assert sorted(names) == sorted(harmless)
    for name in names:
        if name.endswith("b_K"):
            continue
        forgetful = copied(made)
        forgetful.get_parameter(name).copy_(model.get_parameter(name))
        if name in harmless:
            assert difference(forgetful, model) < SAME
        else:
            assert difference(forgetful, model) > 10 * SAME, name


def changed_by(made, model):
    """Which of what can be declared differs: each read off weights in a way that the others leave alone."""
    attn, theirs = made.blocks[0].attn, model.blocks[0].attn
    data = SortedListDataset(20, model.cfg.list_len, model.cfg.max_value, seed=0)
    parts, others = decompose(made, data), decompose(model, data)

    def differs(mine, other):
        return not torch.allclose(mine.double(), other.double(), atol=1e-3 * float(other.abs().max()))

    found = set()
    if differs(parts.pattern, others.pattern):
        found.add(symmetries.HEAD_NUMBERS)
    if differs(_gram(attn.W_K), _gram(theirs.W_K)) and differs(_gram(attn.W_O.mT), _gram(theirs.W_O.mT)):
        found.add(symmetries.HEAD_BASES)
    if differs(parts.logits, others.logits) or differs(made.W_U.mean(-1), model.W_U.mean(-1)):
        found.add(symmetries.LOGIT_GAUGE)
    if differs(made.ln_final.w, model.ln_final.w):
        found.add(symmetries.LAYER_NORM)
    if differs(made.W_E, model.W_E):
        found.add(symmetries.STREAM_BASIS)
    return found


def _gram(weights):
    """Inner products of the columns of all heads, sorted: of any numbers of heads and basis of the stream."""
    gram = weights.double().mT @ weights.double()
    return torch.linalg.eigvalsh(gram).sort(0).values


MOVES = {
    "exchange_heads": {symmetries.HEAD_NUMBERS},
    "change_head_basis": {symmetries.HEAD_BASES},
    "shift_logits_by_a_constant": {symmetries.LOGIT_GAUGE},
    "shift_unembeddings": {symmetries.LOGIT_GAUGE},
}


@pytest.mark.parametrize("name", MOVES)
def test_what_is_changed_is_what_is_declared(name):
    symmetry = getattr(mutants, name)
    assert changed_by(symmetry(subject("three heads")), subject("three heads")) == set(symmetry.changes) == MOVES[name]


def test_folded_layer_norms_are_the_identity_and_the_stream_is_as_it_was():
    model = subject("three heads")
    made = mutants.fold_layer_norm(model)
    assert not torch.allclose(model.ln_final.w, torch.ones(12), atol=0.01)
    for norm in (made.blocks[0].ln1, made.ln_final):
        assert torch.equal(norm.w, torch.ones(12))
        assert not norm.b.any()
    toks = torch.arange(9)[None]
    mine, theirs = (which.run_with_cache(toks)[1]["blocks.0.hook_resid_post"] for which in (made, model))
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=0)
    assert mutants.fold_layer_norm.changes == (symmetries.LAYER_NORM,)


@pytest.mark.parametrize("symmetry", [mutants.shift_stream_mean, mutants.rotate_stream])
def test_the_stream_is_written_otherwise_and_read_as_the_same(symmetry):
    """Centred vectors keep their inner products, whichever basis they are written in."""
    model = subject("three heads")
    made, toks = symmetry(model), torch.arange(9)[None]
    mine, theirs = (which.run_with_cache(toks)[1]["blocks.0.hook_resid_pre"][0].double() for which in (made, model))
    assert (mine - theirs).abs().max() > 0.1
    mine, theirs = (each - each.mean(-1, keepdim=True) for each in (mine, theirs))
    torch.testing.assert_close(mine @ mine.T, theirs @ theirs.T, atol=1e-3, rtol=0)
    assert torch.allclose(mine, theirs, atol=1e-4) == (symmetry is mutants.shift_stream_mean)
    assert symmetries.STREAM_BASIS in symmetry.changes


def test_heads_exchange_their_patterns():
    data = evaluation_set().first(20)
    mine, theirs = (decompose(model, data) for model in (mutants.exchange_heads(reference_model()), reference_model()))
    assert torch.equal(mine.pattern, theirs.pattern.flip(1))
    assert torch.equal(mine.ov, theirs.ov.flip(0))


def test_bases_of_heads_are_skewed_as_far_as_they_say():
    """Read off the weights: the matrix that takes old keys to new ones."""
    model = reference_model()
    made = mutants.change_head_basis(model)
    for head in range(2):
        for name in ("W_Q", "W_K", "W_V"):
            mine, theirs = (getattr(which.blocks[0].attn, name)[head].double() for which in (made, model))
            U, S, _ = torch.linalg.svd(theirs, full_matrices=False)
            assert S[-1] > 0
            M = torch.linalg.lstsq(theirs, mine, driver="gelsd").solution
            strong = torch.linalg.svdvals(U.T @ mine)[0] / S[0]
            assert 1 / symmetries.HEAD_SKEW <= strong <= symmetries.HEAD_SKEW
            torch.testing.assert_close(theirs @ M, mine, atol=1e-4, rtol=0)


def test_everything_that_can_be_declared_is_changed_by_something():
    assert {word for symmetry in mutants.SYMMETRIES for word in symmetry.changes} == set(symmetries.EVERYTHING)
    assert mutants.all_at_once.changes == symmetries.EVERYTHING
    assert changed_by(mutants.all_at_once(subject("three heads")), subject("three heads")) == set(symmetries.EVERYTHING)


@pytest.mark.parametrize("words", [(), ("the basis of the stram",)])
def test_a_misspelt_declaration_is_refused(words):
    with pytest.raises(ValueError, match="a symmetry changes some of"):
        symmetries.changes(*words)
