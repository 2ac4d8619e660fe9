"""What each neuron does, by name rather than by number: a number means nothing once a model is trained again.

A neuron of the first layer is told by the side of zero on which it fires and by how much it moves the logits apart.
Which neuron of one model plays the part of which neuron of another is told by their response curves: what each
adds to the logits as the running mean goes from one end to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import Role, _require_account, neuron_roles, read_neurons
from cumsum_model.scope import no_account_of, not_the_reference, reference_model
from toy_model.checkpoint.refusal import CheckpointError

MEANS = 201
"""Running means at which response curves are compared, evenly spaced."""

ALIKE = 0.5
"""Neurons that are less alike than this have no part in common: more of what the two do differs than is shared."""


@dataclass(frozen=True)
class Part:
    """Which neuron of one model plays the part of which neuron of the other.

    neuron    of the one model; None where no neuron of it plays the part of `other`
    other     of the other model; None where `neuron` has no counterpart
    likeness  0 (they share nothing) to 1 (the same curve): see `match_neurons`; 0 where there is no counterpart
    dead      whether the neurons that are named are dead, so that there is no part to play
    """

    neuron: int | None
    other: int | None
    likeness: float
    dead: bool

    def __str__(self) -> str:
        """Such as "5 plays the part of 2 (0.93 alike)"."""
        if self.neuron is None:
            return f"the other's {self.other} is dead" if self.dead else f"none plays the part of {self.other}"
        if self.other is None:
            return f"{self.neuron} is dead" if self.dead else f"{self.neuron} has no counterpart"
        if self.dead:
            return f"{self.neuron} and {self.other} are both dead"
        return f"{self.neuron} plays the part of {self.other} ({self.likeness:.2f} alike)"


def response_curves(
    model: CumsumTransformer, means: Float[np.ndarray, " n_means"]
) -> Float[np.ndarray, "d_mlp n_means d_vocab_out"]:
    """What each neuron adds to the three logits at a running mean, in logits, centred over the labels.

    The current token and the position are held at their average; what is common to all labels changes no answer.
    """
    _require_account(model)
    neurons = read_neurons(model)
    mean = torch.from_numpy(means).to(neurons.push)
    post = (neurons.bias[:, None] + neurons.slope[:, None] * mean).relu()
    return (post[..., None] * neurons.push[:, None]).cpu().numpy()


def match_neurons(model: CumsumTransformer, other: CumsumTransformer) -> tuple[Part, ...]:
    """Which neuron of `model` plays the part of which neuron of `other`: a part for each neuron of `model`, in order,
    then one for each neuron of `other` that has no counterpart.

    How alike two neurons are is 1 - |a - b| / (|a| + |b|) of their response curves over the running means that both
    models know, where |.| sums sizes over means and labels. It is the share of what the two do that they do alike: 1
    for the same curve, 0 where they fire on different sides or push different ways, 2 r / (1 + r) where one is r
    times the other.

    Live neurons are paired with live ones, and dead ones with dead ones, so that the squared differences of their
    curves are the least in sum, where one without a partner counts as paired with a neuron that does nothing. So
    of those that differ in strength alone the strongest plays the part of the strongest. Live ones that are less
    than `ALIKE` alike have no counterpart.
    Raises ValueError for models that the account of neurons is not about, and says why.
    """
    from scipy.optimize import linear_sum_assignment

    reach = min(model.cfg.max_value, other.cfg.max_value)
    means = np.linspace(-reach, reach, MEANS)
    mine, theirs = (response_curves(which, means).reshape(which.cfg.d_mlp, -1) for which in (model, other))
    my_live, their_live = (np.array([role.live for role in neuron_roles(which)]) for which in (model, other))
    parts: dict[int, Part] = {}
    for dead in (False, True):
        rows, columns = np.flatnonzero(my_live != dead), np.flatnonzero(their_live != dead)
        # |a - b|^2 is |a|^2 + |b|^2, what the two cost without a partner, less twice a . b: what pairing them saves.
        saved = np.maximum(mine[rows] @ theirs[columns].T, 0)
        for i, j in zip(*linear_sum_assignment(saved, maximize=True), strict=True):
            neuron, counterpart = int(rows[i]), int(columns[j])
            likeness = _likeness(mine[neuron], theirs[counterpart])
            if dead or likeness >= ALIKE:
                parts[neuron] = Part(neuron, counterpart, likeness, dead)
    alone = set(range(other.cfg.d_mlp)) - {part.other for part in parts.values()}
    return (
        *(parts.get(i) or Part(i, None, 0.0, bool(~my_live[i])) for i in range(model.cfg.d_mlp)),
        *(Part(None, j, 0.0, bool(~their_live[j])) for j in sorted(alone)),
    )


def _likeness(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " n"]) -> float:
    """See `match_neurons`; two that do nothing do the same."""
    done = np.abs(a).sum() + np.abs(b).sum()
    return 1 - float(np.abs(a - b).sum() / done) if done else 1.0


MOST_NAMED = 8
"""Neurons of one kind that are named in a report; of the others it says how many there are."""


MOST_MATCHED = 10_000
"""Neurons whose response curves are compared with those of the shipped checkpoint, for a report."""


def cast_of(model: CumsumTransformer) -> str:
    """Which neurons fire on which side, and which play the parts of those that the claims know by number."""
    reason = no_account_of(model)
    if reason is not None:
        return f"no roles: {reason}"
    roles = neuron_roles(model)
    live = [role for role in roles if role.live]
    groups = [
        _listed("on positive means", [role for role in live if role.side == "pos"]),
        _listed("on negative means", [role for role in live if role.side == "neg"]),
        _listed("dead", [role for role in roles if not role.live]),
    ]
    text = f"{', '.join(groups)}, each strongest first"
    try:
        return text if not_the_reference(model) is None else f"{text}; {_parts(model)}"
    except CheckpointError:
        return f"{text}; not compared with the shipped checkpoint, which is not there"


def _listed(kind: str, roles: list[Role]) -> str:
    """Such as "2 dead (7, 3)", the strongest first."""
    if not roles:
        return f"0 {kind}"
    names = [str(role.neuron) for role in sorted(roles, key=lambda role: -role.strength)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{len(names)} {kind} ({', '.join(names[:MOST_NAMED])}{more})"


def _parts(model: CumsumTransformer) -> str:
    """Who plays the parts of the shipped checkpoint's live neurons, the strongest first."""
    if model.cfg.d_mlp > MOST_MATCHED:
        return "too many to compare with those of the shipped checkpoint"
    parts = {part.other: part for part in match_neurons(model, reference_model()) if part.other is not None}
    live = sorted((role for role in neuron_roles(reference_model()) if role.live), key=lambda role: -role.strength)
    played = [part for role in live if (part := parts[role.neuron]).neuron is not None]
    unplayed = ", ".join(str(role.neuron) for role in live if parts[role.neuron].neuron is None)
    if not played:
        return f"none plays the part of the shipped checkpoint's {unplayed}"
    first, *others = played
    phrases = [f"{first.neuron} plays the part of the shipped checkpoint's {first.other} ({first.likeness:.2f} alike)"]
    phrases += [f"{part.neuron} of its {part.other} ({part.likeness:.2f})" for part in others]
    return ", ".join(phrases) + (f", none of its {unplayed}" if unplayed else "")
