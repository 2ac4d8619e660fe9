"""The subject: a one-layer transformer that reads `a b =` and answers (a + b) mod p.

The architecture of Nanda et al. 2023 (arXiv 2301.05217, section 3): learned positions, one attention layer, one ReLU
MLP, no layer norm, untied embedding and unembedding. The answer is read at `=`, the last of the three positions, so
only that position has a query, an MLP and logits.

Row vectors throughout: resid_pre = W_E[token] + W_pos[pos], post = relu(resid_mid @ W_in + b_in),
logits = resid_post @ W_U.
"""

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Config:
    """Sizes. The tokens are the numbers 0..p-1 and, last, `=`."""

    p: int = 31
    d_model: int = 64
    n_heads: int = 4
    d_head: int = 16
    d_mlp: int = 256


class ModAdd(nn.Module):
    """Returns the logits of the p answers at `=`: [batch, p] for pairs [batch, 2].

    The five submodules of class `Identity` hold no weights. Each passes on one activation, so that a forward hook can
    read or replace it: `hook_embed` [batch, 3, d_model], `hook_pattern` [batch, head, 3], `hook_resid_mid`
    [batch, d_model], `hook_post` [batch, d_mlp], `hook_logits` [batch, p].
    """

    def __init__(self, config: Config | None = None, seed: int = 0):
        super().__init__()
        self.config = c = config or Config()
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape, std):
            return nn.Parameter(torch.randn(*shape, generator=generator) * std)

        self.W_E = normal(c.p + 1, c.d_model, std=c.d_model**-0.5)
        self.W_pos = normal(3, c.d_model, std=c.d_model**-0.5)
        self.W_Q = normal(c.n_heads, c.d_model, c.d_head, std=c.d_model**-0.5)
        self.W_K = normal(c.n_heads, c.d_model, c.d_head, std=c.d_model**-0.5)
        self.W_V = normal(c.n_heads, c.d_model, c.d_head, std=c.d_model**-0.5)
        self.W_O = normal(c.n_heads, c.d_head, c.d_model, std=c.d_model**-0.5)
        self.W_in = normal(c.d_model, c.d_mlp, std=c.d_model**-0.5)
        self.b_in = nn.Parameter(torch.zeros(c.d_mlp))
        self.W_out = normal(c.d_mlp, c.d_model, std=c.d_model**-0.5)
        self.b_out = nn.Parameter(torch.zeros(c.d_model))
        self.W_U = normal(c.d_model, c.p, std=c.d_model**-0.5)
        self.register_buffer("trained_on", torch.zeros(c.p * c.p, dtype=torch.bool))  # pairs, as `every_pair` has them
        self.hook_embed, self.hook_pattern, self.hook_resid_mid = nn.Identity(), nn.Identity(), nn.Identity()
        self.hook_post, self.hook_logits = nn.Identity(), nn.Identity()

    def forward(self, pairs: Tensor) -> Tensor:
        equals = torch.full_like(pairs[:, :1], self.config.p)
        resid_pre = self.hook_embed(self.W_E[torch.cat([pairs, equals], dim=1)]) + self.W_pos
        q = torch.einsum("bd,hde->bhe", resid_pre[:, -1], self.W_Q)
        k = torch.einsum("bpd,hde->bhpe", resid_pre, self.W_K)
        v = torch.einsum("bpd,hde->bhpe", resid_pre, self.W_V)
        scores = torch.einsum("bhe,bhpe->bhp", q, k) / self.config.d_head**0.5
        pattern = self.hook_pattern(scores.softmax(-1))
        attn_out = torch.einsum("bhp,bhpe,hed->bd", pattern, v, self.W_O)
        resid_mid = self.hook_resid_mid(resid_pre[:, -1] + attn_out)
        post = self.hook_post(torch.relu(resid_mid @ self.W_in + self.b_in))
        return self.hook_logits((resid_mid + post @ self.W_out + self.b_out) @ self.W_U)


def load(path: Path) -> ModAdd:
    """Reads a state_dict, whose shapes give the sizes.

    Raises ValueError if it is none that can be read without running code, or if a weight is not finite.
    """
    try:
        weights = torch.load(path, weights_only=True)
    except UnpicklingError:
        raise ValueError(f"{path} is not a file of weights and nothing else") from None
    n_heads, d_model, d_head = weights["W_Q"].shape
    model = ModAdd(Config(weights["W_U"].shape[1], d_model, n_heads, d_head, weights["W_in"].shape[1]))
    model.load_state_dict(weights)
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(f"{name} of {path} has weights that are not finite")
    return model.eval()


def every_pair(p: int) -> Tensor:
    """All p * p inputs, [p * p, 2]; pair (a, b) is row a * p + b."""
    return torch.cartesian_prod(torch.arange(p), torch.arange(p))
