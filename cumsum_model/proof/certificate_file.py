"""A certificate as a file: everything that the checker needs to verify it without trusting how it was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from cumsum_model.data import VOCAB_OUT
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import Verdict, outlined
from cumsum_model.proof.length import Length, Outline
from cumsum_model.proof.rounding import logit_error
from toy_model.architectures import taken_for_granted

FORMAT = "cumsum certificate"
VERSION = 2
"""Of what is written. In version 1 nothing was said of the architecture; it is read all the same."""

SINCE_VERSION_2 = "architecture"

SEMANTICS = (
    "Logits are those of real arithmetic on the stored float32 weights, the division by sqrt(d_head) included. The "
    "margin of a sequence is the right label's logit minus the best wrong one, at its last position; it is right if "
    "that is positive, a tie is wrong. A class is all sequences of one length, last value and sum. No sequence of a "
    "class that is right has a margin below `smallest`, none of one that is wrong has one above `largest`. float32 "
    "inference, with sums in any order, differs by at most `float32_logit_error` per logit."
)

VERDICTS = {
    "R": "every sequence is right",
    "W": "every sequence is wrong",
    "S": "holds right and wrong sequences, of which the witnesses are one each",
    "U": "undecided",
}


def verdicts(length: Length) -> np.ndarray:
    """R, W, S or U for each class, [last token, sum index]."""
    shown = length.shown_wrong & length.shown_right
    return np.where(length.right, "R", np.where(length.wrong, "W", np.where(shown, "S", "U")))


def write(
    file: BinaryIO, lengths: Iterable[Length], model: CumsumTransformer, name: str, sha256: str
) -> Verdict[Outline]:
    """Write the certificate of the checkpoint file `name` as JSON, each length as it comes, on a line of its own.

    Counts are strings: JSON's numbers end at 2**53. Returns what follows from all lengths, with which the file ends.
    Of a length only the classes of one last value are held as JSON at a time. Raises OSError.
    """
    checkpoint = {"file": name, "sha256": sha256}
    preamble = {"format": FORMAT, "version": VERSION, "checkpoint": checkpoint, **_preamble(model)}
    file.write(_up_to_array(preamble, "lengths"))

    def written(length: Length) -> Length:
        file.write(b",\n" if length.n > 1 else b"\n")
        for piece in _length(length, model.cfg.max_value):
            file.write(piece)
        return length

    verdict = outlined(map(written, lengths), model.cfg.max_value)
    file.write(b"\n]," + _json(_totals(verdict))[1:])
    return verdict


def _json(part: dict[str, Any]) -> bytes:
    return json.dumps(part, separators=(",", ":")).encode()


def _up_to_array(part: dict[str, Any], name: str) -> bytes:
    """An object that goes on with an array by this name."""
    return _json({**part, name: []})[: -len("]}")]


def _preamble(model: CumsumTransformer) -> dict[str, Any]:
    """What is said of the checkpoint as a whole and does not depend on any class."""
    cfg, error = model.cfg, logit_error(model)
    return {
        "semantics": SEMANTICS,
        "verdicts": VERDICTS,
        "architecture": taken_for_granted(model),
        "model": {"max_value": cfg.max_value, "n_ctx": cfg.n_ctx, "n_heads": cfg.n_heads, "d_mlp": cfg.d_mlp},
        "float32_logit_error": error if np.isfinite(error) else None,
    }


def _totals(verdict: Verdict[Outline]) -> dict[str, Any]:
    """What is said of all lengths together."""
    hardest = verdict.hardest
    values = verdict.values(hardest.hardest[1])
    return {
        "sequences": str(verdict.sequences),
        "proved_right": verdict.proved_right,
        "right_at_every_position": [str(count) for count in verdict.right_at_every_position],
        "smallest_margin": {
            "proved": verdict.smallest_margin,
            "length": hardest.n,
            "sum": sum(values),
            "values": values,
        }
        if verdict.proved_right
        else None,
    }


def differing(document: dict[str, Any], model: CumsumTransformer) -> str | None:
    """The first part of the preamble that is not what this version would write for `model`; None if all is."""
    for name, expected in _preamble(model).items():
        if name == SINCE_VERSION_2 and document.get("version") == 1 and name not in document:
            continue
        stated = document.get(name)
        # The error bound may differ in its last digits from one processor to another.
        close = isinstance(stated, float) and isinstance(expected, float) and abs(stated - expected) <= 1e-6 * expected
        if stated != expected and not close:
            return name
    return None


def _length(length: Length, max_value: int) -> Iterator[bytes]:
    low, high = length.answered_rightly
    of_all = {
        "length": length.n,
        "sequences": str(length.sequences),
        "right": [str(low), str(high)],
        "smallest_margin": length.smallest_margin if length.all_right else None,
    }
    yield _up_to_array(of_all, "queries")
    for a, judged in enumerate(verdicts(length)):
        yield b"," * (a > 0) + _json(_query(length, judged, a, max_value))
    yield b"]}"


def _query(length: Length, judged: np.ndarray, a: int, max_value: int) -> dict[str, Any]:
    """The classes of one length and last value, from the lowest sum to the highest.

    What supports the verdict of each: the smallest margin and its witness where all are right, the largest and its
    witness where all are wrong, both witnesses and how many are right where that is neither.
    """
    not_wrong, not_right = judged != "W", judged != "R"
    return {
        "last": a - max_value,
        "lowest_sum": int(length.sums[a, 0]),
        "labels": "".join(VOCAB_OUT[label][0] for label in length.labels[a]),
        "verdicts": "".join(judged),
        "signs": ["".join("-?+"[sign + 1] for sign in signs) for signs in length.signs[a]],
        "smallest": _where(~not_right, length.smallest[a]),
        "smallest_witness": _witnesses(not_wrong, length.least[a], length.least_tokens[a], max_value),
        "largest": _where(~not_wrong, length.largest[a]),
        "largest_witness": _witnesses(not_right, length.most[a], length.most_tokens[a], max_value),
        "right": [
            [str(length.right_low[a, s]), str(length.right_high[a, s])] if judged[s] in "SU" else None
            for s in range(len(judged))
        ],
    }


def _where(wanted: np.ndarray, bounds: np.ndarray) -> list[float | None]:
    return [float(bound) if want else None for want, bound in zip(wanted, bounds, strict=True)]


def _witnesses(wanted: np.ndarray, margins: np.ndarray, tokens: np.ndarray, max_value: int) -> list[list[int] | None]:
    values = tokens.astype(np.int64) - max_value
    return [
        witness.tolist() if want and np.isfinite(margin) else None
        for want, margin, witness in zip(wanted, margins, values, strict=True)
    ]
