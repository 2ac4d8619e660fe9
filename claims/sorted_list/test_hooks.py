"""TransformerLens agrees: the same interventions through the hooks of a bridge with the same weights"""

import pytest
import torch
from pytest_claims import claim

from sorted_list_model import mutants
from sorted_list_model.data import EVALUATION_SET
from sorted_list_model.scope import no_account_of
from toy_model import intervention

SOURCE = "TransformerLens 4, an independent implementation"
AGREEMENT = 1e-4
"""Logits: what float32 leaves of them. The smallest margins that decide an answer are a hundred times as large."""

ENGINE_ALTERED = [mutants.cut_direct_path, mutants.freeze_final_scale, mutants.shun_the_first_number]
"""Mutants whose forward pass is altered and whose weights are not: the bridge computes what weights say."""


@pytest.fixture
def bridge(model):
    return model.bridge()


@claim(
    "The TransformerLens bridge computes the same logits, to a ten-thousandth",
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
    assert measure("largest difference", (theirs - ours).abs().max(), "logits") < AGREEMENT


@claim(
    "Zero-ablating either head through its hooks gives the same logits, to a ten-thousandth",
    source=SOURCE,
    over=EVALUATION_SET,
    evidence="sampled",
    refuted_by=ENGINE_ALTERED,
    instrument=True,
    unless=no_account_of,
)
def test_ablations_agree(model, measure, data, bridge):
    toks = data.toks.to(model.device)
    for head in range(model.cfg.n_heads):

        def silence(z, hook, head=head):
            z = z.clone()
            z.view(*z.shape[:2], model.cfg.n_heads, -1)[:, :, head] = 0
            return z

        with torch.no_grad():
            theirs = bridge.run_with_hooks(toks, fwd_hooks=[("blocks.0.attn.hook_z", silence)])
            ours = model.run_with_hooks(toks, intervention.zero_heads([head]))
        assert measure("largest difference", (theirs - ours).abs().max(), "logits") < AGREEMENT
