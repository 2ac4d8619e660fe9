"""What is kept of one run of a sweep: `runs/NAME/outcome.json`, written last, so that where it lies the run is done.

Beside it lie `model.safetensors` and `model.card.json`, as `train` writes them, and `report.html`, `report.json` and
`report.md`, as `pytest claims/ --report` writes them. A run that diverged has none of these.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_claims.files import Unreadable, read_regular

FORMAT = 1
OUTCOME_FILE = "outcome.json"
RUNS = "runs"
"""The folder of a sweep that holds a folder for each run."""

MAX_BYTES = 2**20


class OutcomeError(ValueError):
    """An outcome cannot be used. The message is one line that names the file."""


class Ending(StrEnum):
    """How a run ended. Whether its claims hold is for its report to say."""

    VERIFIED = "verified"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class Proved:
    """What is proved of a trained model over every sequence.

    sequences           how many there are of full length
    right_at_end        how many of them are answered rightly at the last position: at least, at most
    right_everywhere    how many at every position: at least, at most
    smallest_margin     no sequence of any length has a smaller one, in logits
    hardest             the values of a sequence that comes closest to it
    wrong               the values of the simplest sequence that is known to be wrong; None if none is
    """

    sequences: int
    right_at_end: tuple[int, int]
    right_everywhere: tuple[int, int]
    smallest_margin: float
    hardest: tuple[int, ...]
    wrong: tuple[int, ...] | None

    @property
    def everywhere_right(self) -> bool:
        return self.right_everywhere[0] == self.sequences


@dataclass(frozen=True)
class Outcome:
    """One run.

    name       its folder, such as "seed7" or "d_mlp=4,seed=7"
    seed       of its recipe
    varied     the options that the sweep varies beside the seed, by name: {"d_mlp": 4}
    recipe     all options of its training
    suite      a fingerprint of the claims that it was verified with
    ending     how it ended; `reason` says why, if it diverged
    exit_code  of `pytest claims/`: 0 every claim held, 1 something did not, or most claims are not about the model;
               None if it diverged
    sha256     of the trained model; None if it diverged
    kept_epoch the epoch that was kept, counted from 0; None if it diverged
    proved     what is proved of the model; None, with `unproved` saying why, if nothing is
    seconds    that "train" and "verify" took, on the worker that did them
    """

    name: str
    seed: int
    varied: Mapping[str, int | float]
    recipe: Mapping[str, Any]
    suite: str
    ending: Ending
    reason: str
    exit_code: int | None
    sha256: str | None
    kept_epoch: int | None
    proved: Proved | None
    unproved: str
    seconds: Mapping[str, float]


def encode(outcome: Outcome) -> bytes:
    """The bytes of `outcome.json`. Numbers of sequences are written as text: few readers know integers this long."""
    plain = {"format": FORMAT, **asdict(outcome)}
    if outcome.proved is not None:
        proved = outcome.proved
        plain["proved"] |= {
            "sequences": str(proved.sequences),
            "right_at_end": [str(number) for number in proved.right_at_end],
            "right_everywhere": [str(number) for number in proved.right_everywhere],
        }
    return (json.dumps(plain, indent=1) + "\n").encode()


def read_outcome(path: Path) -> Outcome:
    """The outcome in a file. Raises OutcomeError, whatever the file holds."""
    try:
        plain = json.loads(read_regular(path, MAX_BYTES))
    except Unreadable as error:
        raise OutcomeError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise OutcomeError(f"{path}: is not JSON ({str(error)[:100]})") from None
    if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
        raise OutcomeError(f"{path}: is not the outcome of a run in format {FORMAT}")
    try:
        if plain["proved"] is not None:
            plain["proved"] = _to_proved(plain["proved"])
        outcome = Outcome(**{**plain, "ending": Ending(plain["ending"])})
        _require(isinstance(outcome.name, str) and isinstance(outcome.seed, int) and isinstance(outcome.suite, str))
        _require(isinstance(outcome.varied, dict) and isinstance(outcome.recipe, dict))
        _require(isinstance(outcome.seconds, dict))
        _require(all(isinstance(each, int | float) and math.isfinite(each) for each in outcome.seconds.values()))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise OutcomeError(f"{path}: is not the outcome of a run ({str(error)[:100]})") from None
    return outcome


def _to_proved(plain: Mapping[str, Any]) -> Proved:
    wrong = plain["wrong"]
    low, high = plain["right_at_end"]
    lowest, highest = plain["right_everywhere"]
    return Proved(
        sequences=int(plain["sequences"]),
        right_at_end=(int(low), int(high)),
        right_everywhere=(int(lowest), int(highest)),
        smallest_margin=float(plain["smallest_margin"]),
        hardest=tuple(int(value) for value in plain["hardest"]),
        wrong=None if wrong is None else tuple(int(value) for value in wrong),
    )


def _require(fits: bool) -> None:
    if not fits:
        raise TypeError("a part of it is of the wrong kind")
