"""Adam over all parameters of a model laid out as one vector.

Every number is what `torch.optim.Adam` over the parameters one by one gives, to the bit, as it treats each entry alone.
A step is then a dozen operations, not a dozen for each parameter: at these sizes what costs is their number.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam:
    """Trains the parameters of `model`, which become views of one vector; do not replace them while it is in use."""

    def __init__(self, model: nn.Module, weight_decay: float) -> None:
        self._shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
        self._vector = nn.Parameter(self._joined({name: p.detach() for name, p in model.named_parameters()}))
        for parameter, part in zip(model.parameters(), self._parts(self._vector.detach()).values(), strict=True):
            parameter.data = part
        self._adam = torch.optim.Adam([self._vector], weight_decay=weight_decay)

    def step(self, gradient: Mapping[str, Tensor], learning_rate: float) -> None:
        """`gradient` has a tensor for every parameter, by its name."""
        self._adam.param_groups[0]["lr"] = learning_rate
        self._vector.grad = self._joined(gradient)
        self._adam.step()

    def moments(self) -> dict[str, Tensor]:
        """Running means of the gradient ("exp_avg.NAME") and of its square ("exp_avg_sq.NAME"), as views."""
        remembered = self._adam.state[self._vector]
        return {f"{kind}.{name}": part for kind in MOMENTS for name, part in self._parts(remembered[kind]).items()}

    def restore(self, moments: Mapping[str, Tensor], n_steps: int) -> None:
        """Go on as after `n_steps`, at the end of which `moments` were those."""
        remembered = {}
        for kind in MOMENTS:
            joined = self._joined({name: moments[f"{kind}.{name}"] for name in self._shapes})
            remembered[kind] = joined.to(self._vector.device)
        self._adam.state[self._vector] = {"step": torch.tensor(float(n_steps)), **remembered}

    def _joined(self, tensors: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([tensors[name].flatten() for name in self._shapes])

    def _parts(self, vector: Tensor) -> dict[str, Tensor]:
        parts = vector.split([shape.numel() for shape in self._shapes.values()])
        return {name: part.view(self._shapes[name]) for name, part in zip(self._shapes, parts, strict=True)}
