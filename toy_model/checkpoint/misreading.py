"""A file that answers wrongly as it was read: read in the wrong order, or as a model that it is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toy_model.architectures import OURS, Architecture
from toy_model.checkpoint.reading import Reading
from toy_model.checkpoint.refusal import CheckpointError


@dataclass(frozen=True)
class Misreading:
    """A reading in which a file answers rightly, where as it was read it does not.

    better              what to say of the file that was not said
    as_read, as_better  the shares of right answers
    rows                how its embedding rows look, where they are in another order: "wrapped (0, +1 .. +5, -5 .. -1)"
    architecture        of the model that it answers rightly as; `OURS` where it is read as the right one
    losses              cross-entropy in nats as read and as that model, on hard inputs, where the shares say little
    hard                which inputs those are: "next to zero"
    """

    better: Reading
    as_read: float
    as_better: float
    rows: str = ""
    architecture: Architecture = OURS
    losses: tuple[float, float] | None = None
    hard: str = ""

    @property
    def is_of_another_model(self) -> bool:
        """Whether no reading helps, since this project has no such model."""
        return self.architecture != OURS

    @property
    def found(self) -> str:
        """What is wrong, in words that follow the name of the file."""
        wrong, asked = [], []
        if self.better.token_order is not None:
            wrong.append(f"its embedding rows look {self.rows or self.better.token_order}")
            asked.append("in that order")
        if self.better.n_heads is not None:
            wrong.append(f"its matrices look like those of {self.better.n_heads} heads")
            asked.append("with so many heads")
        if self.is_of_another_model:
            instead = " and ".join([f"with {' and '.join(self.architecture.differences)}", *asked])
            beside = f" ({' and '.join(wrong)}, too)" if wrong else ""
            return (
                f"answers {_percent(self.as_read)} of the evaluation set rightly as it was read ({_read_as(self)}), "
                f"{_percent(self.as_better)} {instead}{_at(self.hard, self.losses)}: this file is of another model"
                f"{beside}, which this project does not have; claims about it as it was read would be about another "
                "model"
            )
        return (
            f"{' and '.join(wrong)}: as they stand {self.as_read:.0%} of the evaluation set is answered rightly, "
            f"{' and '.join(asked)} {self.as_better:.0%}"
        )

    @property
    def options(self) -> str:
        """The options that ask for the better reading; none helps with another model."""
        if self.is_of_another_model:
            return ""
        order, heads = self.better.token_order, self.better.n_heads
        asked = [f"--token-order {order}"] if order is not None else []
        return " ".join([*asked, f"--n-heads {heads}"] if heads is not None else asked)


def _at(hard: str, losses: tuple[float, float] | None) -> str:
    """What the shares do not say: how sure the answers are."""
    if losses is None:
        return ""
    return f", but {hard} the cross-entropy is {losses[0]:.3g} nats against {losses[1]:.3g}"


def _percent(share: float) -> str:
    """Whole percents, but 100% only of all."""
    return f"{share:.0%}" if share == 1 or share < 0.99 else f"{int(share * 10_000) / 100:g}%"


def _read_as(misreading: Misreading) -> str:
    """In what of ours the other model differs, in the words of ours."""
    architecture = misreading.architecture
    words = ["ReLU"] if architecture.activation != "ReLU" else []
    words += ["no norm"] if architecture.normalised else []
    words += ["scores / sqrt(d_head)"] if not architecture.scaled else []
    return ", ".join(words + (["causal"] if not architecture.causal else []))


class Misread(CheckpointError):
    """A file that answers wrongly as it was read, and rightly in another reading, which was not asked for."""

    def __init__(self, path: Path, misreading: Misreading, package: str, our_order: str | None) -> None:
        self.path, self.misreading, self.package = path, misreading, package
        as_it_is = []
        if misreading.better.token_order is not None:
            as_it_is.append(f"--token-order {our_order}")
        if misreading.better.n_heads is not None:
            as_it_is.append("--n-heads with the number that it has")
        super().__init__(
            f"{path}: {misreading.found}; say {misreading.options}, or {' and '.join(as_it_is)} to take it as it is"
        )

    @property
    def for_conversion(self) -> str:
        """The same line for commands that take no such option."""
        return (
            f"{self.path}: {self.misreading.found}; convert it: "
            f"python -m {self.package} convert {self.path} OUT.safetensors {self.misreading.options}"
        )


class OfAnotherModel(CheckpointError):
    """A file that answers wrongly as this architecture, and rightly as one that this project does not have."""

    def __init__(self, path: Path, misreading: Misreading) -> None:
        self.misreading = misreading
        super().__init__(f"{path}: {misreading.found}")
