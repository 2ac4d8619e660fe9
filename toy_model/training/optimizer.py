"""Adam over all parameters of a model laid out as one vector.

On a CPU every number is what `torch.optim.Adam` over the parameters one by one gives, to the bit, as it treats each
entry alone. A step is then a dozen operations, not a dozen for each parameter: at these sizes what costs is their
number. And nothing of torch's compiler is imported, as making a `torch.optim.Adam` does, which takes a second.

Source: Kingma and Ba 2014, arXiv 1412.6980, algorithm 1, with weight decay in the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Trains the parameters of `model`, which become views of one vector; do not replace them while it is in use."""

    def __init__(self, model: nn.Module, weight_decay: float) -> None:
        self._shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        self._vector = self._joined({name: p.detach() for name, p in model.named_parameters()})
        for parameter, part in zip(model.parameters(), self._parts(self._vector).values(), strict=True):
            parameter.data = part
        self._weight_decay, self._n_steps = weight_decay, 0
        self._moments = {kind: torch.zeros_like(self._vector) for kind in MOMENTS}

    def step(self, gradient: Mapping[str, Tensor], learning_rate: float) -> None:
        """`gradient` has a tensor for every parameter, by its name."""
        g = self._joined(gradient)
        if self._weight_decay:
            g = g.add(self._vector, alpha=self._weight_decay)
        self._n_steps += 1
        mean, square = (self._moments[kind] for kind in MOMENTS)
        mean.lerp_(g, 1 - BETA_1)
        square.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
        # Both begin at zero, and are too small by these factors.
        mean_factor, square_factor = 1 - BETA_1**self._n_steps, 1 - BETA_2**self._n_steps
        root = (square.sqrt() / square_factor**0.5).add_(EPSILON)
        self._vector.addcdiv_(mean, root, value=-learning_rate / mean_factor)

    def moments(self) -> dict[str, Tensor]:
        """Running means of the gradient ("exp_avg.NAME") and of its square ("exp_avg_sq.NAME"), as views."""
        return {f"{kind}.{name}": part for kind in MOMENTS for name, part in self._parts(self._moments[kind]).items()}

    def restore(self, moments: Mapping[str, Tensor], n_steps: int) -> None:
        """Go on as after `n_steps`, at the end of which `moments` were those."""
        self._n_steps = n_steps
        for kind in MOMENTS:
            joined = self._joined({name: moments[f"{kind}.{name}"] for name in self._shapes})
            self._moments[kind] = joined.to(self._vector.device)

    def _joined(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([tensors[name].flatten() for name in self._shapes])

    def _parts(self, vector: Tensor) -> dict[str, Tensor]:
        parts = vector.split([shape.numel() for shape in self._shapes.values()])
        return {name: part.view(self._shapes[name]) for name, part in zip(self._shapes, parts, strict=True)}
