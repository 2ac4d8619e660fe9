"""What is proved of each class, once for the same weights, whoever asks: claims, report and figures."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import Certificate, Chosen, Proved, every_class, known, proofs_of_query
from sorted_list_model.proof.classes import ListClass, classes_of_query, queries
from sorted_list_model.proof.rounding import order_error
from sorted_list_model.proof.tables import tables


class _Weights:
    """A model, equal to another of the same sizes and weights."""

    def __init__(self, model: SortedListTransformer) -> None:
        self.model = model
        digest = hashlib.sha256(repr(model.cfg).encode())
        for tensor in model.state_dict().values():
            digest.update(tensor.cpu().numpy().tobytes())
        self.digest = digest.digest()

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Weights) and self.digest == other.digest


def certificate_of(model: SortedListTransformer, chosen: Chosen = every_class) -> Certificate:
    """What is proved of the chosen classes when none is divided. Raises Unprovable."""
    return _knowledge_of(_Weights(model)).certificate(chosen)


@lru_cache(maxsize=8)
def _knowledge_of(weights: _Weights) -> _Knowledge:
    return _Knowledge(weights.model)


class _Knowledge:
    """What is proved of the classes of a model so far: each is proved when it is first asked for."""

    def __init__(self, model: SortedListTransformer) -> None:
        self.cfg, self.read, self.error = model.cfg, tables(model), order_error(model)
        self.proved: dict[ListClass, tuple[Proved, int]] = {}

    def certificate(self, chosen: Chosen) -> Certificate:
        """What `certify` says of the chosen classes."""
        cfg, of_all = self.cfg, []
        for k, d in queries(cfg.list_len, cfg.max_value):
            for proof in proofs_of_query(
                self.read, k, d, 0, self.error, lambda of: chosen(of) and of not in self.proved
            ):
                self.proved[proof.of] = known(proof), len(proof.nodes)
            of_query = classes_of_query(k, d, cfg.list_len, cfg.max_value)
            of_all += [self.proved[of] for of in of_query if chosen(of)]
        proved, nodes = tuple(proved for proved, _ in of_all), sum(nodes for _, nodes in of_all)
        return Certificate(cfg.list_len, cfg.max_value, 0, self.error, proved, nodes)
