import pytest
import torch

from cumsum_model import ov_circuit, residual_stream
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set, near_zero_set
from cumsum_model.task import untrained
from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import SortedListDataset
from sorted_list_model.task import untrained as untrained_on_lists
from toy_model import intervention
from toy_model.behaviour import cross_entropy, resid_mid
from toy_model.engine import run
from toy_model.surgery import copied

DATA = evaluation_set(5, 20)


def post_of(model, hooks):
    """What the neurons output with an intervention in place."""
    seen = {}
    name = "blocks.0.mlp.hook_post"
    model.run_with_hooks(DATA.toks, {name: lambda post: seen.setdefault("post", hooks[name](post))})
    return seen["post"]


@pytest.fixture(scope="module")
def post(reference):
    return reference.run_with_cache(DATA.toks)[1]["blocks.0.mlp.hook_post"]


def test_zero_ablation_silences_the_named_neurons_and_no_other(reference, post):
    ablated = post_of(reference, intervention.zero_neurons([2, 5]))
    assert not ablated[..., [2, 5]].any()
    others = [0, 1, 3, 4, 6, 7]
    assert torch.equal(ablated[..., others], post[..., others])


def test_mean_ablation_holds_neurons_at_their_mean_over_everything(reference, post):
    ablated = post_of(reference, intervention.mean_neurons([2]))
    assert ablated[..., 2].unique().numel() == 1
    assert ablated[0, 0, 2].item() == pytest.approx(post[..., 2].mean().item(), rel=1e-5)


def test_resample_ablation_takes_whole_sequences_from_the_same_batch(reference, post):
    ablated = post_of(reference, intervention.resample_neurons(range(8)))
    order = torch.randperm(len(post), generator=torch.Generator().manual_seed(intervention.RESAMPLING_SEED))
    assert torch.equal(ablated, post[order])
    again = post_of(reference, intervention.resample_neurons(range(8)))
    assert torch.equal(ablated, again)
    assert not torch.equal(ablated, post_of(reference, intervention.resample_neurons(range(8), seed=1)))


@pytest.fixture(scope="module")
def three_heads():
    return untrained(CumsumConfig(n_heads=3, d_head=5), seed=1)


@pytest.fixture(scope="module")
def z(three_heads):
    return three_heads.run_with_cache(DATA.toks)[1]["blocks.0.attn.hook_z"]


def z_of(model, hooks):
    """What the heads write from, with an intervention in place."""
    (name,) = hooks
    seen = {}
    model.run_with_hooks(DATA.toks, {name: lambda z: seen.setdefault("z", hooks[name](z))})
    return seen["z"]


@pytest.mark.parametrize("ablate", intervention.HEAD_ABLATIONS.values(), ids=intervention.HEAD_ABLATIONS)
def test_ablating_heads_leaves_the_others(three_heads, z, ablate):
    before = z.clone()
    ablated = z_of(three_heads, ablate([0, 2]))
    assert torch.equal(ablated[:, :, 1], z[:, :, 1])
    for head in (0, 2):
        assert not torch.equal(ablated[:, :, head], z[:, :, head])
    replaced = ablate([1])["blocks.0.attn.hook_z"](z)
    assert replaced is not z
    assert torch.equal(z, before)


def test_what_ablated_heads_write(three_heads, z):
    """Nothing; one mean; the mean of each position; what they write on another sequence of the batch."""
    assert not z_of(three_heads, intervention.zero_heads([1]))[:, :, 1].any()
    held = z_of(three_heads, intervention.mean_heads([1]))[:, :, 1]
    torch.testing.assert_close(held, z[:, :, 1].mean((0, 1)).expand_as(held))
    held = z_of(three_heads, intervention.positional_mean_heads([1]))[:, :, 1]
    torch.testing.assert_close(held, z[:, :, 1].mean(0).expand_as(held))
    assert held[0].std(0).min() > 0
    order = torch.randperm(len(z), generator=torch.Generator().manual_seed(intervention.RESAMPLING_SEED))
    assert torch.equal(z_of(three_heads, intervention.resample_heads([1]))[:, :, 1], z[order, :, 1])
    other = torch.randperm(len(z), generator=torch.Generator().manual_seed(5))
    assert torch.equal(z_of(three_heads, intervention.resample_heads([1], seed=5))[:, :, 1], z[other, :, 1])


def test_a_zero_ablated_head_is_one_whose_output_matrix_is_zero(three_heads):
    silenced = copied(three_heads)
    silenced.blocks[0].attn.W_O[1] = 0
    logits = intervention.run_under(three_heads, DATA.toks, intervention.zero_heads([1]))
    torch.testing.assert_close(logits, run(silenced, DATA.toks))


def test_heads_of_another_layer_are_ablated_there():
    deep = untrained(CumsumConfig(n_layers=2, n_heads=2, d_head=5), seed=1)
    silenced = copied(deep)
    silenced.blocks[1].attn.W_O[0] = 0
    logits = intervention.run_under(deep, DATA.toks, intervention.zero_heads([0], layer=1))
    torch.testing.assert_close(logits, run(silenced, DATA.toks))
    assert not torch.allclose(logits, intervention.run_under(deep, DATA.toks, intervention.zero_heads([0])))


