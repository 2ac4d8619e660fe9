"""What verifiers made for any network say of this one, next to the proof.

The property: of n values that add up to c, the right logit beats a wrong one. First, in the project's environment,
write down the model and what the proof found (without CHECKPOINT of the shipped one):

    python benchmarks/general_verifiers export classes.npz [CHECKPOINT]

Then one tool after the other, each in an environment of its own; the tools are no dependencies of this project:

    pip install numpy z3-solver==5.4.0.0
    python benchmarks/general_verifiers z3 classes.npz
    pip install numpy maraboupy==2.0.0
    python benchmarks/general_verifiers marabou classes.npz
    pip install 'numpy<2' torch==1.13.1 tqdm pyyaml appdirs packaging && pip install --no-deps auto_LiRPA==0.3
    python benchmarks/general_verifiers auto_lirpa classes.npz

auto_LiRPA 0.3, the newest on PyPI, asks for torch below 1.13 and runs on 1.13.1; alpha-beta-CROWN is not on PyPI.
None of these tools bounds its own rounding, so what they say is a computation; what the proof says is a theorem.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

import numpy as np


def export(target, checkpoint):
    """Save the weights and, of each length, what the proof knows of every class: [last token, sum index]."""
    from cumsum_model.proof.certificate import certify
    from cumsum_model.system import SYSTEM
    from cumsum_model.task import REFERENCE
    from toy_model.checkpoint.checkpoint import read_checkpoint

    model = read_checkpoint(checkpoint or REFERENCE, SYSTEM).model
    saved = {name.split(".")[-1]: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    start = time.perf_counter()
    certificate = certify(model, budget=0)
    saved["seconds"] = np.array(time.perf_counter() - start)
    for length in certificate.lengths:
        saved[f"sums{length.n}"], saved[f"least{length.n}"] = length.sums, length.least
    np.savez(target, **saved)
    classes = sum(length.labels.size for length in certificate.lengths)
    print(f"{target}: {classes} classes, proved in {saved['seconds']:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", choices=["export", "z3", "marabou", "auto_lirpa"])
    parser.add_argument("classes", type=Path, help="what export wrote, an .npz file")
    parser.add_argument("checkpoint", nargs="?", help="of export")
    parser.add_argument("--limit", type=float, default=60.0, metavar="SECONDS", help="for one question (60)")
    parser.add_argument("--every", action="store_true", help="marabou: every class, not only sums -1, 0, +1 (minutes)")
    options = parser.parse_args()
    if options.tool == "export":
        export(options.classes, options.checkpoint)
        return
    try:
        with np.load(options.classes, allow_pickle=False) as saved:
            W = dict(saved)
        print(f"the proof of all classes took {float(W['seconds']):.2f} s")
    except (OSError, EOFError, ValueError, KeyError):
        sys.exit(f"{options.classes} is not what `export` writes; make it first: see --help")
    if len(W["W_Q"]) != 1 or "least20" not in W:
        sys.exit("this comparison is made for one head and at least 20 positions")
    try:
        getattr(importlib.import_module(f"with_{options.tool}"), options.tool)(W, options.limit, options.every)
    except ImportError as error:
        sys.exit(f"{options.tool} cannot run here ({error}); how to install it is told by --help")


if __name__ == "__main__":
    main()
