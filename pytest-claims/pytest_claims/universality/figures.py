"""What a universality report draws: on how many seeds claims hold, with how much room, and margins of models"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_claims.drawing.canvas import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    OTHER,
    THREE_COLOURS,
    Drawing,
    figure,
    key,
    margin_ticks,
    signed,
    span,
    stretched,
)
from pytest_claims.drawing.figure import Figure, NotDrawn
from pytest_claims.drawing.matrix import LETTER, LONGEST, plain
from pytest_claims.universality.findings import Finding, Group, Standing, Universality
from pytest_claims.universality.interval import percent
from pytest_claims.universality.runs import Run
from pytest_claims.universality.summary import by_margin, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Paper

WIDTH = 9.4
"""Inches: names of claims are long."""

ROW = 11.5
"""Points from one row to the next."""

SIZE = 7.0
MOST_TICKS = 40
FEW = 3
"""How many names a text alternative gives."""

KINDS = {"on all seeds": ACCENT, "on some": OTHER, "on none": THREE_COLOURS[0], "not decided": MUTED}
"""Where a claim holds, as `_by_kind` counts."""


def figures(result: Universality) -> list[Figure]:
    """Those about all runs. The cells of a grid are compared only where there are several."""
    drawn = [_margins(result)]
    return [_cells(result), *drawn] if len([group for group in result.groups if group.counted]) > 1 else drawn


def group_figures(group: Group, slug: str) -> list[Figure]:
    """Those about the claims of one group; their names start with `slug`."""
    share = figure(f"{slug}-share", "On how many seeds each claim holds, and what that says of all seeds")
    room = figure(f"{slug}-room", "How much room each claim keeps from its bound, seed by seed")
    return [share(_share)(group), room(_room)(group)]


def _share(group: Group) -> Drawing:
    claims = group.claims
    if not claims:
        raise NotDrawn("no claim is about any run")
    alike: dict[tuple[int, int], list[Finding]] = {}
    for finding in claims:
        if finding.holds_on_all:
            alike.setdefault((finding.tally.holds, finding.tally.n), []).append(finding)
    others = sorted((f for f in claims if not f.holds_on_all), key=lambda f: (f.tally.holds / f.tally.n, f.claim))
    rows = [(finding.statement, finding) for finding in others]
    rows += [(f"{counted(len(same), 'claim')}: on all {n}", same[0]) for (_, n), same in alike.items()]
    if len(rows) == 1 and not others:
        interval = percent(rows[0][1].interval or (0.0, 1.0))
        raise NotDrawn(
            f"{rows[0][0]}, and of each that says the same: it holds on {interval} of all seeds, at 95% confidence"
        )
    names = [plain(name) for name, _ in rows]
    tallies = [finding.tally for _, finding in rows]
    ends = [finding.interval or (0.0, 1.0) for _, finding in rows]
    caption = (
        f"Claims that do not hold on all of {counted(len(group.counted), 'seed')}, one a row, and those that do, "
        "together. The dot is the share of seeds on which a claim holds; the line is the exact 95% interval of the "
        "share of all seeds (Clopper and Pearson). The left end is what has been shown."
    )
    alt = "; ".join(
        f"{name}: {tally.holds} of {tally.n}, {percent(end)}"
        for name, tally, end in list(zip(names, tallies, ends, strict=True))[:20]
    )
    height = len(rows) * 1.3 * ROW + 34

    def paint(paper: Paper) -> None:
        ax = _rows_beside_names(paper, names, height, bottom=28)
        for i, (tally, (low, high)) in enumerate(zip(tallies, ends, strict=True)):
            colour = ACCENT if tally.holds == tally.n else OTHER
            ax.plot([low, high], [i, i], color=colour, linewidth=1.6, solid_capstyle="butt", clip_on=False)
            ax.plot([tally.holds / tally.n], [i], "o", color=colour, markersize=5, clip_on=False)
            ax.text(1.02, i, f"{tally.holds} of {tally.n}", va="center", fontsize=SIZE, color=INK)
        ax.set(xlim=(0, 1), xlabel="share of seeds on which it holds")
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["none", "25%", "50%", "75%", "all"])

    return Drawing(caption, alt, paint, height / 72, WIDTH, _texts(names))


def _room(group: Group) -> Drawing:
    rows = [(finding, finding.room) for finding in group.claims if finding.room]
    if not rows:
        raise NotDrawn("no claim measured anything that has room between value and bound")
    names = [plain(finding.statement) for finding, _ in rows]
    seeds = {run.name: run.outcome.seed for run in group.counted if run.outcome is not None}
    broken = [(i, name, room) for i, (_, rooms) in enumerate(rows) for name, room in rooms.items() if room < 0]
    least, where, which = min((room, names[i], run) for i, (_, rooms) in enumerate(rows) for run, room in rooms.items())
    without = len(group.claims) - len(rows)
    caption = (
        "A row for each claim, a mark for each seed, at the room that the tightest of its comparisons keeps: the "
        "distance from the bound as a share of the larger of value and bound, so that different units can stand side "
        "by side (where the bound is 0, of the largest value of any seed). On the line at the left the bound is met; "
        "crosses beyond it are seeds that break it, with their numbers. A row whose marks all lie at the line has a "
        "bound near the only value that it can take, such as an R^2 above 0.999; look for seeds that lie apart."
        + (f" {counted(without, 'claim')} that compare{'s' * (without == 1)} whole numbers for equality have no room."
           if without else "")
    )  # fmt: skip
    alt = (
        f"{counted(len(rows), 'claim')}, {counted(len(seeds), 'seed')}. The least room is {least:.3g}, of “{where}” on "
        f"{plain(which)}. {counted(len(broken), 'mark')} break{'s' * (len(broken) == 1)} the bound"
        + (f": {', '.join(f'seed {seeds[name]} for “{names[i]}”' for i, name, _ in broken[:FEW])}" if broken else "")
        + "."
    )
    seeds_of = {i: [seeds[name] for j, name, _ in broken if j == i] for i, *_ in broken}
    texts = _texts(names) | {f"seeds of {i}": _list_of(told) for i, told in seeds_of.items()}
    height = len(rows) * ROW + 46

    def paint(paper: Paper) -> None:
        ax = _rows_beside_names(paper, names, height, bottom=28)
        left = min(-0.03, min((room for *_, room in broken), default=0.0) - 0.05)
        for i, (_, rooms) in enumerate(rows):
            ax.plot([left, 1], [i, i], color=LINE, linewidth=0.5, zorder=0)
            kept = [room for room in rooms.values() if room >= 0]
            ax.plot(kept, [i] * len(kept), "|", color=ACCENT, markersize=6, markeredgewidth=1.1, clip_on=False)
        ax.axvline(0, color=INK, linewidth=0.9)
        for i in seeds_of:
            beyond = [room for j, _, room in broken if j == i]
            ax.plot(beyond, [i] * len(beyond), "x", color=OTHER, markersize=5, markeredgewidth=1.4, clip_on=False)
            ax.annotate(
                f"seeds of {i}", (min(beyond), i), (-6, 0), textcoords="offset points", ha="right", va="center",
                fontsize=SIZE, color=OTHER, annotation_clip=False,
            )  # fmt: skip
        ax.set(xlim=(left - 0.12 * bool(broken), 1.0), xlabel="room kept from the bound")
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["bound", "25%", "50%", "75%", "all"])
        key(ax, {"keeps the bound": ACCENT, "breaks it": OTHER} if broken else {"keeps the bound": ACCENT})

    return Drawing(caption, alt, paint, height / 72, WIDTH, texts)


@figure("margins", "The smallest margin of every model")
def _margins(result: Universality) -> Drawing:
    groups = [(group, _finite(by_margin(group.counted))) for group in result.groups]
    groups = [(group, margins) for group, margins in groups if margins]
    if not groups:
        raise NotDrawn("nothing is proved of any model")
    every = [pair for _, margins in groups for pair in margins]
    worst, smallest = min(every, key=lambda pair: (pair[1], pair[0].name))
    n_wrong = sum(margin <= 0 for _, margin in every)
    lost = len(result.counted) - len(every)
    caption = (
        "Proved: no sequence of any length has a smaller margin on that model, the right logit minus the best wrong "
        "one. "
        f"{counted(len(every), 'model')}, smallest first{', by group' if len(groups) > 1 else ''}; the scale is "
        "logarithmic but for the middle. Above the line at 0 every answer is right; below it there may be a wrong one."
        + (f" Of {counted(lost, 'more model')} nothing finite is proved." if lost else "")
    )
    middle = float(np.median([margin for _, margin in every]))
    alt = (
        f"The smallest margin is {smallest:+.4g} logits, of {plain(worst.name)}; the median {middle:+.4g}, the largest "
        f"{max(margin for _, margin in every):+.4g}. {n_wrong} of {counted(len(every), 'model')} "
        f"{'is' if n_wrong == 1 else 'are'} not above 0."
    )
    texts = {"the worst": f"{plain(worst.name)}: {signed(smallest, '.4g')}"}
    texts |= {f"group {i}": plain(result.name_of(group))[:40] for i, (group, _) in enumerate(groups)}
    texts |= {f"model {i}": plain(_seed(run))[:8] for i, (run, _) in enumerate(every)}

    def paint(paper: Paper) -> None:
        ax = paper.subplots(gridspec_kw={"left": 0.075, "right": 0.985, "bottom": 0.17, "top": 0.86})
        ax.axhline(0, color=MUTED, linewidth=0.8)
        margins = np.array([margin for _, margin in every])
        place = np.concatenate([np.arange(len(some)) + start for start, (_, some) in _starts(groups)])
        for chosen, colour in ((margins > 0, ACCENT), (margins <= 0, OTHER)):
            ax.plot(place[chosen], stretched(margins[chosen]), "o", color=colour, markersize=4)
        at = next(i for i, (run, _) in enumerate(every) if run is worst)
        words = ax.annotate(
            "the worst", (place[at], float(stretched(margins[at]))), (7, 0), textcoords="offset points", va="center"
        )
        words.set_annotation_clip(False)
        shown = np.append(margins, 0.0)
        ticks = margin_ticks(shown)
        low, high = span(stretched(shown), pad=0.08)
        ax.set(ylim=(low, high), xlim=(-0.8, place[-1] + 0.8 + 0.06 * len(place)))
        ax.set_yticks(stretched(ticks), [signed(tick, "g") for tick in ticks.tolist()])
        ax.set_xticks(place if len(place) <= MOST_TICKS else [])
        ax.set_xticklabels([f"model {i}" for i in range(len(place))] if len(place) <= MOST_TICKS else [])
        ax.tick_params(axis="x", length=0)
        ax.set_xlabel("seed" if len(place) <= MOST_TICKS else "models, smallest margin first")
        for i, (start, _) in enumerate(_starts(groups)):
            if start:
                ax.axvline(start - 1, color=LINE, linewidth=0.8)
            if len(groups) > 1:
                ax.text(start - 0.5, high, f"group {i}", va="bottom", fontsize=SIZE, color=INK)
        ax.set_title("smallest margin (logits)", color=MUTED, fontsize=8, pad=18 if len(groups) > 1 else 5)

    return Drawing(caption, alt, paint, height=2.9, texts=texts)


@figure("cells", "What changes with what was varied: claims that hold, and sequences that are wrong")
def _cells(result: Universality) -> Drawing:
    groups = [group for group in result.groups if group.counted]
    names = [plain(result.name_of(group) or "all runs") for group in groups]
    counts = np.array([_by_kind(group) for group in groups])
    wrong = [[_wrong(run) for run in group.counted] for group in groups]
    most = max(
        (run.outcome.proved.sequences for run in result.counted if run.outcome and run.outcome.proved), default=1
    )
    caption = (
        "A row for each group of runs between which only the seed differs. Left: how many claims hold on all of its "
        "seeds, on some, on none. Right: a mark for each model, at the share of all sequences of full length that may "
        "be answered wrongly at some position, as far as is proved; the scale is logarithmic, with none at the left."
    )
    alt = "; ".join(map(_cell_in_words, names, groups))
    height = len(groups) * 2 * ROW + 62
    floor = -math.ceil(math.log10(most)) - 1

    def paint(paper: Paper) -> None:
        left = _rows_beside_names(paper, names, height, bottom=30, right=0.62)
        for i, row in enumerate(counts):
            start = 0
            for n, colour in zip(row.tolist(), KINDS.values(), strict=True):
                if n:
                    left.barh(i, n, 0.62, left=start, color=colour)
                start += n
        left.set(xlim=(0, max(int(counts.sum(1).max()), 1)), xlabel="claims that hold")
        key(left, KINDS)
        right = paper.add_axes((0.68, 30 / height, 0.29, (height - 30 - 16) / height))
        for i, shares in enumerate(wrong):
            x = [max(math.log10(share), floor + 1) if share else floor for share in shares if share is not None]
            right.plot(x, [i] * len(x), "|", color=ACCENT, markersize=9, markeredgewidth=1.2, clip_on=False)
        ticks = np.unique(np.linspace(floor * 2 / 3, 0, 3).round())
        right.set(
            xlim=(floor - 0.5, 0.5), ylim=(len(groups) - 0.5, -0.5), yticks=[], xlabel="sequences that may be wrong"
        )
        right.set_xticks([floor, *ticks], ["none", *("all" if tick == 0 else f"1e{int(tick)}" for tick in ticks)])

    return Drawing(caption, alt, paint, height / 72, WIDTH, _texts(names))


def _cell_in_words(name: str, group: Group) -> str:
    counts = [f"{n} {kind}" for n, kind in zip(_by_kind(group), KINDS, strict=True) if n]
    right = sum(_wrong(run) == 0 for run in group.counted)
    return (
        f"{name}: of {counted(len(group.claims), 'claim')} {', '.join(counts) or 'none'}; "
        f"{right} of {counted(len(group.counted), 'model')} right everywhere"
    )


def _by_kind(group: Group) -> tuple[int, int, int, int]:
    """How many claims hold on all seeds, on some, on none, and how many are not decided."""
    undecided = len(group.with_standing(Standing.UNDECIDED))
    everywhere = sum(finding.holds_on_all for finding in group.claims)
    accidents = len(group.with_standing(Standing.ACCIDENT))
    return everywhere, accidents, len(group.claims) - everywhere - accidents - undecided, undecided


def _wrong(run: Run) -> float | None:
    """The share of sequences that may be wrong somewhere; None if nothing is proved."""
    if run.outcome is None or run.outcome.proved is None:
        return None
    proved = run.outcome.proved
    return float(Fraction(proved.sequences - proved.right_everywhere[0], proved.sequences))


def _finite(margins: Sequence[tuple[Run, float]]) -> list[tuple[Run, float]]:
    return [(run, margin) for run, margin in margins if math.isfinite(margin)]


def _seed(run: Run) -> str:
    return "" if run.outcome is None else str(run.outcome.seed)


def _list_of(seeds: Sequence[int]) -> str:
    """A few seeds, and how many more."""
    listed = ", ".join(plain(str(seed))[:8] for seed in seeds[:FEW])
    return f"{listed} +{len(seeds) - FEW}" if len(seeds) > FEW else listed


def _starts(groups: Sequence[tuple[Group, Any]]) -> Iterator[tuple[int, tuple[Group, Any]]]:
    """Where each group begins along an axis, one place apart from the last."""
    start = 0
    for group, some in groups:
        yield start, (group, some)
        start += len(some) + 1


def _rows_beside_names(
    paper: Paper, names: Sequence[str], height: float, *, bottom: float, right: float = 0.91
) -> Axes:
    """Axes with a row for each name, names at the left. The names are none of matplotlib's business: see `_texts`."""
    width = WIDTH * 72
    left = min(max(map(len, names)), LONGEST) * SIZE * LETTER + 12
    rows = height - bottom - 16
    ax = paper.add_axes((left / width, bottom / height, right - left / width, rows / height))
    ax.set(ylim=(len(names) - 0.5, -0.5), yticks=[])
    ax.spines["left"].set_visible(False)
    for i in range(len(names)):
        ax.annotate(
            f"row {i}", (0, i), (-8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center", fontsize=SIZE, color=INK, annotation_clip=False,
        )  # fmt: skip
    return ax


def _texts(names: Sequence[str]) -> dict[str, str]:
    return {f"row {i}": name for i, name in enumerate(names)}
