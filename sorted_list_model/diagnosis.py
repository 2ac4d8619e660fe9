"""Whether a model was read with the wrong number of heads, or as a model that it is not, judged from what it answers.

A model whose scores are not divided by sqrt(d_head), or that attends to later positions, has the names and shapes of
ours; a bridge's matrices do not say how many heads they hold. Read as what it is not, a model that sorts does not.
"""

from __future__ import annotations

from collections.abc import Callable

from sorted_list_model.config import SortedListConfig
from sorted_list_model.data import EVALUATION_SIZE, SortedListDataset, evaluation_set
from sorted_list_model.model import SortedListTransformer
from toy_model.checkpoint.misreading import Misreading
from toy_model.checkpoint.reading import Reading
from toy_model.checkpoint.rereading import affordable, beside, better_reading, other_numbers_of_heads, share_right


def misread(
    model: SortedListTransformer,
    reading: Reading,
    reread: Callable[[Reading], SortedListTransformer],
    *,
    from_bridge: bool = False,
) -> Misreading | None:
    """What the file is right as, where as it was read it is wrong; None if there is nothing, or no need for it.

    The number of heads is not doubted where the user said it. `reread` builds the model anew. One forward pass where
    all is well.
    """
    data = sample(model.cfg)
    if data is None:
        return None
    heads = other_numbers_of_heads(model.cfg) if from_bridge and reading.n_heads is None else []
    changes = [Reading(n_heads=n_heads) for n_heads in heads]
    as_read = share_right(model, data)
    return better_reading(model, as_read, data, changes, lambda change: reread(beside(reading, change)))


def sample(cfg: SortedListConfig) -> SortedListDataset | None:
    """As much of the evaluation set as a model can be shown in about a second; None if that is too little.

    All of it for anything near the published sizes.
    """
    size = affordable(cfg, cfg.n_ctx, EVALUATION_SIZE)
    return evaluation_set(cfg.max_value, cfg.list_len).first(size) if size else None
