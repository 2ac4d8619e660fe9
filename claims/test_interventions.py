"""Interventions: moving the stream along u moves the answer, moving it off u hardly does"""

import torch

from cumsum_model import circuit, intervention, mutants
from cumsum_model.behaviour import run
from cumsum_model.circuit import no_account_of
from cumsum_model.data import EVALUATION_SET, VOCAB_OUT, running_means
from cumsum_model.neurons import read_neurons
from cumsum_model.verification import claim

PAIRS = f"{EVALUATION_SET}, each with the same position of another sequence (seed 1)"
NEARLY_ALL = 0.99
"""Of a hundred answers at most one may differ."""


def partners(data):
    """For every sequence another one, by one seeded permutation."""
    return torch.randperm(len(data), generator=torch.Generator().manual_seed(1))


def answers_when_moved(model, data, distance, direction):
    """Answers when every resid_mid is moved by its own distance along one direction."""
    shift = distance[..., None].to(model.device) * direction
    return intervention.run_under(model, data.toks, intervention.move_resid_mid(shift)).argmax(-1).cpu()


def transitions(data, other):
    """Where the label is one thing and the other sequence's another: a mask and a name for each pair of labels."""
    for before, name_before in enumerate(VOCAB_OUT):
        for after, name_after in enumerate(VOCAB_OUT):
            if before != after:
                mask = (data.labels == before) & (data.labels[other] == after)
                yield f"{name_before} to {name_after}", mask


def distance_to_other_mean(model, data, other):
    """How far along u the mean of the other sequence would put the stream."""
    means = running_means(data.values)
    return (means[other] - means) * circuit.value_slope(model)


@claim(
    "Moving resid_mid along u by what another mean would give makes it answer as for that mean",
    source="our test of the write-up's Finding u in resid mid",
    over=PAIRS,
    refuted_by=[
        mutants.silence_mlp,
        mutants.count_signs,
        mutants.attend_to_last,
        mutants.unembed_neg_apart_from_pos,
    ],
    unless=no_account_of,
)
def test_moving_along_u_moves_the_answer(model, measure, data):
    other = partners(data)
    distance = distance_to_other_mean(model, data, other)
    moved = answers_when_moved(model, data, distance, circuit.value_direction(model))
    for name, mask in transitions(data, other):
        follows = (moved == data.labels[other])[mask].double().mean()
        assert measure(f"{name}: share that follows", follows) > NEARLY_ALL


def off_u(model, directions):
    """Each direction with its part along u taken out, at length 1."""
    u = circuit.value_direction(model)
    for direction in directions:
        rest = direction.to(u) - (direction.to(u) @ u) * u
        yield rest / rest.norm()


def worst_share_that_follows(model, data, other, direction):
    """Of the six changes of label, the largest share of answers that follow."""
    moved = answers_when_moved(model, data, distance_to_other_mean(model, data, other), direction)
    return max((moved == data.labels[other])[mask].double().mean().item() for _, mask in transitions(data, other))


@claim(
    "Moving it as far along a random direction orthogonal to u makes one answer in twenty follow at most, on average",
    source="our test of the write-up's Finding u in resid mid",
    over=f"{PAIRS}; 20 directions from seed 1, of each the change of label that follows most",
    refuted_by=[mutants.untrained],
    unless=no_account_of,
)
def test_moving_off_u_does_not(model, measure, data):
    generator = torch.Generator().manual_seed(1)
    random = torch.randn(20, model.cfg.d_model, generator=generator, dtype=torch.float64)
    shares = [worst_share_that_follows(model, data, partners(data), direction) for direction in off_u(model, random)]
    assert measure("share that follows, mean of the directions", sum(shares) / len(shares)) < 0.05
    assert measure("share that follows, worst of the directions", max(shares)) < 0.5


@claim(
    "Even along what neurons and unembeddings read beside u, under half of the answers follow",
    source="our test: these are the directions that could carry an answer past u",
    over=f"{PAIRS}; the parts off u of every unembedding and of every live neuron's weights",
    refuted_by=[mutants.unembed_neg_apart_from_pos, mutants.untrained],
    unless=no_account_of,
)
def test_what_is_read_beside_u_does_little(model, measure, data):
    live = read_neurons(model).live
    read = [*model.W_U.T, *model.blocks[0].mlp.W_in.T[live]]
    shares = [worst_share_that_follows(model, data, partners(data), direction) for direction in off_u(model, read)]
    assert measure("share that follows, worst of the directions", max(shares)) < 0.5


@claim(
    "Swapping the u-components of two sequences swaps their answers",
    source="our test of the write-up's Finding u in resid mid",
    over=PAIRS,
    refuted_by=[mutants.shout_off_u, mutants.untrained],
    unless=no_account_of,
)
def test_swapping_u_swaps_answers(model, measure, data):
    other = partners(data)
    along_u = circuit.resid_mid_along_u(model, data.toks)
    moved = answers_when_moved(model, data, along_u[other] - along_u, circuit.value_direction(model))
    swapped = moved == run(model, data.toks).argmax(-1).cpu()[other]
    differ = data.labels != data.labels[other]
    assert measure("share of swapped answers where labels differ", swapped[differ].double().mean()) > NEARLY_ALL


@claim(
    "Of what the head writes only the part along u matters: removing the rest changes no answer",
    source="our test of the write-up's First pass",
    over=EVALUATION_SET,
    refuted_by=[mutants.let_size_vote_zero, mutants.untrained],
    unless=no_account_of,
)
def test_only_u_of_the_head_matters(model, measure, data):
    kept = intervention.keep_of_head_output(circuit.value_direction(model), model.blocks[0].attn.b_O, along=True)
    changed = intervention.run_under(model, data.toks, kept).argmax(-1) != run(model, data.toks).argmax(-1)
    assert measure("answers that change", changed.sum()) == 0


@claim(
    "Removing u alone from what the head writes leaves nothing: every answer is the same",
    source="our test of the write-up's First pass",
    over=EVALUATION_SET,
    refuted_by=[mutants.shout_current_value, mutants.shout_off_u, mutants.untrained],
    unless=no_account_of,
)
def test_without_u_nothing_is_left(model, measure, data):
    removed = intervention.keep_of_head_output(circuit.value_direction(model), model.blocks[0].attn.b_O, along=False)
    answers = intervention.run_under(model, data.toks, removed).argmax(-1).flatten()
    assert measure("answers unlike the commonest", (answers != answers.mode().values).sum()) == 0
