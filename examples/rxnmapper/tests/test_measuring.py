"""Measuring: from attention that is made up to answers that are known, and controls that leave no trace"""

import inspect

import pytest
import torch

import controls
import mapping
import masking
import model as albert
import procedure
import reactions as data
import rivals

ESTER = data.Reaction("ester", "[O:1]=[C:2](O)[CH3:3].[CH3:5][OH:4]>>[O:1]=[C:2]([CH3:3])[O:4][CH3:5]")
CONTROLS = [
    control for _, control in inspect.getmembers(controls, inspect.isgeneratorfunction) if control.__name__[0] != "_"
]


@pytest.fixture(scope="module")
def model():
    return albert.load()


@pytest.fixture(scope="module")
def paid(model):
    return mapping.attention(model, tuple(data.load()))


def made_up(reaction, sources):
    """Attention of one layer and head, 10 and 5 of 12 and 8, from each product atom to one reactant atom."""
    weights = torch.full((12, 8, len(sources), len(reaction.reactants.atoms)), 0.01)
    for atom, source in enumerate(sources):
        weights[10, 5, atom, source] = 0.9
    return mapping.AtomAttention(reaction, weights, weights)


def test_perfect_attention_finds_every_atom():
    hits = mapping.found([made_up(ESTER, [0, 1, 3, 5, 4])])
    assert hits[0].shape == (12, 8, 5)
    assert hits[0][10, 5].tolist() == [True] * 5
    assert mapping.rate(hits)[0] == 1


def test_the_oxygen_of_the_acid_is_wrong_in_an_ester():
    hits = mapping.found([made_up(ESTER, [0, 1, 3, 2, 4])])
    assert hits[0][10, 5].tolist() == [True, True, True, False, True]


def test_chance_is_one_of_the_candidates():
    assert mapping.chance((ESTER,)) == pytest.approx(1 / 3)  # three oxygens and three carbons


def test_the_procedure_uses_no_atom_twice():
    attention = made_up(ESTER, [0, 1, 1, 5, 4])  # two carbons want the same one
    mapped, confidence = procedure.map_atoms(attention)
    assert mapped == {0: 0, 1: 1, 2: 3, 3: 5, 4: 4}
    assert 0 < confidence < 1


def test_bootstrap_is_the_same_each_time_and_holds_the_value(paid):
    hits = mapping.found(paid)
    value, (low, high) = mapping.rate(hits)
    assert mapping.rate(hits) == (value, (low, high))
    assert low < value < high


def test_strings_match_the_longest_run_first():
    # CCO comes before O, whose token is taken by then
    reaction = data.Reaction("x", "[OH:9].[CH3:1][CH2:2][OH:3]>>[CH3:1][CH2:2][OH:3]")
    assert rivals.by_matching_strings(reaction) == [1, 2, 3]
    assert rivals.by_counting(reaction) == [1, 2, 0]


def test_the_weights_are_those_that_rxnmapper_ships(model):
    assert sum(p.numel() for p in model.albert.parameters()) == 701_824
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training


def test_attention_sums_to_one(model):
    weights = albert.pattern(model, ESTER)
    assert weights.shape == (12, 8, 21, 21)
    torch.testing.assert_close(weights.sum(-1), torch.ones(12, 8, 21))


def test_other_weights_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.bin")
    with pytest.raises(ValueError, match="not the weights"):
        albert.load(tmp_path / "other.bin")


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.__name__)
def test_controls_leave_the_model_as_it_was(model, control):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    attention = albert.pattern(model, ESTER)
    run = control(model)
    assert next(run) is model
    assert not torch.equal(albert.pattern(model, ESTER), attention)
    assert next(run, None) is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    assert torch.equal(albert.pattern(model, ESTER), attention)


@pytest.mark.parametrize("control", [controls.renumber_heads, controls.permute_within_heads])
def test_renaming_changes_no_prediction(model, control):
    ids = albert.token_ids(model, ESTER)
    with torch.no_grad():
        before = model(ids).logits
        for renamed in control(model):
            torch.testing.assert_close(renamed(ids).logits, before, atol=1e-3, rtol=1e-4)


def test_removing_a_head_is_undone(model):
    before = masking.masked_losses(model, (ESTER,))[0]
    with masking.without_head(model, 5):
        assert not torch.equal(masking.masked_losses(model, (ESTER,))[0], before)
    assert torch.equal(masking.masked_losses(model, (ESTER,))[0], before)
    assert len(before) == masking.n_masked((ESTER,))[0] == 3
