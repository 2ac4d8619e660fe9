"""Cross terms: attention to a number boosts those just below it and suppresses those above, so the smaller one wins"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import torch
from pytest_claims.drawing.canvas import ACCENT, LINE, MUTED, OTHER, Drawing, figure, signed, span, zero_line
from pytest_claims.drawing.figure import NotDrawn

from sorted_list_model.attention import attends_more_to_second, pairs
from sorted_list_model.attribution import Boosts, boosts_of_triples, close, triples
from sorted_list_model.figures.offsets import by_offset, draw_by_offset, in_words
from sorted_list_model.figures.subject import SCALED_LOGIT, Subject, lists_of, one_layer
from sorted_list_model.heads import of_responsible, responsible_for, responsible_heads
from sorted_list_model.ov_circuit import boosts
from toy_model.figures.measured import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

MOST_TRIPLES = 4

TERMS = {"y_to_y": "y to y", "z_to_y": "z to y", "y_to_z": "y to z", "z_to_z": "z to z"}
"""The order in which they are drawn: what adds to the logit of y, then to that of z."""


@figure("boosts-by-offset", "What attention to a number adds to those around it")
@torch.no_grad()
def boosts_around(subject: Subject) -> Drawing:
    """Source: solution, Why d, d+1, d+2 is not adversarial."""
    model = subject.model
    one_layer(model)
    boost = boosts(model, responsible_heads(model))
    finite(boost)
    table = by_offset(boost)
    caption = (
        "What attention to a number, by the head that copies it most, adds to the logit of a number so far above it "
        "(below it, on the left), beyond what it adds to numbers on average and before the division by the final layer "
        "norm's scale: mean over all numbers, and a stroke over the middle four fifths of them. The bar at 0 is "
        "copying. If the next number is to win over the one after it, -1 is raised and +1 lowered. Read off the "
        "weights; no data."
    )
    alt = f"Mean boost by offset, and for how many numbers it is positive: {in_words(table)}."

    def paint(paper: Paper) -> None:
        draw_by_offset(paper, table, f"boost ({SCALED_LOGIT})", "answer less the number attended to")

    return Drawing(caption, alt, paint, height=2.7)


@figure("close-triples", "Three successive numbers, of which the third gets more attention than the second")
@torch.no_grad()
def close_triples(subject: Subject) -> Drawing:
    """Source: solution, Why d, d+1, d+2 is not adversarial, for the attribution in four lists."""
    model, data = subject.model, subject.some
    one_layer(model)
    lists_of(model, 3, "it takes three numbers x, y and z")
    parts = subject.parts
    x, y, _ = triples(data)
    heads = responsible_for(model, y)
    tempted = of_responsible(attends_more_to_second(parts, data), heads) & close(data)
    where = _one_of_a_list(tempted)
    if not len(where):
        raise NotDrawn(
            f"among {subject.first_lists} there are no d, d+1, d+2 of which d+2 gets more attention from the head that "
            "copies d+1 most"
        )
    terms = boosts_of_triples(parts, data)
    own = Boosts(**{term.name: of_responsible(getattr(terms, term.name), heads) for term in fields(terms)})
    shown = {name: torch.stack([getattr(own, name)[i, j] for i, j in where]) for name in TERMS}
    finite(*shown.values())
    to_y, to_z = (of_responsible(parts.attention_to(toks)[:, :, 1:], heads) for toks in pairs(data))
    wins = int((own.total_to_y > own.total_to_z)[tempted].sum())
    answered = parts.logits[:, 1:-1].argmax(-1) == y
    n_tempted, n_answered = int(tempted.sum()), int((answered & tempted).sum())
    of_all = (
        f"above the total to z at {wins} of all {n_tempted} such places, and y is answered at {n_answered} of them."
    )
    caption = (
        f"The first {len(where)} lists of {subject.data_set} that hold x, y = x+1 and z = x+2 and where at x the head "
        "that copies y most attends more to z than to y. Each bar is what attention of this head to one of the two "
        'adds to the logit of one of them: "z to y" is what attention to z adds to the logit of y. Copying alone '
        "would favour z; if the cross terms decide, y to z is negative, z to y positive, and the total to y the "
        f"larger. Over {subject.first_lists}, the total to y is {of_all}"
    )
    alt = (
        " ".join(
            f"List {i}, x = {int(x[i, j])}: head {int(heads[i, j])} attends {to_y[i, j].item():.2f} to y and "
            f"{to_z[i, j].item():.2f} to z; "
            + ", ".join(f"{words} {shown[name][place].item():+.2f}" for name, words in TERMS.items())
            + "."
            for place, (i, j) in enumerate(where)
        )
        + f" The total to y is {of_all}"
    )

    def paint(paper: Paper) -> None:
        axes = paper.subplots(
            1, len(where), sharey=True, squeeze=False,
            gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.2, "top": 0.88, "wspace": 0.08},
        )[0]  # fmt: skip
        everything = torch.cat([*shown.values(), torch.zeros(1)])
        for place, ((i, j), ax) in enumerate(zip(where, axes, strict=True)):
            zero_line(ax)
            ax.axvline(1.5, color=LINE, linewidth=0.8)
            for at, name in enumerate(TERMS):
                value = shown[name][place].item()
                ax.bar(at, value, 0.75, color=ACCENT if name.endswith("to_y") else OTHER, linewidth=0)
                ax.annotate(signed(round(value, 2), ".2f"), (at, max(value, 0)), (0, 2), textcoords="offset points",
                            ha="center", fontsize=7, color=MUTED)  # fmt: skip
            ax.set_xticks(range(4), list(TERMS.values()), fontsize=7)
            ax.tick_params(axis="x", length=0)
            y_ij = int(y[i, j])
            ax.set_title(f"x, y, z = {y_ij - 1}, {y_ij}, {y_ij + 1}")
            ax.text(0.5, -0.19, f"attention: y {to_y[i, j].item():.2f}, z {to_z[i, j].item():.2f}",
                    ha="center", va="top", fontsize=7, color=MUTED, transform=ax.transAxes)  # fmt: skip
        axes[0].set_ylim(*span(everything.numpy(), pad=0.1))
        axes[0].set_ylabel("added to the logit")

    return Drawing(caption, alt, paint, height=2.7)


def _one_of_a_list(places: torch.Tensor) -> list[tuple[int, int]]:
    """List and index of the first place of each of the first lists that have one."""
    chosen: dict[int, int] = {}
    for i, j in places.nonzero().tolist():
        if len(chosen) < MOST_TRIPLES or i in chosen:
            chosen.setdefault(i, j)
    return list(chosen.items())
