"""A box in the page in which one types a list and sees how the model sorts it.

The page computes everything itself from the weights in it: `list.js` has the forward pass of
`SortedListTransformer` in double precision, and takes the logits apart as `decomposition` does.
"""

from __future__ import annotations

import base64
from pathlib import Path

from pytest_claims.drawing.figure import Panel

from sorted_list_model.attribution import close
from sorted_list_model.data import evaluation_set
from sorted_list_model.hard_inputs import list_with_large_jump, lists_above
from sorted_list_model.model import SortedListTransformer
from toy_model import box
from toy_model.checkpoint.checkpoint import serialised
from toy_model.transformer import EPSILON

HERE = Path(__file__).parent


def list_box(model: SortedListTransformer) -> Panel:
    """The box for `model`, with lists to begin with."""
    cfg = model.cfg
    return Panel(
        name="sort-a-list",
        title="Sort a list",
        html=(HERE / "list.html").read_text(encoding="utf-8"),
        style=box.style((HERE / "list.css").read_text(encoding="utf-8")),
        script=box.script((HERE / "list.js").read_text(encoding="utf-8")),
        data={
            "weights": base64.b64encode(serialised(model)).decode(),
            "max_value": cfg.max_value,
            "list_len": cfg.list_len,
            "n_layers": cfg.n_layers,
            "epsilon": EPSILON,
            "examples": [{"name": name, "values": values} for name, values in _examples(model).items()],
        },
    )


def _examples(model: SortedListTransformer) -> dict[str, list[int]]:
    """Lists by what they are, as far as there are such lists of these sizes."""
    cfg = model.cfg
    data = evaluation_set(cfg.max_value, cfg.list_len)
    examples = {"First of the validation set": data.lists[0]}
    jump = list_with_large_jump(cfg.list_len, cfg.max_value)
    if jump is not None:
        examples["A large jump"] = jump
    if cfg.list_len > 2 and close(data).any():
        examples["Close triple"] = data.lists[int(close(data).any(-1).int().argmax())]
    above = 3 * cfg.max_value // 5
    if cfg.max_value - above >= cfg.list_len:
        examples[f"All above {above}"] = lists_above(above, 1, 0, cfg.list_len, cfg.max_value)[0]
    return {name: numbers.tolist() for name, numbers in examples.items()}
