"""What a proof over every list gives and costs, and how the cost grows: `python -m benchmarks.every_list`.

Prints the figures of docs/proofs-sorted-list.md. Growth is measured on models of other sizes cut out of the
shipped one: its first numbers, and as many of its positions as shorter lists take. They still sort, less well.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.growth import cpu_seconds, growth
from sorted_list_model.data import SortedListDataset
from sorted_list_model.hard_inputs import right
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import BUDGETS, certify
from sorted_list_model.system import SYSTEM
from toy_model.checkpoint.checkpoint import read_checkpoint

NUMBERS, LENGTHS = (20, 30, 40, 50), (4, 6, 8, 10)
SAMPLE, SEED = 1_000_000, 0


@torch.no_grad()
def cut_out(model: SortedListTransformer, max_value: int, list_len: int) -> SortedListTransformer:
    """A model of lists of `list_len` numbers of 0 .. max_value, with the weights of a larger one."""
    n = model.cfg.list_len
    positions = [*range(list_len), n, *range(n + 1, n + 1 + list_len)]
    tokens = [*range(max_value + 1), model.cfg.sep]
    state = dict(model.state_dict())
    state["embed.W_E"] = state["embed.W_E"][tokens]
    state["pos_embed.W_pos"] = state["pos_embed.W_pos"][positions]
    state["unembed.W_U"], state["unembed.b_U"] = state["unembed.W_U"][:, tokens], state["unembed.b_U"][tokens]
    smaller = SortedListTransformer(replace(model.cfg, max_value=max_value, n_ctx=2 * list_len + 1))
    smaller.load_state_dict(state)
    return smaller.requires_grad_(False)


def prove(checkpoint: str, depth: str) -> None:
    """Prove, write and check a certificate, and print what that gave and took: run in a process of its own."""
    from sorted_list_model.__main__ import main

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "certificate.jsonl"
        started = time.perf_counter()
        code = main(["certify", checkpoint, "--depth", depth, "--out", str(out)])
        took = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        started = time.perf_counter()
        code = code or main(["check", str(out), checkpoint])
        checking = time.perf_counter() - started
        print(
            f"{depth}: {took:.1f} s, {memory:.0f} MiB, {out.stat().st_size / 1e6:.1f} MB, checked in {checking:.1f} s"
        )
    sys.exit(code)


def sampled(checkpoint: str) -> None:
    """The accuracy by position on a million random lists, as computed in float32."""
    model = read_checkpoint(checkpoint, SYSTEM).model
    counted = torch.zeros(model.cfg.list_len, dtype=torch.int64)
    for part in range(100):
        data = SortedListDataset(SAMPLE // 100, model.cfg.list_len, model.cfg.max_value, seed=SEED + part)
        counted += right(model, data).sum(0)
    print(f"{SAMPLE:,} random lists: " + " ".join(f"{many / SAMPLE:.6f}" for many in counted.tolist()))
    print(f"all answers: {counted.sum().item() / SAMPLE / model.cfg.list_len:.6f}")


def grows(checkpoint: str) -> None:
    """Processor time at the depth of classes over the number of values and the length of lists, with fitted powers."""
    model = read_checkpoint(checkpoint, SYSTEM).model
    for what, sizes, of in (
        ("largest number", NUMBERS, lambda size: cut_out(model, size, 10)),
        ("length of lists", LENGTHS, lambda size: cut_out(model, 50, size)),
    ):
        for budget in (BUDGETS["classes"], 10**5):
            models = {size: of(size) for size in sizes}
            proved = {size: certify(models[size], budget=budget) for size in sizes}  # compiled, and warm
            law = growth(
                lambda size, of=models, n=budget: cpu_seconds(lambda: certify(of[size], budget=n)),
                sizes,
                rounds=3,
                patience=60.0,
            )
            powers = ", ".join(f"{power:.2f}" for power in law.powers)
            print(f"{what}, budget {budget:,}: powers {powers}")
            for size, median in law.medians.items():
                low, high = map(float, proved[size].accuracy)
                print(f"  {size}: {median:.2f} s, {proved[size].nodes:,} nodes, accuracy in [{low:.4f}, {high:.4f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("depths", "prove", "sampled", "grows"))
    parser.add_argument("checkpoint", nargs="?", default=str(SYSTEM.reference))
    parser.add_argument("--depth", action="append", choices=tuple(BUDGETS), help="default: classes and quick")
    options = parser.parse_args()
    depths = options.depth or ["classes", "quick"]
    if options.what == "depths":
        for depth in depths:
            command = [sys.executable, "-m", "benchmarks.every_list", "prove", options.checkpoint, "--depth", depth]
            subprocess.run(command, check=True)
    elif options.what == "prove":
        prove(options.checkpoint, depths[0])
    else:
        {"sampled": sampled, "grows": grows}[options.what](options.checkpoint)


if __name__ == "__main__":
    main()
