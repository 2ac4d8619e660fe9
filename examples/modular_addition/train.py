"""Trains the model on half of all pairs: half a minute on one core.

    python train.py [--seed 1] [--out .]

Writes `trained.pt`, and `memorised.pt`: the same run, stopped when it knew its training half by heart and could not yet
add. Full batch, AdamW, weight decay 1 and cross entropy in float64, as in Nanda et al. 2023, at three times their
learning rate, which decays to zero at the end so that the weights saved are not those of a momentary spike.

Every random draw depends on the seed alone. One build of torch on one kind of processor repeats both files bit for bit.
Others may round sums differently, and thousands of steps later the weights, even the key frequencies, may differ.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from modadd import ModAdd, every_pair

STEPS, COOLDOWN, MEMORISED = 6000, 1000, 300
LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1.0


def training_pairs(p: int, seed: int) -> Tensor:
    """Which half of the p * p pairs is trained on: booleans, in the order of `every_pair`."""
    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(seed))
    chosen = torch.zeros(p * p, dtype=torch.bool)
    chosen[order[: p * p // 2]] = True
    return chosen


def learning_rate(step: int) -> float:
    return LEARNING_RATE * min(1, (step + 1) / 10, (STEPS - step) / COOLDOWN)


def train(seed: int, snapshots=(MEMORISED, STEPS), log=print) -> dict[int, dict[str, Tensor]]:
    """Returns the state_dict after each number of steps in `snapshots`."""
    model = ModAdd(seed=seed)
    p = model.config.p
    model.trained_on = trained_on = training_pairs(p, seed)
    pairs = every_pair(p)
    answers = pairs.sum(1) % p
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
    saved = {}
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        loss = cross_entropy(model(pairs[trained_on]).double(), answers[trained_on])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step + 1 in snapshots:
            saved[step + 1] = {name: weight.detach().clone() for name, weight in model.state_dict().items()}
        if (step + 1) % 500 == 0 or step + 1 in snapshots:
            with torch.no_grad():
                right = (model(pairs).argmax(1) == answers).double()
            log(
                f"step {step + 1}: loss {loss:.1e}, right on {right[trained_on].mean():.1%} of the pairs "
                f"trained on and {right[~trained_on].mean():.1%} of the others"
            )
    return saved


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the model and writes trained.pt and memorised.pt.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    torch.set_num_threads(1)
    saved = train(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(saved[STEPS], options.out / "trained.pt")
    torch.save(saved[MEMORISED], options.out / "memorised.pt")


if __name__ == "__main__":
    main()
