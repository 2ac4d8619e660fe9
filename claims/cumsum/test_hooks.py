"""TransformerLens agrees: the same interventions through the hooks of a bridge with the same weights"""

import pytest
import torch
from pytest_claims import claim

from cumsum_model import mutants, ov_circuit
from cumsum_model.data import EVALUATION_SET
from cumsum_model.neurons import no_neurons
from cumsum_model.proof.rounding import logit_error
from toy_model import intervention

SOURCE = "TransformerLens 4, an independent implementation"


def agreement(model, logits):
    """How far two float32 computations of the same logits can be from each other: each is as near to the exact ones.

    A forward error bound, from the weights: it grows with the logits, and with whatever cancels on the way. Never more
    than a thousandth of the largest logit, and a hundredth of that for models of several layers, which have no bound.
    """
    largest = logits.abs().max().item()
    return min(2 * logit_error(model), largest / 1000) if model.cfg.n_layers == 1 else largest / 100_000


ENGINE_ALTERED = [mutants.leak_next_token, mutants.add_instead_of_averaging, mutants.add_head_output_twice]
"""Mutants whose forward pass is altered and whose weights are not: the bridge computes what weights say."""


@pytest.fixture
def bridge(model):
    return model.bridge()


@claim(
    "The TransformerLens bridge computes the same logits, up to float32 rounding",
    source=SOURCE,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=ENGINE_ALTERED,
    instrument=True,
)
def test_logits_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    with torch.no_grad():
        theirs, ours = bridge(toks), model(toks)
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < agreement(model, ours)


@claim(
    "Zero-ablating any one neuron through its hooks gives the same logits, up to float32 rounding",
    source=SOURCE,
    over=f"every neuron of the first layer, {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=ENGINE_ALTERED,
    unless=no_neurons,
    instrument=True,
)
def test_ablations_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    for neuron in range(model.cfg.d_mlp):

        def silence(post, hook, neuron=neuron):
            post = post.clone()  # cached keys alias each other: writing into one would change the others
            post[..., neuron] = 0
            return post

        with torch.no_grad():
            theirs = bridge.run_with_hooks(toks, fwd_hooks=[("blocks.0.mlp.hook_post", silence)])
            ours = model.run_with_hooks(toks, intervention.zero_neurons([neuron]))
        assert measure("largest difference", (theirs - ours).abs().max(), "logits") < agreement(model, ours)


@claim(
    "Making attention uniform through its hooks gives the same logits, up to float32 rounding",
    source=SOURCE,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=[mutants.add_head_output_twice, mutants.add_mlp_output_twice],
    instrument=True,
)
def test_uniform_patterns_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    # The bridge's hook_attn_scores holds the pattern, and edits to it are discarded. A query of zero
    # makes every score zero instead, and the softmax does the rest.
    with torch.no_grad():
        theirs = bridge.run_with_hooks(toks, fwd_hooks=[("blocks.0.attn.hook_q", lambda q, hook: torch.zeros_like(q))])
        ours = model.run_with_hooks(toks, intervention.uniform_attention())
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < agreement(model, ours)


@claim(
    "Moving resid_mid along u through its hooks gives the same logits, up to float32 rounding",
    source=SOURCE,
    over=f"one unit of mean at every position, {EVALUATION_SET}",
    evidence="sampled",
    refuted_by=ENGINE_ALTERED,
    instrument=True,
)
def test_moves_along_u_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    shift = ov_circuit.value_step(model).to(model.W_E)
    # A bridge hook on hook_resid_mid reaches the MLP and not the skip connection. What attention adds to
    # the stream reaches both, so the move is made there.
    with torch.no_grad():
        theirs = bridge.run_with_hooks(
            toks, fwd_hooks=[("blocks.0.hook_attn_out", lambda attn_out, hook: attn_out + shift)]
        )
        ours = model.run_with_hooks(toks, intervention.move_resid_mid(shift))
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < agreement(model, ours)
