"""TransformerLens agrees: the same interventions through the hooks of a bridge with the same weights"""

import pytest
import torch

from cumsum_model import circuit, intervention, mutants
from cumsum_model.data import EVALUATION_SET
from cumsum_model.verification import claim

SOURCE = "TransformerLens 4, an independent implementation"
AGREEMENT = 1e-4
"""Logits; they reach about 100, so that this is float32 rounding and nothing else."""

ENGINE_ALTERED = [mutants.leak_next_token, mutants.add_instead_of_averaging, mutants.add_head_output_twice]
"""Mutants whose forward pass is altered and whose weights are not: the bridge computes what weights say."""


@pytest.fixture
def bridge(model):
    return model.bridge()


@claim(
    "The bridge gives the same logits",
    source=SOURCE,
    over=EVALUATION_SET,
    refuted_by=ENGINE_ALTERED,
)
def test_logits_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    with torch.no_grad():
        difference = (bridge(toks) - model(toks)).abs().max()
    assert measure("largest difference", difference, "logits") < AGREEMENT


@claim(
    "Zero-ablating any one neuron gives the same logits",
    source=SOURCE,
    over=f"every neuron of the first layer, {EVALUATION_SET}",
    refuted_by=ENGINE_ALTERED,
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
        assert measure("largest difference", (theirs - ours).abs().max(), "logits") < AGREEMENT


@claim(
    "Making attention uniform gives the same logits",
    source=SOURCE,
    over=EVALUATION_SET,
    refuted_by=[mutants.add_head_output_twice, mutants.add_mlp_output_twice],
)
def test_uniform_patterns_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    # The bridge's hook_attn_scores holds the pattern, and edits to it are discarded. A query of zero
    # makes every score zero instead, and the softmax does the rest.
    with torch.no_grad():
        theirs = bridge.run_with_hooks(toks, fwd_hooks=[("blocks.0.attn.hook_q", lambda q, hook: torch.zeros_like(q))])
        ours = model.run_with_hooks(toks, intervention.uniform_attention())
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < AGREEMENT


@claim(
    "Moving resid_mid along u gives the same logits",
    source=SOURCE,
    over=f"one unit of mean at every position, {EVALUATION_SET}",
    refuted_by=ENGINE_ALTERED,
)
def test_moves_along_u_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    shift = (circuit.value_slope(model) * circuit.value_direction(model)).to(model.W_E)
    # A bridge hook on hook_resid_mid reaches the MLP and not the skip connection. What attention adds to
    # the stream reaches both, so the move is made there.
    with torch.no_grad():
        theirs = bridge.run_with_hooks(
            toks, fwd_hooks=[("blocks.0.hook_attn_out", lambda attn_out, hook: attn_out + shift)]
        )
        ours = model.run_with_hooks(toks, intervention.move_resid_mid(shift))
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < AGREEMENT
