"""What `inspect` says of a checkpoint: what is in it, and a first diagnosis of the model that it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from sorted_list_model import scope
from sorted_list_model.data import EVALUATION_SIZE, SortedListDataset
from sorted_list_model.diagnosis import sample
from sorted_list_model.heads import costs
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.ov_circuit import copied
from toy_model.architectures import OURS
from toy_model.behaviour import cross_entropy
from toy_model.checkpoint.checkpoint import Checkpoint
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.rereading import answered
from toy_model.first_look import TOO_LARGE, Measured, as_plain, contents, warning

LABELS = {"accuracy": "accuracy", "cross_entropy": "cross entropy, nats"}

MOST_NUMBERS = 50_000_000
"""Numbers that what each head makes of each token at each position may take, for heads to be looked at."""


@dataclass(frozen=True)
class Head:
    """The mean fall in log probability of right answers when it is mean-ablated, and the numbers that it copies."""

    cost: Measured
    copies: list[int]


@dataclass(frozen=True)
class Inspected:
    """A checkpoint, what was measured of it (a number, or why there is none), and on how much."""

    checkpoint: Checkpoint[SortedListTransformer]
    misreading: Misreading | None
    evaluated_on: str
    diagnosis: dict[str, Measured]
    by_position: list[float]
    heads: list[Head] | str


def inspected(checkpoint: Checkpoint[SortedListTransformer], misreading: Misreading | None) -> Inspected:
    """Measure the model. What does not apply to it, or would take too long, is said instead of a number."""
    model = checkpoint.model
    data = sample(model.cfg)
    if data is None:
        diagnosis: dict[str, Measured] = dict.fromkeys(LABELS, TOO_LARGE)
        return Inspected(checkpoint, misreading, "nothing", diagnosis, [], _heads(model, None))
    with torch.no_grad():
        answers, labels = answered(model, data, OURS)[:, data.scored], data.targets
    right = (answers.argmax(-1) == labels) & answers.isfinite().all(-1)
    diagnosis = {
        "accuracy": right.double().mean().item(),
        "cross_entropy": _finite(cross_entropy(answers, labels).item()),
    }
    size = "the evaluation set" if len(data) == EVALUATION_SIZE else f"{len(data)} of its lists"
    told = f"{size}, SEP and the sorted numbers but the last"
    return Inspected(checkpoint, misreading, told, diagnosis, right.double().mean(0).tolist(), _heads(model, data))


def _finite(value: float) -> Measured:
    return value if math.isfinite(value) else "not a finite number"


def _heads(model: SortedListTransformer, data: SortedListDataset | None) -> list[Head] | str:
    """Each head, or why nothing that is said of a head applies."""
    cfg = model.cfg
    because = scope.no_account_of(model)
    if because is not None:
        return f"does not apply: {because}"
    if data is None or cfg.n_heads * (cfg.n_ctx * cfg.d_vocab) * max(cfg.d_vocab, cfg.d_model) > MOST_NUMBERS:
        return TOO_LARGE
    try:
        measured = costs(model, data).tolist()
    except ValueError as error:  # of a model whose logits overflow
        return f"not measured: {error}"
    copies = [numbers.nonzero()[:, 0].tolist() for numbers in copied(model)]
    return [Head(_finite(cost), numbers) for cost, numbers in zip(measured, copies, strict=True)]


def as_json(inspection: Inspected) -> dict[str, Any]:
    """Everything, for other programs. A measurement that is no number is null, with the reason beside it."""
    heads = inspection.heads
    plain = heads if isinstance(heads, str) else [{"cost": _number(head.cost), "copies": head.copies} for head in heads]
    more = {"accuracy_by_position": inspection.by_position, "heads": plain}
    return as_plain(inspection.checkpoint, inspection.misreading, inspection.evaluated_on, inspection.diagnosis, more)


def _number(measured: Measured) -> float | None:
    return None if isinstance(measured, str) else measured


def as_text(inspection: Inspected) -> list[str]:
    """The same for people."""
    lines = [*contents(inspection.checkpoint), "", f"diagnosis, on {inspection.evaluated_on}"]
    lines += [f"  {label:<22} {_told(inspection.diagnosis[name])}" for name, label in LABELS.items()]
    if inspection.by_position:
        after = " ".join(f"{share:.3f}" for share in inspection.by_position[1:])
        lines += [f"  {'accuracy at SEP':<22} {inspection.by_position[0]:.3f}", f"  {'at sorted numbers':<22} {after}"]
    if isinstance(inspection.heads, str):
        lines.append(f"  {'heads':<22} {inspection.heads}")
    else:
        for i, head in enumerate(inspection.heads):
            cost = f"its mean-ablation costs {_told(head.cost)} nats"
            lines.append(f"  {f'head 0.{i}':<22} {cost}; copies {in_ranges(head.copies)}")
    return lines + warning(inspection.misreading)


def _told(measured: Measured) -> str:
    return measured if isinstance(measured, str) else f"{measured:.6g}"


def in_ranges(numbers: list[int]) -> str:
    """Numbers in order, successive ones as a range.

    >>> in_ranges([2, 28, 29, 30])
    '2, 28..30'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in ranges) or "none"
