"""Which answers can be given and how far ahead each label is, against every sequence of up to four values."""

import dataclasses
import functools

import numpy as np
import pytest
from brute_force import by_class, every_run, shortened

from cumsum_model import mutants
from cumsum_model.data import NEG, POS, ZERO
from cumsum_model.proof.answers import (
    PAIRS,
    answers,
    may_differ,
    missed,
    spread_within_last_token,
    wrong_answers,
)
from cumsum_model.proof.extremes import Position
from cumsum_model.scope import reference_model
from toy_model.surgery import without_neurons

LONGEST = 4
TIGHT = 1e-3

SUBJECTS = {
    "shipped": lambda model: model,
    "without the MLP": lambda model: without_neurons(model, range(8)),
    "shout_current_value": mutants.shout_current_value,
    "let_size_vote_zero": mutants.let_size_vote_zero,
}

each = pytest.mark.parametrize("name", SUBJECTS)


@functools.cache
def model_of(name):
    return shortened(SUBJECTS[name](reference_model()), LONGEST)


@functools.cache
def proved(name):
    return answers(model_of(name))


@functools.cache
def logits_of(name):
    """For each length: all tokens and the logits at their ends."""
    return [(tokens, logits.numpy()) for _, tokens, logits in every_run(model_of(name), lambda _, x: x[:, -1])]


def assert_on_the_right_side_and_tight(found, ran):
    for one, (tokens, logits) in zip(found, ran, strict=True):
        assert (one.sums == tokens_to_sums(one, tokens)).all()
        for index, (a, b) in enumerate(PAIRS):
            least = by_class(one, tokens, logits[:, a] - logits[:, b], np.minimum, np.inf)
            assert (one.lead[index] <= least + 1e-9).all()
            assert (least - one.lead[index]).max() < TIGHT
        for label in range(3):
            others = np.delete(logits, label, axis=1).max(1)
            lead = logits[:, label] - others
            ahead = by_class(one, tokens, lead, np.minimum, np.inf)
            assert (one.ahead[label] <= ahead + 1e-9).all()
            assert (ahead - one.ahead[label]).max() < TIGHT
            behind = by_class(one, tokens, lead, np.maximum, -np.inf)
            assert (behind <= one.behind[label] + 1e-9).all()


def tokens_to_sums(one, tokens):
    """The sum of every class as its sequences have it."""
    n_values = (len(one.sums) - 1) // 2
    return by_class(one, tokens, (tokens - n_values).sum(1).numpy(), np.maximum, -10_000)


@each
def test_every_lead_is_bounded_and_the_bound_attained(name):
    assert_on_the_right_side_and_tight(proved(name), logits_of(name))


def test_a_bound_on_the_wrong_side_is_caught(monkeypatch):
    smallest = Position.smallest

    def too_high(self, *arguments):
        cells = smallest(self, *arguments)
        cells.bound += 1e-2
        return cells

    monkeypatch.setattr(Position, "smallest", too_high)
    found = answers(model_of("shipped"))
    with pytest.raises(AssertionError):
        assert_on_the_right_side_and_tight(found, logits_of("shipped"))


def test_a_bound_that_is_not_tight_is_caught():
    found = [dataclasses.replace(one, lead=one.lead - 1e-2) for one in answers(model_of("shipped"))]
    with pytest.raises(AssertionError):
        assert_on_the_right_side_and_tight(found, logits_of("shipped"))


@each
@pytest.mark.parametrize("label", [NEG, ZERO, POS])
def test_no_probability_is_outside_its_bounds(name, label):
    """Both ends are bounds; where one label alone can compete, as nearly everywhere, they are also attained."""
    for one, (tokens, logits) in zip(proved(name), logits_of(name), strict=True):
        odds = np.exp(logits - logits.max(1, keepdims=True))
        p = odds[:, label] / odds.sum(1)
        least, most = by_class(one, tokens, p, np.minimum, np.inf), by_class(one, tokens, p, np.maximum, -np.inf)
        low, high = one.probabilities(label)
        assert (low <= least + 1e-9).all()
        assert (most <= high + 1e-9).all()
        # The two leads that bound a probability need not be smallest on one and the same sequence.
        assert (least - low).max() < 0.02
        assert (high - most).max() < 0.02


def given(name):
    """For each length: the answer of every sequence with its class, and the right label of each class."""
    for one, (tokens, logits) in zip(proved(name), logits_of(name), strict=True):
        yield one, tokens, logits.argmax(1)


@each
@pytest.mark.parametrize("label", [NEG, ZERO, POS])
def test_wrong_and_missed_answers_are_counted_by_class(name, label):
    wrong, miss = 0, 0
    for one, tokens, answered in given(name):
        some = by_class(one, tokens, (answered == label).astype(int), np.maximum, 0).astype(bool)
        other = by_class(one, tokens, (answered != label).astype(int), np.maximum, 0).astype(bool)
        wrong += (some & (np.sign(one.sums) + 1 != label)).sum()
        miss += (other & (np.sign(one.sums) + 1 == label)).sum()
        assert (one.always[label] <= ~other).all()
        assert (one.never[label] <= ~some).all()
    assert wrong_answers(proved(name), label) == wrong
    assert missed(proved(name), label) == miss


def test_some_subject_answers_wrongly():
    """The counts above are not all zero."""
    assert wrong_answers(proved("without the MLP"), ZERO) > 0
    assert wrong_answers(proved("let_size_vote_zero"), ZERO) > 0
    assert missed(proved("without the MLP"), POS) > 0
    assert wrong_answers(proved("shipped"), NEG) == 0


@pytest.mark.parametrize("other", ["without the MLP", "let_size_vote_zero", "shipped"])
def test_differing_answers_are_counted_by_class(other):
    """A class counts unless every sequence gets one and the same answer from both."""
    differ = 0
    for (one, tokens, mine), (_, _, theirs) in zip(given("shipped"), given(other), strict=True):
        agree = np.zeros(one.sums.shape, dtype=bool)
        for label in range(3):
            both = (mine == label) & (theirs == label)
            agree |= by_class(one, tokens, both.astype(int), np.minimum, 1).astype(bool)
        differ += (~agree).sum()
    assert may_differ(proved("shipped"), proved(other)) == differ
    assert (differ == 0) == (other == "shipped")


@each
def test_the_spread_within_a_last_token_is_the_largest_there_is(name):
    widest = 0.0
    for tokens, logits in logits_of(name):
        for label in range(3):
            lead = logits[:, label] - np.delete(logits, label, axis=1).max(1)
            for last in range(11):
                chosen = lead[tokens[:, -1].numpy() == last]
                widest = max(widest, chosen.max() - chosen.min())
    assert widest - 1e-9 <= spread_within_last_token(proved(name)) < widest + TIGHT
