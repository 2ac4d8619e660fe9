"""The explanation as a program: it can replace the model, and its rivals cannot"""

from pytest_claims import claim

from cumsum_model import mutants
from cumsum_model.data import EVALUATION_SET, NEAR_ZERO_SET, near_zero_set, running_means
from cumsum_model.explanation import explain
from cumsum_model.reading import unit_of_sum
from cumsum_model.rivals import SEQUENCES, times_worse_line, times_worse_linear, times_worse_reading
from cumsum_model.scope import no_account_of, no_account_of_long, no_account_of_sizes
from toy_model.engine import run

RIVALS = "our test of the write-up's explanation against others"
FITTED_ON = f"the first {SEQUENCES} sequences of {EVALUATION_SET}; rivals fitted there for the KL reported"
WORSE = 10
"""How many times more a rival has to lose than the explanation does, in nats per position."""


@claim(
    "Ten lines of arithmetic (the mean, a line per neuron, token and position terms) give the model's answers, no "
    "probability off by a twentieth and no logit by a quarter of what a unit of sum does at full length",
    source="the write-up as a whole, read as a program",
    over=f"{EVALUATION_SET}; {NEAR_ZERO_SET}",
    evidence="sampled",
    refuted_by=[
        mutants.attend_to_last,
        mutants.leak_next_token,
        mutants.clip_values,
        mutants.let_size_vote_zero,
    ],
    unless=no_account_of,
)
def test_the_program_answers_as_the_model_does(model, measure, data):
    program = explain(model)
    for name, inputs in (("evaluation", data), ("near zero", near_zero_set(model.cfg.max_value, model.cfg.n_ctx))):
        values = inputs.values.to(model.device)
        predicted, logits = program(values), run(model, inputs.toks).double()
        assert measure(f"{name}: answers that differ", (predicted.argmax(-1) != logits.argmax(-1)).sum()) == 0
        predicted, logits = (each - each.mean(-1, keepdim=True) for each in (predicted, logits))
        worst = (predicted - logits).abs().max()
        assert measure(f"{name}: largest difference of a logit, centred", worst, "logits") < unit_of_sum(model) / 4
        change = (predicted.softmax(-1) - logits.softmax(-1)).abs().max()
        assert measure(f"{name}: largest difference of a probability", change) < 0.05


@claim(
    "It does not read the sum: put in place of the mean, at the scale and offset that suit it best, the sum has at "
    "least ten times the KL divergence",
    source=RIVALS,
    over=FITTED_ON,
    evidence="sampled",
    refuted_by=[mutants.add_instead_of_averaging, mutants.leak_next_token],
    unless=no_account_of_long,
)
def test_it_does_not_read_the_sum(model, measure, data):
    worse = times_worse_reading(model, data, lambda values: values.cumsum(1))
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not read the last token alone: put in place of the mean, at the scale and offset that suit it best, the "
    "last value has at least ten times the KL divergence",
    source=RIVALS,
    over=FITTED_ON,
    evidence="sampled",
    refuted_by=[mutants.attend_to_last, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_does_not_look_at_the_last_token_only(model, measure, data):
    worse = times_worse_reading(model, data, lambda values: values)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not count signs: put in place of the mean, at the scale and offset that suit it best, the mean sign has "
    "at least ten times the KL divergence",
    source=RIVALS,
    over=FITTED_ON,
    evidence="sampled",
    refuted_by=[mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of_sizes,
)
def test_it_does_not_count_signs(model, measure, data):
    worse = times_worse_reading(model, data, lambda values: running_means(values.sign()))
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "A linear map of mean, token and position gives the same answers without an MLP, but not the same probabilities: "
    "the best one has at least twice the KL divergence of the explanation",
    source=RIVALS,
    over=FITTED_ON,
    evidence="sampled",
    refuted_by=[mutants.fold_the_mlp_away, mutants.leak_next_token, mutants.keep_neurons_firing],
    unless=no_account_of_long,
)
def test_a_linear_map_answers_alike(model, measure, data):
    worse, differ = times_worse_linear(model, data)
    assert measure("answers of the best linear map that differ", differ) == 0
    assert measure("its KL over that of the explanation", worse) > 2


@claim(
    "Six numbers give the same answers, a slope and an offset for each logit in the mean alone, but not the same "
    "probabilities: at least twice the KL divergence of the explanation",
    source=RIVALS,
    over=FITTED_ON,
    evidence="sampled",
    refuted_by=[mutants.attend_to_last, mutants.leak_next_token],
    unless=no_account_of_long,
)
def test_a_line_in_the_mean_answers_alike(model, measure, data):
    worse, differ = times_worse_line(model, data)
    assert measure("answers of the best line that differ", differ) == 0
    assert measure("its KL over that of the explanation", worse) > 2
