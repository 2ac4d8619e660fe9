"""Which claim notices which defect: every claim on every mutant, and the holes in that table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cumsum_model.verification.results import CHECKPOINT, Record
from cumsum_model.verification.verdict import Verdict

LETTERS = {Verdict.REFUTED: "X", Verdict.SURVIVED: ".", Verdict.ERROR: "!", Verdict.NOT_ABOUT: " "}
ENOUGH = 2
"""How many mutants have to refute a claim before it counts as one that can fail."""


@dataclass
class Matrix:
    """Verdicts by claim and mutant.

    innocent    mutants that break nothing that is claimed, such as the same function in other weights
    particular  the claims that name parts by number: no others may notice an innocent mutant
    """

    mutants: Sequence[str]
    innocent: Sequence[str]
    cells: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    particular: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, records: Iterable[Record], mutants: Sequence[str], innocent: Sequence[str]) -> Matrix:
        matrix = cls(mutants, innocent)
        for record in records:
            if record.kind != "claim":
                continue
            row = matrix.cells.setdefault(record.claim.rpartition("::")[2], {})
            if record.particular:
                matrix.particular.add(record.claim.rpartition("::")[2])
            if record.subject != CHECKPOINT and record.subject in mutants:
                row[record.subject] = record.verdict
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
                holes.append(f"{claim} is refuted by {n_refuting} of {len(row)} mutants, at least {ENOUGH} are needed")
            missing = set(self.mutants) - row.keys()
            if missing:
                holes.append(f"{claim} did not run on {', '.join(sorted(missing))}")
            for mutant, verdict in row.items():
                if verdict not in (Verdict.REFUTED, Verdict.SURVIVED, Verdict.NOT_ABOUT):
                    holes.append(f"{claim} on {mutant} is neither refuted nor survived: {verdict}")
        for mutant in self.mutants:
            noticing = self.noticing(mutant)
            if mutant not in self.innocent and not noticing:
                holes.append(f"no claim notices {mutant}")
            if mutant in self.innocent:
                holes += [
                    f"{claim} notices {mutant}, which breaks nothing"
                    for claim in noticing
                    if claim not in self.particular
                ]
        return holes

    def render(self) -> str:
        """A row a claim, a column a mutant: X refuted, . survived, ! error. A legend names the columns."""
        width = max((len(claim) for claim in self.cells), default=0)
        tens = "".join(str((i + 1) // 10 or " ") for i in range(len(self.mutants)))
        ones = "".join(str((i + 1) % 10) for i in range(len(self.mutants)))
        lines = [f"{'':{width}}  {tens}", f"{'claim':{width}}  {ones}  refuted by"]
        for claim, row in self.cells.items():
            letters = "".join(LETTERS.get(row[m], "!") if m in row else "?" for m in self.mutants)
            lines.append(f"{claim:{width}}  {letters}  {len(self.refuting(claim)):>3}")
        lines += ["", "X refuted   . survived   ! error   mutants, and how many claims notice each:"]
        for i, mutant in enumerate(self.mutants):
            note = "  (breaks nothing)" if mutant in self.innocent else ""
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
            "mutants": list(self.mutants),
            "innocent": list(self.innocent),
            "claims": {
                claim: {mutant: str(verdict) for mutant, verdict in row.items()} for claim, row in self.cells.items()
            },
            "holes": self.holes(),
        }
