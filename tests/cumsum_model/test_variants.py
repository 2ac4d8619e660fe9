"""Each variant against the intervention that it writes into the weights, and in other bases against itself."""

import pytest
import torch

from cumsum_model import mutants, variants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset
from cumsum_model.neurons import read_neurons
from cumsum_model.reading import mean_readout, value_step
from cumsum_model.task import untrained
from toy_model import intervention, surgery
from toy_model.engine import run
from toy_model.surgery import copied

ROUNDING = 1e-3
"""Of a logit: those of the widest model here are up to 200, and float32 rounds each of some hundred terms."""


def with_biases(cfg):
    model = copied(untrained(cfg, seed=1))
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if not parameter.any():
            parameter.normal_(std=0.3, generator=generator)
    return model


@pytest.fixture(params=["shipped", "size votes zero", "attends to large values", "two heads with biases"])
def subject(request, reference):
    made = {
        "shipped": lambda: reference,
        "size votes zero": lambda: mutants.let_size_vote_zero(reference),
        "attends to large values": lambda: mutants.attend_to_large_values(reference),
        "two heads with biases": lambda: with_biases(CumsumConfig(n_heads=2, d_head=6)),
    }
    return made[request.param]()


TOKS = CumsumDataset(100, 5, 20, seed=6).toks


def reduced_head(model, *, along):
    """What the heads write for a token, reduced to what `mean_readout` reads, along `value_step`; or to the rest."""
    attn, average = model.blocks[0].attn, (model.W_E.mean(0) + model.W_pos.mean(0)).double()
    by_head = average @ attn.W_V.double() + attn.b_V.double()
    common = attn.b_O.double() + (by_head[:, None] @ attn.W_O.double()).sum((0, 1))

    def reduce(attn_out):
        written = attn_out.double() - common
        on_step = (written @ mean_readout(model))[..., None] * value_step(model)
        return (common + (on_step if along else written - on_step)).to(attn_out)

    return {"blocks.0.hook_attn_out": reduce}


def linear_neurons(model):
    """Every neuron that fires at a mean of zero passes its pre-activation on, and no other writes anything."""
    seen, passes = {}, read_neurons(model).fires_at_zero

    def keep(pre):
        seen["pre"] = pre
        return pre

    return {"blocks.0.mlp.hook_pre": keep, "blocks.0.mlp.hook_post": lambda _: seen["pre"] * passes}


INTERVENTIONS = {
    variants.with_uniform_attention: lambda model: intervention.uniform_attention(),
    variants.without_relus: linear_neurons,
    variants.with_head_along_the_step: lambda model: reduced_head(model, along=True),
    variants.without_the_step: lambda model: reduced_head(model, along=False),
}

each = pytest.mark.parametrize("variant", INTERVENTIONS, ids=lambda variant: variant.__name__)


@each
def test_a_variant_is_the_intervention_in_the_weights(subject, variant):
    before = {name: weights.clone() for name, weights in subject.state_dict().items()}
    made = variant(subject)
    expected = intervention.run_under(subject, TOKS, INTERVENTIONS[variant](subject))
    torch.testing.assert_close(run(made, TOKS), expected, atol=ROUNDING, rtol=1e-4)
    assert all(torch.equal(weights, before[name]) for name, weights in subject.state_dict().items())
    assert not any(parameter.requires_grad for parameter in made.parameters())


@each
def test_a_variant_is_noticed_somewhere(reference, variant):
    """None of these comparisons is of models that are alike anyway: each variant changes a logit of some subject."""
    subjects = (reference, mutants.attend_to_large_values(reference), mutants.let_size_vote_zero(reference))
    assert max((run(variant(model), TOKS) - run(model, TOKS)).abs().max().item() for model in subjects) > 0.1


@pytest.mark.parametrize(
    "symmetry",
    [
        mutants.skew_stream,
        mutants.shift_embeddings,
        mutants.fold_b_V_into_b_O,
        mutants.move_W_pos_to_biases,
        mutants.all_at_once,
    ],
    ids=lambda symmetry: symmetry.__name__,
)
@each
def test_no_symmetry_matters(reference, variant, symmetry):
    """The variant of a model in other weights gives the same probabilities."""
    model = mutants.let_size_vote_zero(reference)
    made = symmetry(model)
    before, after = (run(variant(which), TOKS).double().softmax(-1) for which in (model, made))
    torch.testing.assert_close(before, after, atol=5e-4, rtol=0)


def test_a_projection_on_u_depends_on_the_basis(reference):
    """Where the naive variant fails: an orthogonal projection of what the head writes, in two bases."""
    from cumsum_model.ov_circuit import value_direction

    def naive(model):
        made, u = copied(model), value_direction(model)
        made.blocks[0].attn.W_O.copy_(model.blocks[0].attn.W_O.double() @ (torch.eye(24).double() - torch.outer(u, u)))
        return run(made, TOKS).double().softmax(-1)

    model = mutants.let_size_vote_zero(reference)
    assert (naive(model) - naive(mutants.skew_stream(model))).abs().max() > 0.01


def test_the_two_parts_of_the_head_are_complements(subject):
    """What is written along the step and what is not add up to what is written: in the weights of the heads."""
    W_O = subject.blocks[0].attn.W_O.double()
    along, rest = (
        variant(subject).blocks[0].attn.W_O.double()
        for variant in (variants.with_head_along_the_step, variants.without_the_step)
    )
    torch.testing.assert_close(along + rest, W_O, atol=1e-5, rtol=1e-5)
    readout = mean_readout(subject)
    assert (rest @ readout).abs().max() < 1e-6 * W_O.norm() * readout.norm()


@pytest.mark.parametrize("times", [0.5, 8])
def test_louder_logits_are_so_many_times_as_large(subject, times):
    expected = times * run(subject, TOKS)
    torch.testing.assert_close(run(surgery.louder(subject, times), TOKS), expected, atol=8 * ROUNDING, rtol=1e-4)


def test_uniform_attention_is_uniform_to_the_last_bit(subject):
    _, cache = variants.with_uniform_attention(subject).run_with_cache(TOKS[:5])
    pattern = cache["blocks.0.attn.hook_pattern"]
    assert all(torch.equal(pattern[..., n - 1, :n], torch.full_like(pattern[..., n - 1, :n], 1 / n)) for n in (1, 2, 4))
