"""Which claim notices which defect: every claim on every mutant, and the holes in that table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cumsum_model.verification.results import ClaimResult
from cumsum_model.verification.verdict import Verdict

LETTERS = {Verdict.REFUTED: "X", Verdict.SURVIVED: ".", Verdict.ERROR: "!", Verdict.NOT_ABOUT: " "}
ENOUGH = 2
"""How many mutants have to refute a claim before it counts as one that can fail."""


@dataclass
class Matrix:
    """Verdicts by claim and mutant.

    subject     one line that names the model of which the mutants were made
    whole       whether every claim of the suite was run; otherwise nothing is said of mutants that none notices
    innocent    mutants that break nothing that is claimed, such as the same function in other weights
    particular  the claims that name parts by number: no others may notice an innocent mutant
    """

    mutants: Sequence[str]
    innocent: Sequence[str]
    cells: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    particular: set[str] = field(default_factory=set)
    whole: bool = True
    subject: str = ""

    @classmethod
    def of(
        cls, results: Iterable[ClaimResult], mutants: Sequence[str], innocent: Sequence[str], *, whole: bool
    ) -> Matrix:
        """The table of the claims that hold on the checkpoint: what else they notice says nothing if they do not."""
        matrix = cls(mutants, innocent, whole=whole)
        for result in results:
            if result.records[0].erratum or result.verdict != Verdict.HOLDS:
                continue
            matrix.cells[result.claim] = {
                record.subject: record.verdict for record in result.controls if record.subject in mutants
            }
            if result.records[0].particular:
                matrix.particular.add(result.claim)
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
                holes.append(
                    f"{_short(claim)} is refuted by {n_refuting} of {len(row)} mutants, at least {ENOUGH} are needed"
                )
            missing = set(self.mutants) - row.keys()
            if missing:
                holes.append(f"{_short(claim)} did not run on {', '.join(sorted(missing))}")
            for mutant, verdict in row.items():
                if verdict not in (Verdict.REFUTED, Verdict.SURVIVED, Verdict.NOT_ABOUT):
                    holes.append(f"{_short(claim)} on {mutant} is neither refuted nor survived: {verdict}")
        for mutant in self.mutants:
            noticing = self.noticing(mutant)
            impossible = all(row.get(mutant) == Verdict.NOT_ABOUT for row in self.cells.values())
            if self.whole and mutant not in self.innocent and not noticing and not impossible:
                holes.append(f"no claim notices {mutant}")
            if mutant in self.innocent:
                holes += [
                    f"{_short(claim)} notices {mutant}, which breaks nothing"
                    for claim in noticing
                    if claim not in self.particular
                ]
        return holes

    def render(self) -> str:
        """A row a claim, a column a mutant: X refuted, . survived, ! error. A legend names the columns."""
        width = max((len(_short(claim)) for claim in self.cells), default=0)
        tens = "".join(str((i + 1) // 10 or " ") for i in range(len(self.mutants)))
        ones = "".join(str((i + 1) % 10) for i in range(len(self.mutants)))
        lines = [f"{'':{width}}  {tens}", f"{'claim':{width}}  {ones}  refuted by"]
        for claim, row in self.cells.items():
            letters = "".join(LETTERS.get(row[m], "!") if m in row else "?" for m in self.mutants)
            lines.append(f"{_short(claim):{width}}  {letters}  {len(self.refuting(claim)):>3}")
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
            "subject": self.subject,
            "mutants": list(self.mutants),
            "innocent": list(self.innocent),
            "claims": {
                claim: {mutant: str(verdict) for mutant, verdict in row.items()} for claim, row in self.cells.items()
            },
            "holes": self.holes(),
        }


def _short(claim: str) -> str:
    """The name of a claim's test, without its file."""
    return claim.rpartition("::")[2]
