"""The options of the transformer that November's model does not take: layer norm, attention alone, no neurons."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from toy_model import engine
from toy_model.config import Config, parameter_kinds
from toy_model.dataset import Dataset
from toy_model.training.gradient import by_autograd, can_be_written_out
from toy_model.transformer import EPSILON, Transformer


@dataclass(frozen=True, kw_only=True)
class Normalised(Config):
    n_ctx: int = 6
    n_layers: int = 2
    n_heads: int = 2
    d_model: int = 8
    d_head: int = 3
    d_mlp: int = 5
    d_vocab: ClassVar[int] = 7
    d_vocab_out: ClassVar[int] = 4
    normalization_type: ClassVar[str | None] = "LN"


@dataclass(frozen=True, kw_only=True)
class AttentionOnly(Normalised):
    d_mlp: int = 0
    attn_only: ClassVar[bool] = True


@dataclass(frozen=True, kw_only=True)
class AttentionOnlyPlain(AttentionOnly):
    normalization_type: ClassVar[str | None] = None


CONFIGS = [Normalised(), AttentionOnly(), AttentionOnlyPlain()]


def drawn(cfg):
    model, generator = Transformer(cfg).requires_grad_(False), torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.normal_(std=0.5, generator=generator)
    return model


@pytest.fixture
def toks():
    return torch.randint(7, (20, 6), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: type(cfg).__name__)
def test_a_bridge_of_the_same_weights_agrees(cfg, toks):
    model = drawn(cfg)
    with torch.no_grad():
        torch.testing.assert_close(model.bridge()(toks), model(toks), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: type(cfg).__name__)
def test_the_names_of_parameters_are_those_of_the_state_dict(cfg):
    kinds = parameter_kinds(type(cfg), cfg.n_layers)
    state = Transformer(cfg).state_dict()
    assert list(state) == list(kinds)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        name: cfg.shape(kind) for name, kind in kinds.items()
    }
    assert cfg.n_parameters == sum(tensor.numel() for tensor in state.values())


def test_the_epsilon_of_layer_norm_is_inside_the_root(toks):
    """A stream whose variance is no larger than epsilon is divided by the root of their sum."""
    model = drawn(AttentionOnly())
    model.embed.W_E.mul_(1e-3)
    model.pos_embed.W_pos.zero_()
    _, cache = model.run_with_cache(toks)
    stream = cache["blocks.0.hook_resid_pre"].double()
    variance = stream.var(-1, unbiased=False, keepdim=True)
    assert variance.max() < EPSILON
    expected = (stream - stream.mean(-1, keepdim=True)) / (variance + EPSILON).sqrt()
    torch.testing.assert_close(cache["blocks.0.ln1.hook_normalized"].double(), expected, atol=1e-6, rtol=1e-4)


def test_a_new_layer_norm_only_centres_and_scales():
    model = Transformer(Normalised())
    assert (model.ln_final.w == 1).all()
    assert (model.ln_final.b == 0).all()


@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: type(cfg).__name__)
def test_the_engine_gives_the_logits_of_such_models(cfg, toks):
    model = drawn(cfg)
    torch.testing.assert_close(engine.forward(model, toks), model(toks))


@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: type(cfg).__name__)
def test_their_gradient_is_autograds_at_the_scored_positions(cfg, toks):
    model = drawn(cfg).requires_grad_(True)
    data = Dataset(toks, toks % 4)
    assert not can_be_written_out(model, data)
    _, everywhere = by_autograd(model, data.toks, data.labels)
    _, at_the_end = by_autograd(model, data.toks, data.labels, slice(-1, None))
    assert everywhere.keys() == at_the_end.keys() == set(parameter_kinds(type(cfg), cfg.n_layers))
    assert at_the_end["pos_embed.W_pos"].abs().sum() > 0
    assert not torch.allclose(everywhere["embed.W_E"], at_the_end["embed.W_E"])


def test_a_model_without_neurons_is_attention_and_a_constant():
    model = CumsumTransformer(CumsumConfig(d_mlp=0)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    tokens = torch.randint(11, (50, 20), generator=torch.Generator().manual_seed(2))
    _, cache = model.run_with_cache(tokens)
    mlp_out = cache["blocks.0.hook_mlp_out"]
    assert torch.equal(mlp_out, model.blocks[0].mlp.b_out.expand_as(mlp_out))
    torch.testing.assert_close(engine.forward(model, tokens), model(tokens), atol=1e-4, rtol=0)
