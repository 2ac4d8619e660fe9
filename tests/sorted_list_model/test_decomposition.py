"""The parts of the logits add up to the logits, and each is what the model's own activations say."""

import pytest
import torch
from einops import einsum

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.decomposition import decompose, direct_readouts, readout, scores
from sorted_list_model.task import untrained
from toy_model.surgery import copied

SIZES = [SortedListConfig(), SortedListConfig(max_value=9, n_ctx=7, n_heads=3, d_model=10, d_head=4)]


@pytest.fixture(params=SIZES, ids=["published sizes", "other sizes"])
def model(request):
    model = untrained(request.param, seed=1)
    for parameter in model.parameters():  # biases and layer norms too
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.1)
    return model.double()


@pytest.fixture
def data(model):
    return SortedListDataset(20, model.cfg.list_len, model.cfg.max_value, seed=3)


def test_logits_and_patterns_are_those_of_the_model(model, data):
    parts, (logits, cache) = decompose(model, data), model.run_with_cache(data.toks)
    torch.testing.assert_close(parts.logits, logits[:, data.scored], atol=1e-10, rtol=0)
    pattern = cache["blocks.0.attn.hook_pattern"][:, :, data.scored, :-1]
    torch.testing.assert_close(parts.pattern, pattern, atol=1e-12, rtol=0)
    torch.testing.assert_close(parts.scale, cache["ln_final.hook_scale"][:, data.scored, 0], atol=1e-12, rtol=0)


def test_scores_are_those_of_the_model(model, data):
    _, cache = model.run_with_cache(data.toks)
    n, toks = model.cfg.list_len, data.toks[0]
    theirs = cache["blocks.0.attn.hook_attn_scores"][0, :, n + 1, :n]
    ours = scores(model)[:, 1, toks[n + 1], torch.arange(n), toks[:n]]
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)


def test_the_parts_add_up_to_the_logits(model, data):
    """Up to what is common to all answers of a query, which readouts leave out."""
    parts = decompose(model, data)
    of_sources = parts.ov[:, torch.arange(parts.sources.shape[1]), parts.sources]
    from_heads = einsum(parts.pattern, of_sources, "batch head query key, head batch key tok -> batch query tok")
    written = from_heads + parts.direct + readout(model, model.blocks[0].attn.b_O)
    bias = model.ln_final.b @ model.W_U + model.unembed.b_U
    added_up, logits = written / parts.scale[..., None] + bias, parts.logits
    rest = added_up - logits
    torch.testing.assert_close(rest, rest[..., :1].expand_as(rest), atol=1e-10, rtol=0)


def test_readouts_do_not_depend_on_what_all_logits_have_in_common(model, data):
    """The same vector added to the unembedding of every answer changes no probability, and no readout."""
    parts = decompose(model, data)
    shifted = copied(model)
    shifted.W_U.add_(torch.randn(model.cfg.d_model, generator=torch.Generator().manual_seed(4)).to(model.W_U)[:, None])
    others = decompose(shifted, data)
    assert not torch.allclose(others.logits, parts.logits, atol=0.1)
    for name in ("ov", "direct", "scale", "pattern"):
        torch.testing.assert_close(getattr(others, name), getattr(parts, name), atol=1e-10, rtol=0)


def test_the_attribution_of_a_number_is_its_part_of_the_logit(model, data):
    """Taking the source out of the pattern, with the scale held, lowers the logit by just its attribution."""
    parts, y = decompose(model, data), data.targets
    attributed = parts.attribution(y, y)
    for seq in range(3):
        for query in range(model.cfg.list_len):
            key = data.lists[seq].tolist().index(int(y[seq, query]))
            by_hand = parts.pattern[seq, :, query, key] * parts.ov[:, key, y[seq, query], y[seq, query]]
            torch.testing.assert_close(attributed[seq, :, query], by_hand / parts.scale[seq, query])


def test_the_direct_path_is_that_of_the_tokens_own_embedding(model, data):
    n = model.cfg.list_len
    parts, direct = decompose(model, data), direct_readouts(model)
    torch.testing.assert_close(parts.direct, direct[torch.arange(n, 2 * n), data.current])


def test_what_is_not_finite_is_refused(model, data):
    model.W_U[0, 0] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        decompose(model, data)
