"""What is proved once is not proved again, and is what the certificate says."""

import pytest

from sorted_list_model.config import SortedListConfig
from sorted_list_model.proof import known
from sorted_list_model.proof.certificate import certify
from sorted_list_model.task import TASK
from toy_model.surgery import copied


@pytest.fixture
def small():
    return TASK.untrained(SortedListConfig(max_value=6, n_ctx=7, d_model=12, d_head=6), seed=1)


def test_each_class_is_proved_once_for_the_same_weights(small, monkeypatch):
    proofs = []
    prove = known.proofs_of_query

    def counted(*arguments):
        for proof in prove(*arguments):
            proofs.append(proof.of)
            yield proof

    monkeypatch.setattr(known, "proofs_of_query", counted)
    known._knowledge_of.cache_clear()
    at_SEP = known.certificate_of(small, lambda of: of.k == 0)
    assert {proved.of.k for proved in at_SEP.proved} == {0}
    whole = known.certificate_of(copied(small))
    assert len(proofs) == len(set(proofs)) == len(whole.proved)
    assert whole == certify(small)
    assert at_SEP == certify(small, chosen=lambda of: of.k == 0)


def test_other_weights_are_another_model(small):
    other = copied(small)
    other.unembed.W_U *= -1
    assert known.certificate_of(other) != known.certificate_of(small)
