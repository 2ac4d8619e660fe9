"""Attention: how it is shared among the tokens before, and what that moves"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Int
from pytest_claims.drawing.canvas import LINE, MINUS, Drawing, figure
from pytest_claims.drawing.heat_map import draw_heat_map, draw_scale
from torch import Tensor

from cumsum_model.attention import info_weighted_attention
from cumsum_model.data import tokens_of
from cumsum_model.figures.subject import Subject, u_of
from cumsum_model.ov_circuit import value_slope
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

MOST_TICKS = 20


def chosen_sequences(subject: Subject) -> dict[str, Int[Tensor, " pos"]]:
    """Three sequences of values, as long as the context, by what they are."""
    most, n = subject.model.cfg.max_value, subject.model.cfg.n_ctx
    half = (n - 1) // 2
    there_and_back = [1, 0][: n - 2 * half] + [most] * half + [-most] * half
    small = [0, 1, -1] if most > 1 else [0]
    one_large = [small[i % len(small)] for i in range(n)]
    one_large[n // 3] = most
    return {
        "first of the evaluation set": subject.data.values[0],
        "a long way up and down, to +1": torch.tensor(there_and_back),
        "one large value": torch.tensor(one_large),
    }


@figure("attention", "Attention, and attention weighted by what it moves")
@torch.no_grad()
def attention_patterns(subject: Subject) -> Drawing:
    """Heat maps of head 0: pattern and info-weighted attention. Source: write-up, First pass."""
    model = subject.model
    u_of(model)
    sequences = chosen_sequences(subject)
    values = torch.stack(list(sequences.values()))
    toks = tokens_of(values, model.cfg.max_value).to(model.device)
    shares = model.run_with_cache(toks)[1]["blocks.0.attn.hook_pattern"][:, 0].double().cpu()
    moved = (info_weighted_attention(model, toks) / abs(value_slope(model))).cpu()
    finite(shares, moved)

    n = values.shape[-1]
    gap = (shares - torch.ones(n, n).tril() / torch.arange(1, n + 1)[:, None]).abs().max().item()
    sizes = values.abs()[:, None, :] / torch.arange(1, n + 1)[:, None]
    off = (moved - sizes).abs().tril().max().item()
    of_head = f" Head 0 of {model.cfg.n_heads}." if model.cfg.n_heads > 1 else ""
    caption = (
        "Each row of a triangle is a position, each column a token that it attends to. Above, shares of attention: if "
        "the head averages, every row is even and fades as 1/n. Below, shares times how far each token moves the "
        "stream, in steps of one unit of value: if all that counts is the value, that is |value|/n. Three sequences: "
        f"the first of {subject.data_set}, and two built to be hard.{of_head}"
    )
    alt = (
        f"Heat maps of three sequences of {n} values. No share differs from 1/n by more than {gap:.2g}; no weighted "
        f"share differs from |value|/n by more than {off:.2g} unit steps. The largest weighted share is "
        f"{moved.max().item():.3g}."
    )

    def paint(paper: Paper) -> None:
        rows = (
            ("share of attention", shares.numpy(), 1.0),
            ("share times move", moved.numpy(), moved.max().item() or 1.0),
        )
        axes = paper.subplots(
            2, 3, squeeze=False,
            gridspec_kw={"left": 0.05, "right": 0.915, "bottom": 0.06, "top": 0.945, "wspace": 0.16, "hspace": 0.17},
        )  # fmt: skip
        for row, (what, maps, most) in enumerate(rows):
            for ax, pattern, sequence, name in zip(axes[row], maps, values.tolist(), sequences, strict=True):
                _heat_map(ax, pattern / most, sequence)
                if row == 0:
                    ax.set_title(name)
            draw_scale(axes[row][-1], what, most)
        axes[1][0].set_xlabel("token attended to", loc="left")

    return Drawing(caption, alt, paint, height=5.05)


def _heat_map(ax: Axes, shares: np.ndarray, values: list[int]) -> None:
    n = len(values)
    draw_heat_map(ax, np.tril(shares).clip(0), 1.0)
    stairs = np.arange(n).repeat(2)
    ax.plot([*(stairs + 0.5), n - 0.5, -0.5, -0.5], [-0.5, *(stairs + 0.5)[:-1], n - 0.5, n - 0.5, -0.5],
            color=LINE, linewidth=0.6)  # fmt: skip
    ticks = range(0, n, -(-n // MOST_TICKS))
    names = [str(values[i]).replace("-", MINUS) for i in ticks]
    ax.set_xticks(ticks, names, rotation=90)
    ax.set_yticks(ticks, names)
    ax.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
