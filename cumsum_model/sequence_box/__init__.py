"""A box in the page in which one types values and sees what the model makes of them.

The page computes everything itself from the weights in it: `sequence.js` has the forward pass of
`CumsumTransformer` in double precision.
"""

from __future__ import annotations

import base64
from pathlib import Path

from pytest_claims.drawing.figure import Panel

from cumsum_model.data import VOCAB_OUT, evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.ov_circuit import value_direction, value_slope
from cumsum_model.proof.certificate import Certificate
from toy_model import box
from toy_model.checkpoint.checkpoint import serialised

HERE = Path(__file__).parent


def sequence_box(model: CumsumTransformer, certificate: Certificate | None) -> Panel:
    """The box for `model`, with sequences to begin with."""
    cfg = model.cfg
    return Panel(
        name="try-a-sequence",
        title="Try a sequence",
        html=(HERE / "sequence.html").read_text(encoding="utf-8"),
        style=box.style((HERE / "sequence.css").read_text(encoding="utf-8")),
        script=box.script((HERE / "sequence.js").read_text(encoding="utf-8")),
        data={
            "weights": base64.b64encode(serialised(model)).decode(),
            "max_value": cfg.max_value,
            "n_ctx": cfg.n_ctx,
            "n_layers": cfg.n_layers,
            "labels": list(VOCAB_OUT),
            "u": value_direction(model).tolist(),
            "slope": value_slope(model),
            "examples": _examples(model, certificate),
        },
    )


def _examples(model: CumsumTransformer, certificate: Certificate | None) -> list[dict[str, object]]:
    cfg = model.cfg
    examples = [("First of the evaluation set", evaluation_set(cfg.max_value, cfg.n_ctx).values[0].tolist())]
    if certificate is not None:
        examples.append(("Hardest of all", certificate.values(certificate.hardest.hardest[1])))
        if certificate.simplest_wrong is not None:
            examples.append(("A wrong one", certificate.simplest_wrong))
    around = [(i % 2 * 2 - 1) * (i // 2 % cfg.max_value + 1) for i in range(cfg.n_ctx)]
    examples.append(("Around zero", around))
    return [{"name": name, "values": values} for name, values in examples]
