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
    may_be_wrong,
    may_differ,
    missed,
    spreads_within_last_token,
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


def assert_on_the_right_side_and_tight(all_bounds, ran):
    for bounds, (tokens, logits) in zip(all_bounds, ran, strict=True):
        assert (bounds.sums == tokens_to_sums(bounds, tokens)).all()
        for index, (a, b) in enumerate(PAIRS):
            least = by_class(bounds, tokens, logits[:, a] - logits[:, b], np.minimum, np.inf)
            assert (bounds.lead[index] <= least + 1e-9).all()
            assert (least - bounds.lead[index]).max() < TIGHT
        for label in range(3):
            others = np.delete(logits, label, axis=1).max(1)
            lead = logits[:, label] - others
            ahead = by_class(bounds, tokens, lead, np.minimum, np.inf)
            assert (bounds.ahead[label] <= ahead + 1e-9).all()
            assert (ahead - bounds.ahead[label]).max() < TIGHT
            behind = by_class(bounds, tokens, lead, np.maximum, -np.inf)
            assert (behind <= bounds.behind[label] + 1e-9).all()


def tokens_to_sums(bounds, tokens):
    """The sum of every class as its sequences have it."""
    n_values = (len(bounds.sums) - 1) // 2
    return by_class(bounds, tokens, (tokens - n_values).sum(1).numpy(), np.maximum, -10_000)


@each
def test_every_lead_is_bounded_and_the_bound_attained(name):
    assert_on_the_right_side_and_tight(proved(name), logits_of(name))


def test_a_bound_on_the_wrong_side_is_caught(monkeypatch):
    smallest = Position.smallest

    def too_high(self, *arguments, **options):
        cells = smallest(self, *arguments, **options)
        cells.bound += 1e-2
        return cells

    monkeypatch.setattr(Position, "smallest", too_high)
    all_bounds = answers(model_of("shipped"))
    with pytest.raises(AssertionError):
        assert_on_the_right_side_and_tight(all_bounds, logits_of("shipped"))


def test_a_bound_that_is_not_tight_is_caught():
    all_bounds = [dataclasses.replace(bounds, lead=bounds.lead - 1e-2) for bounds in answers(model_of("shipped"))]
    with pytest.raises(AssertionError):
        assert_on_the_right_side_and_tight(all_bounds, logits_of("shipped"))


@each
@pytest.mark.parametrize("label", [NEG, ZERO, POS])
def test_no_probability_is_outside_its_bounds(name, label):
    """Both ends are bounds; where one label alone can compete, as nearly everywhere, they are also attained."""
    for bounds, (tokens, logits) in zip(proved(name), logits_of(name), strict=True):
        odds = np.exp(logits - logits.max(1, keepdims=True))
        p = odds[:, label] / odds.sum(1)
        least, most = by_class(bounds, tokens, p, np.minimum, np.inf), by_class(bounds, tokens, p, np.maximum, -np.inf)
        low, high = bounds.probabilities(label)
        assert (low <= least + 1e-9).all()
        assert (most <= high + 1e-9).all()
        # The two leads that bound a probability need not be smallest on one and the same sequence.
        assert (least - low).max() < 0.02
        assert (high - most).max() < 0.02


def given(name):
    """For each length: the answer of every sequence with its class, and the right label of each class."""
    for bounds, (tokens, logits) in zip(proved(name), logits_of(name), strict=True):
        yield bounds, tokens, logits.argmax(1)


@each
@pytest.mark.parametrize("label", [NEG, ZERO, POS])
def test_wrong_and_missed_answers_are_counted_by_class(name, label):
    n_wrong, n_missed = 0, 0
    for bounds, tokens, answered in given(name):
        some_right = by_class(bounds, tokens, (answered == label).astype(int), np.maximum, 0).astype(bool)
        some_other = by_class(bounds, tokens, (answered != label).astype(int), np.maximum, 0).astype(bool)
        n_wrong += (some_right & (np.sign(bounds.sums) + 1 != label)).sum()
        n_missed += (some_other & (np.sign(bounds.sums) + 1 == label)).sum()
        assert (bounds.always[label] <= ~some_other).all()
        assert (bounds.never[label] <= ~some_right).all()
    assert sum(wrong_answers(proved(name), label)) == n_wrong
    assert sum(missed(proved(name), label)) == n_missed


@each
def test_classes_that_may_be_wrong_are_those_that_miss_their_label(name):
    n_wrong = []
    for bounds, tokens, answered in given(name):
        right = answered == np.sign(tokens.numpy().sum(1) - 5 * tokens.shape[1]) + 1
        every_right = by_class(bounds, tokens, right.astype(int), np.minimum, 1).astype(bool)
        n_wrong.append((~every_right).sum())
    assert list(may_be_wrong(proved(name))) == n_wrong


def test_some_subject_answers_wrongly():
    """The counts above are not all zero."""
    assert sum(wrong_answers(proved("without the MLP"), ZERO)) > 0
    assert sum(wrong_answers(proved("let_size_vote_zero"), ZERO)) > 0
    assert sum(missed(proved("without the MLP"), POS)) > 0
    assert sum(wrong_answers(proved("shipped"), NEG)) == 0
    assert sum(may_be_wrong(proved("without the MLP"))) > 0


@pytest.mark.parametrize("other_name", ["without the MLP", "let_size_vote_zero", "shipped"])
def test_differing_answers_are_counted_by_class(other_name):
    """A class counts unless every sequence gets one and the same answer from both."""
    differ = 0
    for (bounds, tokens, mine), (_, _, theirs) in zip(given("shipped"), given(other_name), strict=True):
        agree = np.zeros(bounds.sums.shape, dtype=bool)
        for label in range(3):
            both = (mine == label) & (theirs == label)
            agree |= by_class(bounds, tokens, both.astype(int), np.minimum, 1).astype(bool)
        differ += (~agree).sum()
    assert sum(may_differ(proved("shipped"), proved(other_name))) == differ
    assert (differ == 0) == (other_name == "shipped")


@each
def test_the_spread_within_a_last_token_is_the_largest_there_is(name):
    widest = 0.0
    for tokens, logits in logits_of(name):
        for label in range(3):
            lead = logits[:, label] - np.delete(logits, label, axis=1).max(1)
            for last in range(11):
                chosen = lead[tokens[:, -1].numpy() == last]
                widest = max(widest, chosen.max() - chosen.min())
    assert widest - 1e-9 <= max(spreads_within_last_token(proved(name))) < widest + TIGHT
