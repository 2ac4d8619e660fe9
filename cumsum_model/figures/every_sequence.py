"""What is proved of every sequence: the smallest margin at each length, and how much margins differ at one sum"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pytest_claims.drawing.canvas import (
    INK,
    LINE,
    MUTED,
    Drawing,
    figure,
    margin_ticks,
    name_y,
    signed,
    span,
    stretched,
    strokes,
    zero_line,
)
from pytest_claims.drawing.figure import NotDrawn

from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.figures.subject import LABEL_COLOURS, Subject, answers_key, certificate_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

    from cumsum_model.proof.length import Length

NEAR = 3
"""Sums of up to this size are near zero."""


@figure("worst-margin", "The smallest margin of all sequences, by length")
def worst_margin(subject: Subject) -> Drawing:
    """Proved lower bounds, per right label."""
    certificate = certificate_of(subject)
    lengths = [length.n for length in certificate.lengths]
    smallest = np.array([_smallest_by_label(length) for length in certificate.lengths])
    if not np.isfinite(smallest).all():
        raise NotDrawn("what is proved of the margins is not finite")
    overall = smallest.min(1)
    worst = int(overall.argmin())
    published = subject.published("The write-up (end) calls long sequences whose sum ends next to zero the hard ones.")
    caption = (
        "Proved: no sequence of a length has a smaller margin, the right logit minus the best wrong one, at its last "
        f"position. Over all {certificate.sequences} sequences of full length and all shorter ones, none sampled, by "
        "the right label; the scale is logarithmic but for the middle. Above the line at 0 every answer is right; "
        f"below it there may be a wrong one.{published}"
    )
    alt = (
        f"The smallest proved margin is {overall[0]:+.4g} logits at length 1 and {overall[-1]:+.4g} at length "
        f"{lengths[-1]}; the smallest of all is {overall[worst]:+.4g}, at length {lengths[worst]}. Of {len(lengths)} "
        f"lengths {int((overall > 0).sum())} are proved right throughout."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.93, "bottom": 0.16, "top": 0.91})
        zero_line(ax)
        for label, colour in enumerate(LABEL_COLOURS):
            # neg and pos often lie on each other: one is a ring around the other's dot.
            ring: dict[str, Any] = (
                {"markersize": 6.5, "markerfacecolor": "none"} if label == NEG else {"markersize": 3.5}
            )
            ax.plot(lengths, stretched(smallest[:, label]), "o-", color=colour, linewidth=1.2, **ring)
        lowest = (lengths[worst], float(stretched(overall[worst])))
        told = signed(float(overall[worst]), ".4g")
        ax.annotate(told, lowest, (7, 0), textcoords="offset points", va="center", annotation_clip=False)
        shown = np.append(smallest, 0.0)
        ticks = margin_ticks(shown)
        ax.set(ylim=span(stretched(shown)), xlim=(0.5, lengths[-1] + 0.5))
        ax.set_yticks(stretched(ticks), [signed(tick, "g") for tick in ticks.tolist()])
        ax.set_xticks(lengths[:: -(-len(lengths) // 20)])
        ax.set_xlabel("length")
        ax.set_title("smallest margin (logits)", color=MUTED, fontsize=8)
        answers_key(ax)

    return Drawing(caption, alt, paint, height=2.8)


def _smallest_by_label(length: Length) -> list[float]:
    return [float(length.smallest[length.labels == label].min()) for label in (NEG, ZERO, POS)]


@figure("within-class", "Same length, same sum: how far margins differ all the same")
def within_class(subject: Subject) -> Drawing:
    """What is left of "only the cumsum matters, not the values". Source: write-up, end."""
    certificate = certificate_of(subject)
    length = certificate.lengths[-1]
    classes = np.abs(length.sums) <= NEAR
    known = classes & np.isfinite(length.least) & np.isfinite(length.most)
    if not known.any():
        raise NotDrawn("no margin is known of any sequence of full length whose sum is near zero")
    d_vocab = len(length.sums)
    sums = range(-NEAR, NEAR + 1)
    widest = {s: _range(length, known & (length.sums == s)) for s in sums if (known & (length.sums == s)).any()}
    # What is proved, or what was found where the bound is not finite.
    bounds = [np.where(np.isfinite(proved), proved, attained)
              for proved, attained in ((length.smallest, length.least), (length.largest, length.most))]  # fmt: skip
    published = subject.published('The write-up (end) says that "only the cumsum matters, not the values".')
    caption = (
        f"Sequences of full length, {length.n}, with sums from -{NEAR} to +{NEAR}. For each sum one bar per last "
        f"value, from -{certificate.max_value} on the left to +{certificate.max_value}: the smallest and largest "
        "margins of sequences that the proof found, out of all there are. If only the sum mattered, each bar were a "
        f"point and all bars of a sum lay level. The thin lines reach as far as is proved.{published}"
    )
    alt = (
        "Margins in logits, smallest to largest: "
        + "; ".join(f"sum {s}, {low:+.3f} to {high:+.3f}" for s, (low, high) in widest.items())
        + "."
    )

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.16, "top": 0.91})
        zero_line(ax)
        a, s = np.nonzero(known)
        x = length.sums[a, s] + (a - (d_vocab - 1) / 2) * 0.8 / d_vocab
        for label, colour in enumerate(LABEL_COLOURS):
            of_label = length.labels[a, s] == label
            at, here, there = x[of_label], a[of_label], s[of_label]
            wide = 0.5 * 520 / (2 * NEAR + 1) * 0.8 / d_vocab
            strokes(ax, at, bounds[0][here, there], bounds[1][here, there], colour, 0.5)
            strokes(ax, at, length.least[here, there], length.most[here, there], colour, wide)
        low, high = span(np.concatenate([bounds[0][known], bounds[1][known], [0.0]]), pad=0.08)
        for total, (lowest, highest) in widest.items():
            above = bounds[1][known & (length.sums == total)].max() + 0.015 * (high - low)
            ax.text(total, above, f"{highest - lowest:.2f}", ha="center", va="bottom", color=INK)
        for between in np.arange(-NEAR + 0.5, NEAR):
            ax.axvline(between, color=LINE, linewidth=0.5)
        ax.set(xlim=(-NEAR - 0.5, NEAR + 0.5), ylim=(low, high), xlabel="sum")
        name_y(ax, "margin (logits); above the bars, the whole range of a sum")
        ax.set_xticks(list(sums), [signed(s) for s in sums])
        ax.tick_params(axis="x", length=0)
        answers_key(ax)

    return Drawing(caption, alt, paint, height=3.1)


def _range(length: Length, chosen: np.ndarray) -> tuple[float, float]:
    return float(length.least[chosen].min()), float(length.most[chosen].max())
