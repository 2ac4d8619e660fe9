"""Write docs/matrix*.md, which claim notices which defect, from docs/matrix*.json: part of `make matrix`."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from pytest_claims.text import short_name
from pytest_claims.verdict import LETTERS, Verdict

from cumsum_model.system import SYSTEM as CUMSUM
from cumsum_model.two_layers.system import SYSTEM as TWO_LAYERS
from sorted_list_model.system import SYSTEM as SORTED_LIST
from toy_model.system import System

HERE = Path(__file__).parent
TABLES = {"matrix": CUMSUM, "matrix-cumsum-two-layers": TWO_LAYERS, "matrix-sorted-list": SORTED_LIST}
"""By the name of its files: whose claims and broken models a table has."""

INTRODUCTION = """\
# Which claim notices which defect: {title}

<!-- written by `python docs/matrix.py` from docs/{name}.json; `make matrix` makes both -->

    python -m {package} mutants -n 2
    python -m {package} mutants --list

The first command runs every claim on every mutant, in {minutes} on two cores; the second describes the
mutants. A mutant is the shipped checkpoint with one thing changed. The exit code is 0 if

- every claim is refuted by at least two mutants, and each of its assertions is broken by at least one control,
- every defect is noticed by at least one claim, and
- every mutant that breaks nothing (the same function in other weights, such as in another basis of the residual stream)
  is noticed only by claims that declare with `depends_on` what it changes.

Anything less is printed as a hole, and the exit code is 1. `-k` runs some claims only, `--checkpoint` breaks another
model.
"""


def page(name: str, saved: dict[str, Any], system: System[Any]) -> str:
    """The page for a saved matrix."""
    names, claims = saved["mutants"], saved["claims"]
    of_kinds = {mutant.__name__: mutant for kind in system.mutants().values() for mutant in kind}
    mutants = vars(importlib.import_module(f"{system.package}.mutants")) | of_kinds
    n_refuted = sum(list(row.values()).count(Verdict.REFUTED) for row in claims.values())
    n_cells = sum(len(row) for row in claims.values())
    holes = saved["holes"] or ["no holes"]
    lines = [
        INTRODUCTION.format(name=name, title=system.title, package=system.package, minutes=system.words.mutants_take),
        f"**{len(claims)} claims x {len(names)} mutants: {n_refuted:,} of {n_cells:,} refuted, {'; '.join(holes)}.**\n",
        "## Mutants\n",
        "| | mutant | what it does | claims that notice it |",
        "| --- | --- | --- | --- |",
    ]
    for number, mutant in enumerate(names, start=1):
        does = (mutants[mutant].__doc__ or "").splitlines()[0].replace("|", "\\|")
        changes = saved["harmless"].get(mutant)
        if changes is not None:
            does += f" *Breaks nothing; changes {', '.join(changes)}.*"
        n_noticing = sum(row[mutant] == Verdict.REFUTED for row in claims.values())
        lines.append(f"| {number} | `{mutant}` | {does} | {n_noticing} |")
    width = max(len(short_name(claim)) for claim in claims)
    tens = "".join(str(number // 10 or " ") for number in range(1, len(names) + 1))
    ones = "".join(str(number % 10) for number in range(1, len(names) + 1))
    lines += [
        "\n## Table\n",
        "Columns are numbered as above. X: refuted; a point: survived; blank: the claim is not about this mutant.\n",
        "```",
        f"{'':{width}}  {tens}",
        f"{'claim':{width}}  {ones}  refuted by",
    ]
    for claim, row in claims.items():
        letters = "".join(LETTERS[Verdict(row[mutant])] for mutant in names)
        n_refuting = list(row.values()).count(Verdict.REFUTED)
        lines.append(f"{short_name(claim):{width}}  {letters}  {n_refuting:>3}")
    return "\n".join([*lines, "```"]) + "\n"


def main() -> int:
    for name, system in TABLES.items():
        saved = json.loads((HERE / f"{name}.json").read_text())
        (HERE / f"{name}.md").write_text(page(name, saved, system))
    return 0


if __name__ == "__main__":
    sys.exit(main())
