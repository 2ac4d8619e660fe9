"""The explanation as a program: it stands in for the model, and its rivals do not"""

import torch

from cumsum_model import circuit, mutants
from cumsum_model.behaviour import divergence, run
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, NEAR_ZERO_SET, near_zero_set, running_means
from cumsum_model.replacement import explain
from cumsum_model.verification import claim

RIVALS = "our test of the write-up's explanation against others"
WORSE = 100
"""How many times more a rival has to lose than the explanation does, in nats per position."""


@claim(
    "Ten lines of arithmetic answer as the model does: mean, a line per neuron, token and position terms",
    source="the write-up as a whole, read as a program",
    over=f"{EVALUATION_SET}; {NEAR_ZERO_SET}",
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
        told, logits = program(values), run(model, inputs.toks).double()
        assert measure(f"{name}: answers that differ", (told.argmax(-1) != logits.argmax(-1)).sum()) == 0
        # Half a logit off leaves the odds between two labels within a factor of e, one nat.
        worst = (told - logits).abs().max()
        assert measure(f"{name}: largest difference of a logit", worst, "logits") < 0.5
        change = (told.softmax(-1) - logits.softmax(-1)).abs().max()
        assert measure(f"{name}: largest difference of a probability", change) < 0.05


def fitted(design, wanted):
    """The least-squares fit to the columns of `wanted` by those of `design`.

    By QR, since torch's default driver gives other last digits in every process.
    """
    return design @ torch.linalg.lstsq(design, wanted, driver="gels").solution


def times_worse(model, data, feature):
    """What is lost by believing the program with `feature` in place of the mean, over what the program loses.

    The feature gets the scale and the offset that suit it best: least squares against resid_mid . u.
    """
    values = data.values.to(model.device)
    feature = feature.to(model.device).double()
    stored = circuit.resid_mid_along_u(model, data.toks) / circuit.value_slope(model)
    design = torch.stack([feature.flatten(), torch.ones_like(feature).flatten()], dim=-1)
    scaled = fitted(design, stored.flatten()[:, None]).reshape(feature.shape)
    logits, program = run(model, data.toks), explain(model)
    return divergence(logits, program(values, scaled)) / divergence(logits, program(values))


@claim(
    "It does not read the sum: a program that does is a hundred times worse than one that reads the mean",
    source=RIVALS,
    over=EVALUATION_SET,
    refuted_by=[mutants.add_instead_of_averaging, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_does_not_read_the_sum(model, measure, data):
    worse = times_worse(model, data, data.values.cumsum(1))
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not look at the last token only: a program that does is a hundred times worse",
    source=RIVALS,
    over=EVALUATION_SET,
    refuted_by=[mutants.attend_to_last, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_does_not_look_at_the_last_token_only(model, measure, data):
    worse = times_worse(model, data, data.values)
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It does not count signs: a program that does is a hundred times worse than one that adds values",
    source=RIVALS,
    over=EVALUATION_SET,
    refuted_by=[mutants.count_signs, mutants.attend_to_last],
    unless=no_account_of,
)
def test_it_does_not_count_signs(model, measure, data):
    worse = times_worse(model, data, running_means(data.values.sign()))
    assert measure("KL of the rival over that of the explanation", worse) > WORSE


@claim(
    "It needs its MLP: without neurons, the best linear map of mean, token and position is a hundred times worse",
    source=RIVALS,
    over=EVALUATION_SET,
    refuted_by=[mutants.silence_mlp, mutants.keep_neurons_firing, mutants.leak_next_token],
    unless=no_account_of,
)
def test_it_needs_its_mlp(model, measure, data):
    values, cfg = data.values.to(model.device), model.cfg
    logits = run(model, data.toks).double()
    tokens = torch.eye(cfg.d_vocab, dtype=torch.float64, device=model.device)[values + cfg.max_value]
    positions = torch.eye(cfg.n_ctx, dtype=torch.float64, device=model.device).expand(len(data), -1, -1)
    design = torch.cat([running_means(values)[..., None], tokens, positions[..., 1:]], dim=-1)
    line = fitted(design.flatten(0, 1), logits.flatten(0, 1)).reshape(logits.shape)
    worse = divergence(logits, line) / divergence(logits, explain(model)(values))
    assert measure("KL of the rival over that of the explanation", worse) > WORSE
