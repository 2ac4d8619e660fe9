"""The transformer, in plain torch, under the parameter and activation names of classic TransformerLens.

Conventions, stated once and used everywhere:
- vectors are rows: `resid @ W`, so `W_QK = W_Q @ W_K.T` and `W_OV = W_V @ W_O`;
- scores are divided by sqrt(d_head), attention is causal, neurons are ReLU;
- where there is layer norm, it comes before everything that reads the stream, with its epsilon inside the root.

This is the function itself, plainly. `engine` computes the same in fewer operations where nobody looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor, nn

from toy_model.config import ATTENTION, LAYER_NORM, Config
from toy_model.config import MLP as NEURONS
from toy_model.importing import importing

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Hook = Callable[[Tensor], Tensor]
At = Callable[[str, Tensor], Tensor]

EPSILON = 1e-5
"""Added to the variance by layer norm, inside the root."""


def _parameters(module: nn.Module, cfg: Config, *names: str) -> None:
    for name in names:
        module.register_parameter(name, nn.Parameter(torch.zeros(cfg.shape(name))))


class Embed(nn.Module):
    W_E: Float[Tensor, "d_vocab d_model"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, "W_E")


class PosEmbed(nn.Module):
    W_pos: Float[Tensor, "n_ctx d_model"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, "W_pos")


def centred_and_scale(resid: Float[Tensor, "*batch d_model"]) -> tuple[Tensor, Tensor]:
    """What layer norm divides, and what it divides it by: each vector less its mean, and its standard deviation."""
    centred = resid - resid.mean(-1, keepdim=True)
    return centred, (centred.square().mean(-1, keepdim=True) + EPSILON).sqrt()


class LayerNorm(nn.Module):
    w: Float[Tensor, " d_model"]
    b: Float[Tensor, " d_model"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, *LAYER_NORM)

    def forward(self, resid: Float[Tensor, "batch pos d_model"], at: At) -> Float[Tensor, "batch pos d_model"]:
        centred, scale = centred_and_scale(resid)
        scale = at("hook_scale", scale)
        return at("hook_normalized", centred / scale) * self.w + self.b


class Attention(nn.Module):
    W_Q: Float[Tensor, "n_heads d_model d_head"]
    W_K: Float[Tensor, "n_heads d_model d_head"]
    W_V: Float[Tensor, "n_heads d_model d_head"]
    W_O: Float[Tensor, "n_heads d_head d_model"]
    b_Q: Float[Tensor, "n_heads d_head"]
    b_K: Float[Tensor, "n_heads d_head"]
    b_V: Float[Tensor, "n_heads d_head"]
    b_O: Float[Tensor, " d_model"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, *ATTENTION)

    def forward(self, resid: Float[Tensor, "batch pos d_model"], at: At) -> Float[Tensor, "batch pos d_model"]:
        # One product for q, k and v: at these sizes the number of operations is what costs.
        W = torch.cat([self.W_Q, self.W_K, self.W_V], dim=-1)
        b = torch.cat([self.b_Q, self.b_K, self.b_V], dim=-1)
        qkv = einsum(resid, W, "batch pos d_model, head d_model qkv -> batch pos head qkv") + b
        q, k, v = qkv.chunk(3, dim=-1)
        q, k, v = at("hook_q", q), at("hook_k", k), at("hook_v", v)

        scores = einsum(q, k, "batch query head d_head, batch key head d_head -> batch head query key")
        n = resid.shape[-2]
        is_future = torch.ones(n, n, dtype=torch.bool, device=resid.device).triu(1)
        scores = (scores / math.sqrt(self.W_Q.shape[-1])).masked_fill(is_future, -torch.inf)
        pattern = at("hook_pattern", at("hook_attn_scores", scores).softmax(-1))

        z = einsum(pattern, v, "batch head query key, batch key head d_head -> batch query head d_head")
        z = at("hook_z", z)
        return einsum(z, self.W_O, "batch pos head d_head, head d_head d_model -> batch pos d_model") + self.b_O


class MLP(nn.Module):
    W_in: Float[Tensor, "d_model d_mlp"]
    b_in: Float[Tensor, " d_mlp"]
    W_out: Float[Tensor, "d_mlp d_model"]
    b_out: Float[Tensor, " d_model"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, *NEURONS)

    def forward(self, resid: Float[Tensor, "batch pos d_model"], at: At) -> Float[Tensor, "batch pos d_model"]:
        pre = at("hook_pre", resid @ self.W_in + self.b_in)
        post = at("hook_post", pre.relu())
        return post @ self.W_out + self.b_out


class Block(nn.Module):
    attn: Attention
    mlp: MLP

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.attn_only = cfg.attn_only
        normalised = cfg.normalization_type is not None
        self.ln1 = LayerNorm(cfg) if normalised else None
        self.attn = Attention(cfg)
        self.ln2 = LayerNorm(cfg) if normalised and not cfg.attn_only else None
        if not cfg.attn_only:
            self.mlp = MLP(cfg)

    def forward(self, resid: Float[Tensor, "batch pos d_model"], at: At) -> Float[Tensor, "batch pos d_model"]:
        resid = at("hook_resid_pre", resid)
        read = resid if self.ln1 is None else self.ln1(resid, within("ln1", at))
        resid = resid + at("hook_attn_out", self.attn(read, within("attn", at)))
        if not self.attn_only:
            resid = at("hook_resid_mid", resid)
            read = resid if self.ln2 is None else self.ln2(resid, within("ln2", at))
            resid = resid + at("hook_mlp_out", self.mlp(read, within("mlp", at)))
        return at("hook_resid_post", resid)


class Unembed(nn.Module):
    W_U: Float[Tensor, "d_model d_vocab_out"]
    b_U: Float[Tensor, " d_vocab_out"]

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        _parameters(self, cfg, "W_U", "b_U")


def as_it_is(_name: str, activation: Tensor) -> Tensor:
    """What looks at no activation and replaces none."""
    return activation


def within(prefix: str, at: At) -> At:
    """The same access to activations, under names that start with `prefix`."""
    if at is as_it_is:
        return at
    return lambda name, activation: at(f"{prefix}.{name}", activation)


class Transformer(nn.Module):
    """Maps tokens to logits at every position.

    A new model has all parameters zero (and layer norms the identity): `training` draws them, `checkpoint` reads them.
    Its state dict has the names and shapes of classic TransformerLens. Short names reach the same
    tensors: `model.W_E`, `model.W_U`, and per layer `model.blocks[0].attn.W_Q`.

    Activations go by their classic hook names ("blocks.0.hook_resid_mid", "blocks.0.mlp.hook_post").
    `run_with_cache` returns all of them; `run_with_hooks` replaces some, and everything downstream
    follows: a new `hook_attn_scores` changes the pattern, a new `hook_resid_mid` changes both the
    MLP's input and the skip connection.

    `alterations` are replacements that are part of the model: made on every run, before anybody else looks. Its
    weights say nothing of them. See `surgery.rewired`.
    """

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.cfg = cfg
        self.alterations: Mapping[str, Hook] = {}
        self.embed = Embed(cfg)
        self.pos_embed = PosEmbed(cfg)
        self.blocks = cast(Sequence[Block], nn.ModuleList(Block(cfg) for _ in range(cfg.n_layers)))
        self.ln_final = LayerNorm(cfg) if cfg.normalization_type is not None else None
        self.unembed = Unembed(cfg)
        for module in self.modules():
            if isinstance(module, LayerNorm):
                nn.init.ones_(module.w)

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        return self.embed.W_E

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d_model"]:
        return self.pos_embed.W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_model d_vocab_out"]:
        return self.unembed.W_U

    @property
    def device(self) -> torch.device:
        return self.embed.W_E.device

    def forward(self, toks: Int[Tensor, "batch pos"], at: At = as_it_is) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Logits at every position. `at(name, activation)` sees each activation and may replace it."""
        n = toks.shape[-1]
        if n > self.cfg.n_ctx:
            raise ValueError(f"sequences of length {n} do not fit in n_ctx = {self.cfg.n_ctx}")
        if self.alterations:
            at = _altered(self.alterations, at)
        # F.embedding, not indexing: its backward pass adds up rows in the same order in every run.
        resid = at("hook_embed", F.embedding(toks, self.embed.W_E)) + at("hook_pos_embed", self.pos_embed.W_pos[:n])
        for layer, block in enumerate(self.blocks):
            resid = block(resid, within(f"blocks.{layer}", at))
        if self.ln_final is not None:
            resid = self.ln_final(resid, within("ln_final", at))
        return resid @ self.unembed.W_U + self.unembed.b_U

    def run_with_cache(
        self, toks: Int[Tensor, "batch pos"]
    ) -> tuple[Float[Tensor, "batch pos d_vocab_out"], dict[str, Tensor]]:
        """Logits, and every activation by its hook name."""
        cache: dict[str, Tensor] = {}

        def keep(name: str, activation: Tensor) -> Tensor:
            cache[name] = activation
            return activation

        return self(toks, keep), cache

    def run_with_hooks(
        self, toks: Int[Tensor, "batch pos"], hooks: Mapping[str, Hook]
    ) -> Float[Tensor, "batch pos d_vocab_out"]:
        """Logits with some activations replaced: `hooks` maps a hook name to a function of the activation.

        Raises ValueError for a name that the run never meets, since such a hook would do nothing.
        """
        unmet = set(hooks)

        def replace(name: str, activation: Tensor) -> Tensor:
            hook = hooks.get(name)
            if hook is None:
                return activation
            unmet.discard(name)
            return hook(activation)

        logits = self(toks, replace)
        if unmet:
            raise ValueError(f"no such activation: {', '.join(sorted(unmet))}")
        return logits

    def bridge(self) -> TransformerBridge:
        """The same weights as a TransformerLens 4 bridge, for work with its hooks and as an oracle."""
        with importing():
            from transformer_lens.config import TransformerBridgeConfig
            from transformer_lens.model_bridge import TransformerBridge
            from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

        names = ("n_ctx", "n_layers", "n_heads", "d_model", "d_head", "d_mlp", "d_vocab", "d_vocab_out")
        sizes = {name: getattr(self.cfg, name) for name in names}
        weights = {name: tensor.cpu() for name, tensor in self.state_dict().items()}
        if not self.cfg.d_mlp:  # a bridge has neurons: one that reads and writes nothing
            sizes["d_mlp"] = 1
            weights = {name: _grown(tensor) if not tensor.numel() else tensor for name, tensor in weights.items()}
        cfg = TransformerBridgeConfig(
            **sizes,
            act_fn="relu",
            attn_only=self.cfg.attn_only,
            normalization_type=self.cfg.normalization_type,  # by default it is "LN"
            eps=EPSILON,
            seed=0,
        )
        # boot_native seeds and draws from the global generator; the caller's must not notice.
        with torch.random.fork_rng(devices=[]):
            bridge = TransformerBridge.boot_native(cfg)
        bridge.load_state_dict(convert_tl_checkpoint(weights, cfg), strict=True)
        if self.device.type != "cpu":  # `.to` announces every move on stdout
            bridge = bridge.to(self.device)
        return bridge.eval()

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={size}" for name, size in asdict(self.cfg).items())
        return f"{type(self).__name__}({sizes})"


def _grown(empty: Tensor) -> Tensor:
    """Zeros, one for each entry that an axis of no length has room for."""
    return torch.zeros([max(size, 1) for size in empty.shape])


def _altered(alterations: Mapping[str, Hook], at: At) -> At:
    def altered(name: str, activation: Tensor) -> Tensor:
        alter = alterations.get(name)
        return at(name, activation if alter is None else alter(activation))

    return altered
