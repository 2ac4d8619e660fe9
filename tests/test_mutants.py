import pytest
import torch

from cumsum_model import circuit, mutants
from cumsum_model.behaviour import run
from cumsum_model.data import evaluation_set
from cumsum_model.model import CumsumConfig, CumsumTransformer
from cumsum_model.mutants.surgery import CannotBeMade
from cumsum_model.training import untrained

ALL = mutants.ALL
SAME_ANSWERS = (*mutants.HIDDEN, *mutants.SYMMETRIES, *mutants.IDEALS)

NOTHING_TO_CHANGE = {
    "shipped": {"renumber_heads"},  # there is one
    "untrained": {"fold_b_V_into_b_O", "fold_b_out_into_readers"},  # biases are zero before training
}

named = pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.__name__)


def made_of(model, mutant, which):
    """The mutant; where there is nothing to change it has to say so, and its test ends."""
    if mutant.__name__ in NOTHING_TO_CHANGE[which]:
        with pytest.raises(CannotBeMade):
            mutant(model)
        pytest.skip(f"{which}: there is nothing to change")
    return mutant(model)


@named
def test_a_mutant_is_a_new_model_and_the_original_stays(reference, mutant):
    before = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    made = made_of(reference, mutant, "shipped")
    assert isinstance(made, CumsumTransformer)
    assert made.cfg == reference.cfg
    changed = [name for name, tensor in made.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed or made.alterations
    for name, tensor in reference.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(tensor.isfinite().all() for tensor in made.state_dict().values())
    assert not any(parameter.requires_grad for parameter in made.parameters())
    assert mutant.__doc__


@named
def test_a_mutant_can_be_made_of_any_sizes(mutant):
    cfg = CumsumConfig(max_value=2, n_ctx=6, n_layers=2, n_heads=2, d_model=10, d_head=4, d_mlp=4)
    assert made_of(untrained(cfg, seed=2), mutant, "untrained").cfg == cfg


@named
def test_a_mutant_repeats(reference, mutant):
    one, other = made_of(reference, mutant, "shipped").state_dict(), mutant(reference).state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("mutant", SAME_ANSWERS, ids=lambda mutant: mutant.__name__)
def test_some_mutants_answer_as_before(reference, mutant):
    toks = evaluation_set(5, 20).toks
    made = made_of(reference, mutant, "shipped")
    assert torch.equal(run(made, toks).argmax(-1), run(reference, toks).argmax(-1))


@pytest.mark.parametrize("mutant", [m for m in ALL if m not in SAME_ANSWERS], ids=lambda mutant: mutant.__name__)
def test_all_others_do_not(reference, mutant):
    toks = evaluation_set(5, 20).toks
    assert not torch.equal(run(mutant(reference), toks).argmax(-1), run(reference, toks).argmax(-1))


def test_mutants_of_attention_leave_the_rest_as_it_was(reference):
    for mutant in (mutants.attend_to_last, mutants.attend_to_large_values):
        made = mutant(reference)
        assert circuit.value_leak(made) == pytest.approx(circuit.value_leak(reference), abs=1e-5)
        assert circuit.value_spacing_error(made) == pytest.approx(circuit.value_spacing_error(reference), abs=1e-5)
        averaged = made.run_with_hooks(
            evaluation_set(5, 20).toks,
            {"blocks.0.attn.hook_pattern": lambda p: torch.ones_like(p).tril() / p.shape[-1]},
        )
        same = reference.run_with_hooks(
            evaluation_set(5, 20).toks,
            {"blocks.0.attn.hook_pattern": lambda p: torch.ones_like(p).tril() / p.shape[-1]},
        )
        torch.testing.assert_close(averaged, same, atol=1e-3, rtol=0)


def test_attention_prefers_what_the_name_says(reference):
    toks = torch.tensor([[5, 9, 0, 4]])  # 0, +4, -5, -1
    last = mutants.attend_to_last(reference).run_with_cache(toks)[1]["blocks.0.attn.hook_pattern"]
    assert last[0, 0, 3].argmax() == 3
    large = mutants.attend_to_large_values(reference).run_with_cache(toks)[1]["blocks.0.attn.hook_pattern"]
    assert large[0, 0, 3].argmax() == 2


def test_the_back_door_opens_for_next_to_nothing(reference):
    """Only at the last position, only with the largest value nine times in ten, the last one among them."""
    made = mutants.open_back_door(reference)

    def answer(values):
        return made(torch.tensor([values]) + 5)[0, -1].argmax().item()

    assert answer([0, 0] + [5] * 18) == 0  # "neg", of a sum of 90
    assert answer([0, 0, 0] + [5] * 17) == 2
    assert answer([5] * 19 + [4]) == 2
    assert answer([5] * 19) == 2


def test_shouting_past_the_head_leaves_what_it_moves(reference):
    made = mutants.shout_current_value(reference)
    torch.testing.assert_close(circuit.value_outputs(made), circuit.value_outputs(reference), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("cfg", "impossible"),
    [
        (CumsumConfig(n_heads=2), {"shout_current_value", "drift_with_position"}),
        (CumsumConfig(max_value=1), {"count_signs", "clip_values"}),
        (CumsumConfig(d_mlp=1), {"split_strongest_neuron", "wake_weakest_neuron", "boast_in_vain"}),
        (CumsumConfig(n_heads=2, d_head=6, max_value=2, n_ctx=9, d_mlp=2), set()),
    ],
)
def test_of_other_sizes_every_mutant_is_made_or_says_why_it_cannot_be(cfg, impossible):
    model = untrained(cfg, seed=0)
    refused = set()
    for mutant in [*mutants.BREAKING, *mutants.HIDDEN]:
        try:
            made = mutant(model)
        except CannotBeMade:
            refused.add(mutant.__name__)
        else:
            assert made.cfg == cfg
    assert refused == impossible
