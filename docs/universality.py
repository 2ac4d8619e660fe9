"""Write docs/universality*.json: of what a sweep found, what docs/universality.md and its tests read.

Usage: python docs/universality.py sweeps/fresh/universality.json docs/universality.json
"""

import json
import sys
from pathlib import Path

OF_A_RUN = ("name", "seed", "ending", "sha256", "kept_epoch", "claims", "proved")
OF_A_CLAIM = ("id", "kind", "statement", "verdict", "n", "holds", "refuted", "errors", "not_about", "interval")


def condensed(document: dict) -> dict:
    """The headline; of every run its seed, model and proof; of every claim on how many seeds it holds."""
    (group,) = document["groups"]
    claims = []
    for claim in group["claims"]:
        refuted_by = [{"seed": run["seed"], "measured": run["measured"][:1]} for run in claim["refuted_by"]]
        claims.append({**{name: claim[name] for name in OF_A_CLAIM}, "refuted_by": refuted_by})
    runs = [{name: run[name] for name in OF_A_RUN} for run in document["runs"]]
    head = {name: document[name] for name in ("format", "headline", "confidence", "counts")}
    kept = {name: group[name] for name in ("name", "headline", "counted")}
    return {**head, "runs": runs, "groups": [{**kept, "claims": claims}]}


def one_a_line(document: dict) -> str:
    """JSON with every run and every claim on a line of its own, so that a change shows which."""
    text = json.dumps(document, ensure_ascii=False)
    return text.replace('{"name": "seed', '\n{"name": "seed').replace('{"id": ', '\n{"id": ') + "\n"


if __name__ == "__main__":
    found, out = map(Path, sys.argv[1:])
    out.write_text(one_a_line(condensed(json.loads(found.read_text()))))
