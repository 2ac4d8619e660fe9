import math

import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset
from cumsum_model.model import CumsumTransformer
from cumsum_model.task import untrained
from toy_model.config import AXES

SIZES = [
    CumsumConfig(),
    CumsumConfig(max_value=3, n_ctx=7, n_layers=2, n_heads=3, d_model=10, d_head=4, d_mlp=5),
]


def by_hand(model, sequence):
    """The formula of the write-up for one layer and one head, one query at a time, in float64."""
    W = {name: tensor.double() for name, tensor in model.state_dict().items()}
    attn = {name: W[f"blocks.0.attn.{name}"][0] for name in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V")}
    resid_pre = torch.stack([W["embed.W_E"][tok] + W["pos_embed.W_pos"][j] for j, tok in enumerate(sequence)])
    logits = []
    for n in range(len(sequence)):
        q = resid_pre[n] @ attn["W_Q"] + attn["b_Q"]
        keys = resid_pre[: n + 1] @ attn["W_K"] + attn["b_K"]
        pattern = (keys @ q / math.sqrt(len(q))).softmax(0)
        moved = pattern @ (resid_pre[: n + 1] @ attn["W_V"] + attn["b_V"]) @ attn["W_O"]
        resid_mid = resid_pre[n] + moved + W["blocks.0.attn.b_O"]
        post = (resid_mid @ W["blocks.0.mlp.W_in"] + W["blocks.0.mlp.b_in"]).relu()
        resid_post = resid_mid + post @ W["blocks.0.mlp.W_out"] + W["blocks.0.mlp.b_out"]
        logits.append(resid_post @ W["unembed.W_U"] + W["unembed.b_U"])
    return torch.stack(logits)


def test_forward_pass_is_the_formula():
    model = untrained(CumsumConfig(), seed=1)
    for _, parameter in model.named_parameters():  # biases too
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.1)
    toks = CumsumDataset(5, 5, 20, seed=3).toks
    for sequence, logits in zip(toks.tolist(), model(toks), strict=True):
        torch.testing.assert_close(logits.double(), by_hand(model, sequence), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cfg", SIZES, ids=["published", "other"])
def test_parameters_have_classic_names_and_shapes(cfg):
    state = CumsumTransformer(cfg).state_dict()
    assert len(state) == 4 + 12 * cfg.n_layers
    for name, tensor in state.items():
        assert tuple(tensor.shape) == tuple(getattr(cfg, axis) for axis in AXES[name.rpartition(".")[2]])
    assert {
        "embed.W_E",
        "pos_embed.W_pos",
        "blocks.0.attn.W_Q",
        "blocks.0.mlp.b_out",
        "unembed.b_U",
    } <= state.keys()


def test_published_sizes_have_2447_parameters():
    assert sum(parameter.numel() for parameter in CumsumTransformer().parameters()) == 2447


@pytest.mark.parametrize("cfg", SIZES, ids=["published", "other"])
def test_bridge_has_equal_weights_and_logits(cfg):
    model = untrained(cfg, seed=4)
    toks = CumsumDataset(50, cfg.max_value, cfg.n_ctx, seed=5).toks
    before = torch.get_rng_state()
    bridge = model.bridge()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        torch.testing.assert_close(bridge(toks), model(toks), atol=1e-4, rtol=0)
    assert torch.equal(bridge.embed.weight, model.W_E)


def test_bridge_of_the_reference_agrees(reference):
    toks = CumsumDataset(200, 5, 20, seed=6).toks
    with torch.no_grad():
        torch.testing.assert_close(reference.bridge()(toks), reference(toks), atol=1e-4, rtol=0)


def test_no_position_sees_the_future(reference):
    toks = CumsumDataset(20, 5, 20, seed=7).toks
    changed = toks.clone()
    changed[:, 12:] = 10 - changed[:, 12:]
    assert torch.equal(reference(toks)[:, :12], reference(changed)[:, :12])


def test_cache_holds_every_activation_under_its_classic_name(reference):
    toks = CumsumDataset(3, 5, 20).toks
    logits, cache = reference.run_with_cache(toks)
    torch.testing.assert_close(logits, reference(toks), atol=1e-4, rtol=0)
    attn = {f"blocks.0.attn.hook_{name}" for name in ("q", "k", "v", "attn_scores", "pattern", "z")}
    stream = {f"blocks.0.hook_{name}" for name in ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")}
    mlp = {"blocks.0.mlp.hook_pre", "blocks.0.mlp.hook_post"}
    assert cache.keys() == {"hook_embed", "hook_pos_embed"} | attn | stream | mlp
    assert cache["blocks.0.attn.hook_pattern"].shape == (3, 1, 20, 20)
    assert cache["blocks.0.attn.hook_q"].shape == (3, 20, 1, 12)
    resid_mid = cache["blocks.0.hook_resid_pre"] + cache["blocks.0.hook_attn_out"]
    assert torch.equal(cache["blocks.0.hook_resid_mid"], resid_mid)


def test_a_hook_on_resid_mid_moves_the_skip_connection_too(reference):
    toks = CumsumDataset(3, 5, 20).toks
    _, cache = reference.run_with_cache(toks)
    wanted = cache["blocks.0.hook_resid_mid"] + 1
    mlp = reference.blocks[0].mlp
    post = (wanted @ mlp.W_in + mlp.b_in).relu()
    by_hand = (wanted + post @ mlp.W_out + mlp.b_out) @ reference.W_U + reference.unembed.b_U
    hooked = reference.run_with_hooks(toks, {"blocks.0.hook_resid_mid": lambda resid: resid + 1})
    torch.testing.assert_close(hooked, by_hand)


def test_a_hook_on_scores_changes_the_pattern(reference):
    toks = CumsumDataset(3, 5, 20).toks
    first = lambda scores: scores.index_fill(-1, torch.tensor([0]), 100.0)  # noqa: E731
    seen = {}
    reference.run_with_hooks(
        toks,
        {
            "blocks.0.attn.hook_attn_scores": first,
            "blocks.0.attn.hook_pattern": lambda pattern: seen.setdefault("pattern", pattern),
        },
    )
    assert (seen["pattern"][..., 0] > 0.999).all()


def test_a_hook_that_is_never_met_is_an_error(reference):
    with pytest.raises(ValueError, match=r"no such activation: blocks\.1\.hook_resid_mid"):
        reference.run_with_hooks(CumsumDataset(1, 5, 4).toks, {"blocks.1.hook_resid_mid": lambda resid: resid})


def test_sequences_longer_than_the_context_are_refused(reference):
    with pytest.raises(ValueError, match="21 do not fit in n_ctx = 20"):
        reference(torch.zeros(1, 21, dtype=torch.long))


@pytest.mark.parametrize("impossible", [{"d_mlp": -1}, {"n_heads": -1}, {"n_ctx": 2.5}])
def test_impossible_sizes_are_named(impossible):
    with pytest.raises(ValueError, match=next(iter(impossible))):
        CumsumConfig(**impossible)
