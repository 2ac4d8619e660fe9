"""What is proved of every list: which classes of answers are right, which are wrong, and which are neither"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from pytest_claims.drawing.canvas import LINE, MUTED, THREE_COLOURS, Drawing, figure, key
from pytest_claims.drawing.figure import NotDrawn

from sorted_list_model.figures.subject import Subject, one_layer, round_steps
from sorted_list_model.proof.certificate import Kind
from sorted_list_model.proof.known import certificate_of
from sorted_list_model.proof.tables import Unprovable

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Paper

    from sorted_list_model.proof.certificate import Certificate

COLOURS = {
    Kind.RIGHT: LINE,
    Kind.OPEN: THREE_COLOURS[1],
    Kind.KNOWN: THREE_COLOURS[2],
    Kind.WRONG: THREE_COLOURS[0],
}


@figure("every-list", "Every list: which answers are proved right, and which are wrong")
def every_list(subject: Subject) -> Drawing:
    """Classes of answers that share rank, number and next number. Proved; only wrong lists are found by a search."""
    certificate = _certificate(subject)
    n = certificate.list_len
    many = Counter(proved.kind for proved in certificate.proved)
    low, high = (float(end) for end in certificate.accuracy)
    caption = (
        f"All answers on all {certificate.lists:,} lists, in {len(certificate.proved):,} classes: a panel for each "
        "position, the current number (across) and the next larger one, the right answer (upwards); at SEP the "
        "smallest number. Of each class it is proved that every list is right, or that every one is wrong, or a search "
        "found a wrong list, or it is open. No class is divided: `certify --depth quick` proves far more."
    )
    by_rank = "; ".join(f"{_name(k)} {low:.4f} to {high:.4f}" for k, (low, high) in _by_rank(certificate))
    alt = (
        f"Accuracy over all answers is proved to lie between {low:.4f} and {high:.4f}. Of {len(certificate.proved):,} "
        f"classes {many[Kind.RIGHT]:,} are right on every list, {many[Kind.WRONG]:,} wrong on every list, of "
        f"{many[Kind.KNOWN]:,} a wrong list is known, {many[Kind.OPEN]:,} are open. Proved right and not proved wrong, "
        f"by position: {by_rank}."
    )

    def paint(paper: Paper) -> None:
        columns = min(5, n)
        panels = paper.subplots(
            -(-n // columns), columns, squeeze=False,
            gridspec_kw={"left": 0.05, "right": 0.99, "bottom": 0.09, "top": 0.88, "wspace": 0.22, "hspace": 0.35},
        ).ravel()  # fmt: skip
        ticks = round_steps(certificate.max_value + 1)[::2]
        for k, ends in _by_rank(certificate):
            ax = panels[k]
            ax.imshow(_map(certificate, k), origin="lower", interpolation="none", aspect="auto")
            ax.spines[:].set_visible(False)
            ax.tick_params(length=0, pad=2, labelsize=5.6)
            ax.set_yticks(ticks)
            ax.set_xticks(ticks if k else [])
            ax.set_title(f"{_name(k)}: {float(ends[0]):.4f} to {float(ends[1]):.4f}", fontsize=6.5, color=MUTED)
        for ax in panels[n:]:
            ax.set_visible(False)
        words = {kind.value: MUTED if colour == LINE else colour for kind, colour in COLOURS.items()}
        key(panels[columns - 1], words, y=1.2)

    return Drawing(caption, alt, paint, height=1.0 + 1.6 * -(-n // 5))


def _certificate(subject: Subject) -> Certificate:
    one_layer(subject.model)
    try:
        return certificate_of(subject.model)
    except Unprovable as error:
        raise NotDrawn(str(error)) from None


def _by_rank(certificate: Certificate) -> list[tuple[int, tuple[float, float]]]:
    return [(k, (float(low), float(high))) for k, (low, high) in
            ((k, certificate.at_rank(k)) for k in range(certificate.list_len))]  # fmt: skip


def _name(k: int) -> str:
    return f"number {k}" if k else "SEP"


def _map(certificate: Certificate, k: int) -> np.ndarray:
    """An image of the classes at one position: the right answer upwards, the number across; of SEP one wide column."""
    from matplotlib.colors import to_rgba

    colours = {kind: to_rgba(colour) for kind, colour in COLOURS.items()}
    past = certificate.max_value + 1
    image = np.zeros((past, past, 4))
    for proved in certificate.proved:
        if proved.of.k == k:
            image[proved.of.y, proved.of.d if k else slice(None)] = colours[proved.kind]
    return image