def test_without_the_direct_path_attention_alone_is_unembedded():
    """The same pattern, so the token is read as before; of the stream only what attention writes is left."""
    model = untrained_on_lists(SortedListConfig(max_value=9, n_ctx=9), seed=1)
    data = SortedListDataset(50, 4, 9, seed=0)
    cut = intervention.run_under(model, data.toks, intervention.cut_direct_path())
    written = model.run_with_cache(data.toks)[1]["blocks.0.hook_attn_out"]
    expected = model.ln_final(written, lambda _name, activation: activation) @ model.W_U + model.unembed.b_U
    torch.testing.assert_close(cut, expected)
    assert not torch.allclose(cut, run(model, data.toks), atol=0.01)


def test_one_cut_serves_many_runs():
    """It remembers what attention writes of the run it is in, and of no other."""
    model = untrained_on_lists(SortedListConfig(max_value=9, n_ctx=9), seed=1)
    cut, data = intervention.cut_direct_path(), SortedListDataset(50, 4, 9, seed=0)
    once = intervention.run_under(model, data.toks, cut)
    parts = [intervention.run_under(model, toks, cut) for toks in data.toks.split(20)]
    torch.testing.assert_close(torch.cat(parts), once)


def test_costs_are_those_of_the_independent_reproduction(reference):
    """Mean-ablation, measured by a separate implementation; the last digit is where the two runs differ."""
    reported = [0.0323, 0.0282, 0.2015, 0.0352, 0.0573, 0.0002, 0.0000, 0.0934]
    costs = intervention.neuron_costs(reference, DATA, intervention.mean_neurons)
    assert costs.tolist() == pytest.approx(reported, abs=1.5e-4)
    every_neuron = intervention.all_neurons(reference, intervention.mean_neurons)
    assert intervention.loss_under(reference, DATA, every_neuron) == pytest.approx(0.726, abs=1e-3)
    silenced = intervention.all_neurons(reference)
    assert intervention.loss_under(reference, DATA, silenced) == pytest.approx(0.5222, abs=1e-4)


def test_only_scored_positions_count(reference):
    near_zero = near_zero_set(5, 20)
    logits = reference(near_zero.toks)
    last = cross_entropy(logits[:, -1:], near_zero.labels[:, -1:]).item()
    assert intervention.loss_under(reference, near_zero, {}) == pytest.approx(last)


def test_logits_that_are_not_finite_are_no_answer(reference):
    with pytest.raises(ValueError, match="not finite"):
        intervention.run_under(reference, DATA.toks, {"blocks.0.mlp.hook_post": lambda post: post / 0})


def test_uniform_attention_is_exactly_uniform(reference):
    seen = {}
    hooks = dict(intervention.uniform_attention())
    average = hooks["blocks.0.attn.hook_pattern"]
    hooks["blocks.0.attn.hook_pattern"] = lambda pattern: seen.setdefault("pattern", average(pattern))
    reference.run_with_hooks(DATA.toks[:2], hooks)
    assert torch.equal(seen["pattern"][0, 0, 3], torch.tensor([0.25] * 4 + [0.0] * 16))


def test_replacing_the_stream_reaches_neurons_and_skip_connection(reference):
    """With the stream of another sequence the answers are those of the other sequence, but for nothing."""
    swapped = intervention.replace_resid_mid(resid_mid(reference, DATA.toks.flip(0)))
    logits = intervention.run_under(reference, DATA.toks, swapped)
    torch.testing.assert_close(logits, run(reference, DATA.toks.flip(0)), atol=1e-4, rtol=0)


def test_a_constant_added_to_what_the_mlp_writes_is_added_once(reference):
    constant = torch.linspace(-1, 1, 24)
    logits = intervention.run_under(reference, DATA.toks, intervention.add_to_mlp_out(constant))
    added = (constant @ reference.W_U).expand_as(logits)
    torch.testing.assert_close(logits - run(reference, DATA.toks), added, atol=1e-4, rtol=0)


def test_moving_the_stream_moves_what_is_stored(reference):
    u = ov_circuit.value_direction(reference)
    shift = 3 * u
    seen = {}
    hooks = dict(intervention.move_resid_mid(shift))
    move = hooks["blocks.0.hook_resid_mid"]
    hooks["blocks.0.hook_resid_mid"] = lambda resid: seen.setdefault("moved", move(resid))
    reference.run_with_hooks(DATA.toks, hooks)
    before = residual_stream.resid_mid_along_u(reference, DATA.toks)
    torch.testing.assert_close(seen["moved"].double() @ u, before + 3, atol=1e-4, rtol=0)


def test_near_zero_sums_end_next_to_zero_in_full_length():
    data = near_zero_set(5, 20)
    sums = data.values.sum(1)
    assert data.values.shape == (1000, 20)
    assert set(sums.tolist()) == {-1, 0, 1}
    assert torch.equal(data.toks, data.values + 5)
    assert data.values.abs().max() == 5
    assert torch.equal(near_zero_set(5, 20).values, data.values)
