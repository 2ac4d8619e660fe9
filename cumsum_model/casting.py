"""Which neuron plays which part, in words: for the report of a checkpoint, and for a first look at one."""

from __future__ import annotations

from cumsum_model.checkpoint import not_the_reference, reference_model
from cumsum_model.circuit import no_account_of
from cumsum_model.model import CumsumTransformer
from cumsum_model.roles import Role, match_neurons, neuron_roles

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
    told = [
        _listed("on positive means", [role for role in live if role.side == "pos"]),
        _listed("on negative means", [role for role in live if role.side == "neg"]),
        _listed("dead", [role for role in roles if not role.live]),
    ]
    text = f"{', '.join(told)}, each strongest first"
    return text if not_the_reference(model) is None else f"{text}; {_parts(model)}"


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
    told = [f"{first.neuron} plays the part of the shipped checkpoint's {first.other} ({first.likeness:.2f} alike)"]
    told += [f"{part.neuron} of its {part.other} ({part.likeness:.2f})" for part in others]
    return ", ".join(told) + (f", none of its {unplayed}" if unplayed else "")
