"""Many reports in a row: which claim held when, and in which report that changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from pytest_claims.report.baseline import trouble
from pytest_claims.report.report import Report
from pytest_claims.results import ClaimResult
from pytest_claims.text import one_line, short_name
from pytest_claims.verdict import Verdict

MOST_SPELLS = 6
"""A claim that changed more often, such as one that holds on every other seed, is told by its counts."""


class State(StrEnum):
    """What one report says of one claim. `LETTERS` has the character that stands for it in a table."""

    GOOD = "as it should be"
    UNSHOWN = "as it should be, but not shown to be able to fail"
    LIMIT = "known limit"
    BAD = "not as it should be"
    ERROR = "error"
    ABSENT = "not run, or not in the report"
    NOT_ABOUT = "not about the model"


LETTERS = {
    State.GOOD: "+",
    State.BAD: "X",
    State.UNSHOWN: "?",
    State.LIMIT: "~",
    State.ERROR: "!",
    State.ABSENT: ".",
    State.NOT_ABOUT: " ",
}

_STATES = {
    Verdict.LIMIT: State.LIMIT,
    Verdict.ERROR: State.ERROR,
    Verdict.NOT_RUN: State.ABSENT,
    Verdict.NOT_SELECTED: State.ABSENT,
    Verdict.NOT_ABOUT: State.NOT_ABOUT,
}

_WORDS = {
    Verdict.HOLDS: "held",
    Verdict.LOSES: "lost",
    Verdict.WINS: "won",
    Verdict.STANDS: "true after all",
    Verdict.ERROR: "in error",
    Verdict.LIMIT: "a known limit",
    Verdict.NOT_SELECTED: "not run",
}


@dataclass(frozen=True)
class Entry:
    """One report and its name."""

    name: str
    report: Report


@dataclass(frozen=True)
class Spell:
    """Reports in a row in which a claim is in one state; `first` and `last` are their numbers, from 0."""

    state: State
    first: int
    last: int

    def numbers(self) -> str:
        """The reports, such as R3 or "R3 to R5"."""
        return f"R{self.first + 1}" + (f" to R{self.last + 1}" if self.last > self.first else "")


@dataclass(frozen=True)
class Row:
    """One claim: what each report has of it, None where it is not there."""

    claim: str
    name: str
    results: tuple[ClaimResult | None, ...]

    @property
    def statement(self) -> str:
        """What it says, in the last report that has it."""
        return next(result.statement for result in reversed(self.results) if result is not None)

    @cached_property
    def states(self) -> tuple[State, ...]:
        return tuple(map(state_of, self.results))

    @property
    def letters(self) -> str:
        return "".join(LETTERS[state] for state in self.states)

    @cached_property
    def spells(self) -> list[Spell]:
        """The states one after the other, such as: as it should be in R1 to R3, not in R4."""
        spells: list[Spell] = []
        for i, state in enumerate(self.states):
            if spells and spells[-1].state == state:
                spells[-1] = Spell(state, spells[-1].first, i)
            else:
                spells.append(Spell(state, i, i))
        return spells

    @property
    def changed(self) -> bool:
        return len(self.spells) > 1

    def told(self) -> str:
        """A sentence on how the state changed, such as "held until R3, refuted from R4 on (gap 4, not < 1)"."""
        if len(self.spells) > MOST_SPELLS:
            return ", ".join(self._counts())
        return ", ".join(self._when(spell) for spell in self.spells)

    def _when(self, spell: Spell) -> str:
        if spell.first == 0:
            when = f"until R{spell.last + 1}" if spell.last else "in R1"
        elif spell.last == len(self.states) - 1:
            when = f"from R{spell.first + 1} on" if spell.last > spell.first else f"in R{spell.first + 1}"
        else:
            when = f"in {spell.numbers()}"
        return f"{self._word(spell)} {when}" + self._details(spell)

    def _counts(self) -> Iterator[str]:
        """For each state the number of reports, and which they are where it is not as it should be."""
        for state in dict.fromkeys(self.states):
            spells = [spell for spell in self.spells if spell.state == state]
            n = sum(spell.last - spell.first + 1 for spell in spells)
            words = f"{self._word(spells[0])} in {n} of {len(self.states)} reports"
            if state in (State.BAD, State.ERROR, State.UNSHOWN):
                words += f" ({', '.join(spell.numbers() for spell in spells)})"
            yield words

    def _word(self, spell: Spell) -> str:
        result = self.results[spell.first]
        if result is None:
            return "absent"
        if spell.state == State.UNSHOWN:
            return "not shown to be able to fail"
        return _WORDS.get(result.verdict, str(result.verdict))

    def _details(self, spell: Spell) -> str:
        """What is wrong in the first report of a spell, and whether the claim's source is another there than before."""
        result = self.results[spell.first]
        if result is None:
            return ""
        before = next((earlier for earlier in reversed(self.results[: spell.first]) if earlier is not None), None)
        edited = ["its source changed, too"] if _edited(before, result) else []
        details = one_line("; ".join([*trouble(result), *edited]), 500)
        return f" ({details})" if details else ""


@dataclass(frozen=True)
class History:
    """Reports in a row, as they are to be shown."""

    entries: tuple[Entry, ...]

    @cached_property
    def rows(self) -> list[Row]:
        """A row for each claim that any report has, in the order of the latest one that has it."""
        each = [{result.claim: result for result in entry.report.claims} for entry in self.entries]
        claims = dict.fromkeys(claim for results in reversed(each) for claim in results)
        short = [short_name(claim) for claim in claims]
        return [
            Row(
                claim,
                short_name(claim) if short.count(short_name(claim)) == 1 else claim,
                tuple(results.get(claim) for results in each),
            )
            for claim in claims
        ]

    @property
    def changed(self) -> list[Row]:
        return [row for row in self.rows if row.changed]

    @property
    def letters(self) -> list[tuple[str, State]]:
        """The characters that occur, with what they stand for."""
        occurring = {state for row in self.rows for state in row.states}
        return [(letter, state) for state, letter in LETTERS.items() if state in occurring]

    @property
    def headline(self) -> str:
        """In one line, such as "4 reports, 118 claims: 1 changed"."""
        n_reports, n_claims, n_changed = len(self.entries), len(self.rows), len(self.changed)
        counts = f"{n_reports} report{'s' * (n_reports != 1)}, {n_claims} claim{'s' * (n_claims != 1)}"
        return f"{counts}: {n_changed or 'none'} changed"


def state_of(result: ClaimResult | None) -> State:
    """The state of a claim in one report. A claim in error, or that did not run, is so whatever its controls are."""
    if result is None:
        return State.ABSENT
    if result.verdict in (Verdict.ERROR, Verdict.NOT_RUN, Verdict.NOT_SELECTED):
        return _STATES[result.verdict]
    if result.good:
        return _STATES.get(result.verdict, State.GOOD)
    return State.UNSHOWN if result.verdict in _GOOD_ALONE else State.BAD


_GOOD_ALONE = (Verdict.HOLDS, Verdict.AS_PUBLISHED, Verdict.LOSES, Verdict.LIMIT)


def _edited(before: ClaimResult | None, after: ClaimResult) -> bool:
    if before is None:
        return False
    earlier, later = before.records[0].source_id, after.records[0].source_id
    return bool(earlier and later) and earlier != later


def in_order(names: Sequence[str]) -> list[int]:
    """The places of the names in natural order, in which seed9 precedes seed10."""
    return sorted(range(len(names)), key=lambda i: (_natural(names[i]), names[i]))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """What stands in a name as numbers, and what does not, such that each is compared with its like."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts if part]
