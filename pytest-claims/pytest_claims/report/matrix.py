"""Which claim notices which defect: every claim on every mutant, and the holes in that table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_claims.claim import Control
from pytest_claims.results import ClaimResult
from pytest_claims.text import short_name
from pytest_claims.verdict import LETTERS, Verdict

ENOUGH = 2
"""How many mutants have to refute a claim before it counts as one that can fail."""


@dataclass
class Matrix:
    """Verdicts by claim and mutant.

    subject     one line that names the model of which the mutants were made
    whole       whether every claim of the suite was run; otherwise nothing is said of mutants that none notices
    harmless    mutants that break nothing that is claimed, such as the same function in other weights
    changes     what a harmless mutant changes of the form of the weights, such as "neuron numbers"
    depends_on  what of that form a claim is about: it may notice a harmless mutant only if that changes it
    assertions  by claim: each of its assertions, and how many models break it, controls that are in no list included
    """

    mutants: Sequence[str]
    harmless: Sequence[str]
    cells: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    depends_on: dict[str, Sequence[str]] = field(default_factory=dict)
    assertions: dict[str, dict[str, int]] = field(default_factory=dict)
    whole: bool = True
    subject: str = ""

    @classmethod
    def of(
        cls, results: Iterable[ClaimResult], mutants: Sequence[str], harmless: Sequence[Control], *, whole: bool
    ) -> Matrix:
        """The table of the claims that hold on the checkpoint: what else they notice says nothing if they do not.

        mutants: the names of its columns.
        """
        changes = {mutant.__name__: tuple(getattr(mutant, "changes", ())) for mutant in harmless}
        matrix = cls(list(mutants), list(changes), changes=changes, whole=whole)
        for result in results:
            checkpoint = result.checkpoint
            if checkpoint is None or checkpoint.verdict != Verdict.HOLDS or not result.n_controls:
                continue
            on_mutants = [record for record in result.controls if record.subject in matrix.mutants]
            matrix.cells[result.claim] = {record.subject: record.verdict for record in on_mutants}
            matrix.depends_on[result.claim] = checkpoint.depends_on
            matrix.assertions[result.claim] = {
                assertion: sum(assertion in record.broken for record in result.controls)
                for assertion in checkpoint.assertions
            }
        return matrix

    def refuting(self, claim: str) -> list[str]:
        return [mutant for mutant, verdict in self.cells[claim].items() if verdict == Verdict.REFUTED]

    def noticing(self, mutant: str) -> list[str]:
        return [claim for claim, row in self.cells.items() if row.get(mutant) == Verdict.REFUTED]

    def holes(self) -> list[str]:
        """Everything that the table should not show, a sentence each."""
        holes = []
        for claim, row in self.cells.items():
            n_refuting = len(self.refuting(claim))
            if n_refuting < ENOUGH:
                few = f"{n_refuting} of {len(row)} mutants, at least {ENOUGH} are needed"
                holes.append(f"{short_name(claim)} is refuted by {few}")
            missing = set(self.mutants) - row.keys()
            if missing:
                holes.append(f"{short_name(claim)} did not run on {', '.join(sorted(missing))}")
            holes += [
                f"{short_name(claim)}: no mutant breaks {assertion}"
                for assertion, n_breaking in self.assertions.get(claim, {}).items()
                if not n_breaking
            ]
            for mutant, verdict in row.items():
                if verdict not in (Verdict.REFUTED, Verdict.SURVIVED, Verdict.NOT_ABOUT):
                    holes.append(f"{short_name(claim)} on {mutant} is neither refuted nor survived: {verdict}")
        for mutant in self.mutants:
            noticing = self.noticing(mutant)
            impossible = all(row.get(mutant) == Verdict.NOT_ABOUT for row in self.cells.values())
            if self.whole and mutant not in self.harmless and not noticing and not impossible:
                holes.append(f"no claim notices {mutant}")
            if mutant in self.harmless:
                changes = set(self.changes.get(mutant, ()))
                holes += [
                    f"{short_name(claim)} notices {mutant}, which breaks nothing and changes nothing that it depends on"
                    for claim in noticing
                    if not changes & set(self.depends_on.get(claim, ()))
                ]
        return holes

    def render(self) -> str:
        """A row a claim, a column a mutant: X refuted, . survived, ! error. A legend names the columns."""
        width = max((len(short_name(claim)) for claim in self.cells), default=0)
        tens = "".join(str((i + 1) // 10 or " ") for i in range(len(self.mutants)))
        ones = "".join(str((i + 1) % 10) for i in range(len(self.mutants)))
        lines = [f"{'':{width}}  {tens}", f"{'claim':{width}}  {ones}  refuted by"]
        for claim, row in self.cells.items():
            letters = "".join(LETTERS.get(row[m], "!") if m in row else "?" for m in self.mutants)
            lines.append(f"{short_name(claim):{width}}  {letters}  {len(self.refuting(claim)):>3}")
        lines += ["", "X refuted   . survived   ! error   mutants, and how many claims notice each:"]
        for i, mutant in enumerate(self.mutants):
            changes = "".join(f", changes {what}" for what in self.changes.get(mutant, ()))
            note = f"  (breaks nothing{changes})" if mutant in self.harmless else ""
            lines.append(f"{i + 1:>4} {mutant:<30} {len(self.noticing(mutant)):>3}{note}")
        n_cells = sum(len(row) for row in self.cells.values())
        n_refuted = sum(len(self.refuting(claim)) for claim in self.cells)
        holes = self.holes()
        lines += [
            "",
            f"{len(self.cells)} claims x {len(self.mutants)} mutants: {n_refuted} of {n_cells} refuted",
        ]
        lines += [f"hole: {hole}" for hole in holes] or ["no holes"]
        return "\n".join(lines) + "\n"

    def to_plain(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "mutants": list(self.mutants),
            "harmless": {mutant: list(self.changes.get(mutant, ())) for mutant in self.harmless},
            "claims": {
                claim: {mutant: str(verdict) for mutant, verdict in row.items()} for claim, row in self.cells.items()
            },
            "depends_on": {claim: list(depends) for claim, depends in self.depends_on.items() if depends},
            "assertions": self.assertions,
            "holes": self.holes(),
        }
