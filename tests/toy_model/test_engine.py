"""The engine computes what the model's own pass does, wherever it takes its place."""

import copy

import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.data import CumsumDataset
from cumsum_model.task import TASK
from sorted_list_model.config import SortedListConfig
from sorted_list_model.task import TASK as SORTED_LIST
from toy_model import engine
from toy_model.surgery import rewired

SIZES = [
    (TASK, CumsumConfig()),
    (TASK, CumsumConfig(max_value=3, n_ctx=7, n_layers=2, n_heads=3, d_model=10, d_head=4, d_mlp=5)),
    (SORTED_LIST, SortedListConfig()),
    (SORTED_LIST, SortedListConfig(max_value=9, n_ctx=7, n_layers=2, n_heads=3, d_model=10, d_head=4)),
]


@pytest.mark.parametrize(("task", "cfg"), SIZES, ids=["cumsum", "cumsum, others", "lists", "lists, others"])
@pytest.mark.parametrize("batch", [0, 1, 3, 50, 700], ids=lambda batch: f"batch {batch}")
@pytest.mark.parametrize("n", [1, 6], ids=lambda n: f"n = {n}")
def test_it_computes_what_the_plain_pass_does(task, cfg, batch, n):
    model = task.untrained(cfg, seed=1)
    for _, parameter in model.named_parameters():  # biases too
        parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)), alpha=0.1)
    model.double()
    toks = torch.randint(cfg.d_vocab, (batch, n), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(engine.forward(model, toks), model(toks), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("task", "cfg"), SIZES, ids=["cumsum", "cumsum, others", "lists", "lists, others"])
@pytest.mark.parametrize("batch", [0, 1, 700], ids=lambda batch: f"batch {batch}")
@pytest.mark.parametrize("at", [slice(2, 5), slice(0, 1), slice(-2, None), slice(3, 3)], ids=str)
def test_it_computes_some_positions_as_if_it_were_all(task, cfg, batch, at):
    model = task.untrained(cfg, seed=1).double()
    toks = torch.randint(cfg.d_vocab, (batch, 6), generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(engine.forward(model, toks, at), model(toks)[:, at], atol=1e-12, rtol=0)


@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("token", [-1, 11])
def test_a_token_that_there_is_not_is_refused(reference, batch, token):
    toks = CumsumDataset(batch, 5, 20).toks.clone()
    toks[-1, 7] = token
    with pytest.raises(IndexError):
        engine.forward(reference, toks)


@pytest.mark.parametrize("batch", [1, 50])
def test_a_hook_of_torch_and_a_replaced_module_are_heeded(reference, batch):
    toks = CumsumDataset(batch, 5, 20).toks
    model = copy.deepcopy(reference)
    seen = []
    handle = model.blocks[0].attn.register_forward_hook(lambda *_: seen.append(True))
    engine.forward(model, toks)
    assert seen
    handle.remove()

    class Silent(type(model.blocks[0].mlp)):
        def forward(self, resid, at):
            return torch.zeros_like(resid)

    model.blocks[0].mlp = Silent(model.cfg)
    silenced = reference.run_with_hooks(toks, {"blocks.0.hook_mlp_out": torch.zeros_like})
    torch.testing.assert_close(engine.forward(model, toks), silenced, atol=1e-4, rtol=0)


class Traced(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, toks):
        return engine.forward(self.model, toks)


def test_a_trace_of_it_leaves_nothing_behind(reference):
    toks = CumsumDataset(3, 5, 13).toks[:, :13]  # a length that nothing else is run at
    exported = torch.export.export(Traced(reference), (toks,)).module()
    torch.testing.assert_close(exported(toks), engine.forward(reference, toks), atol=1e-4, rtol=0)
    assert type(engine.forward(reference, toks)) is torch.Tensor


@pytest.mark.parametrize("batch", [1, 50])
def test_tokens_of_another_type_are_refused(reference, batch):
    with pytest.raises(RuntimeError, match=r"(?i)expected"):
        engine.forward(reference, CumsumDataset(batch, 5, 20).toks.to(torch.int16))


def test_sequences_of_no_length_have_no_logits(reference):
    assert engine.forward(reference, torch.empty(30, 0, dtype=torch.int64)).shape == (30, 0, 3)


def test_a_batch_larger_than_a_piece_comes_out_in_order(reference):
    toks = CumsumDataset(2 * engine.AT_ONCE // 400 + 7, 5, 20).toks
    torch.testing.assert_close(engine.forward(reference, toks)[-9:], reference(toks[-9:]), atol=1e-4, rtol=0)


def test_gradients_are_those_of_the_plain_pass(reference):
    toks = CumsumDataset(30, 5, 20).toks
    grads = []
    for forward in (engine.forward, lambda model, toks: model(toks)):
        model = copy.deepcopy(reference).requires_grad_()
        forward(model, toks).square().mean().backward()
        grads.append([parameter.grad for parameter in model.parameters()])
    for ours, plain in zip(*grads, strict=True):
        assert torch.equal(ours, plain)


@pytest.mark.parametrize("batch", [1, 50])
def test_an_alteration_is_heeded(reference, batch):
    toks = CumsumDataset(batch, 5, 20).toks
    silent = rewired(reference, {"blocks.0.hook_mlp_out": torch.zeros_like})
    assert not torch.allclose(engine.forward(silent, toks), reference(toks), atol=0.1)
    torch.testing.assert_close(engine.forward(silent, toks), silent(toks), atol=0, rtol=0)


def test_sequences_longer_than_the_context_are_refused(reference):
    with pytest.raises(ValueError, match="21 do not fit in n_ctx = 20"):
        engine.forward(reference, torch.zeros(1, 21, dtype=torch.long))


@pytest.mark.parametrize("batch", [1, 50])
def test_it_is_the_engine_that_computes(reference, batch, monkeypatch):
    """Else none of this file would test it."""
    monkeypatch.setattr(type(reference), "__call__", lambda *_: pytest.fail("the plain pass ran"))
    engine.forward(reference, CumsumDataset(batch, 5, 20).toks)
