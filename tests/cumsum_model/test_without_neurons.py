"""Models whose MLP has no neurons, or none that does anything: what is said of neurons is not about them."""

import contextlib
import dataclasses
import json

import pytest
from verifying import verify

from cumsum_model import mutants
from cumsum_model.model import CumsumTransformer
from cumsum_model.neurons import no_live_neurons, no_neurons, nothing_to_compare, read_neurons
from cumsum_model.surgery import neurons_by_strength, strongest_and_weakest, strongest_neuron
from toy_model.checkpoint.checkpoint import write_checkpoint
from toy_model.surgery import CannotBeMade

OF_THE_MLP = ("test_without_mlp.py", "test_ablation_kinds.py", "test_explanation.py")
"""Claims on what the MLP is for, which may be false of a model that needs none."""


def with_neurons(model, n):
    """The model with the first n of its neurons alone."""
    smaller = CumsumTransformer(dataclasses.replace(model.cfg, d_mlp=n)).requires_grad_(False)
    state = model.state_dict()
    for name, tensor in smaller.state_dict().items():
        tensor.copy_(state[name][tuple(slice(size) for size in tensor.shape)])
    return smaller


@pytest.fixture(scope="module")
def folded(reference):
    """Right on every sequence, the MLP folded into the unembedding."""
    return mutants.fold_the_mlp_away(reference)


@pytest.fixture(scope="module", params=[0, 1, 8], ids=lambda n: f"{n} neurons")
def idle(request, folded):
    return with_neurons(folded, request.param)


def test_neurons_that_do_nothing_are_not_live(idle):
    assert not read_neurons(idle).live.any()
    assert "no neuron does anything" in no_live_neurons(idle)
    assert nothing_to_compare(idle) == no_live_neurons(idle)
    assert (no_neurons(idle) is None) == (idle.cfg.d_mlp > 0)


def test_what_is_not_there_cannot_be_broken(idle):
    """A mutant that changes nothing would be a control that no true claim survives."""
    for mutant in (
        mutants.silence_mlp,
        mutants.flip_strongest_neuron,
        mutants.move_kinks,
        mutants.keep_neurons_firing,
        mutants.let_neurons_read_backwards,
        mutants.suppress_zero,
        mutants.fold_the_mlp_away,
        mutants.add_mlp_output_twice,
        mutants.drop_mlp_output,
    ):
        with pytest.raises(CannotBeMade):
            mutant(idle)
    with pytest.raises(CannotBeMade):
        strongest_neuron(idle)
    with pytest.raises(CannotBeMade):
        strongest_and_weakest(idle)


def test_every_mutant_of_every_kind_is_made_or_cannot_be(idle):
    for mutant in (*mutants.ALL, *mutants.ARCHITECTURES):
        with contextlib.suppress(CannotBeMade):
            mutant(idle)


def test_of_no_neurons_none_is_the_strongest(folded):
    with pytest.raises(CannotBeMade, match="has no neurons"):
        neurons_by_strength(with_neurons(folded, 0))


def test_claims_on_neurons_are_not_about_a_model_without(folded, tmp_path):
    write_checkpoint(tmp_path / "model.safetensors", with_neurons(folded, 0), {"made_of": {}})
    verify(f"--checkpoint={tmp_path / 'model.safetensors'}", f"--report={tmp_path}", "--no-controls")
    claims = json.loads((tmp_path / "report.json").read_text())["claims"]
    verdicts = {claim["id"]: claim["verdict"] for claim in claims}
    assert "error" not in verdicts.values()
    refuted = [name for name, verdict in verdicts.items() if verdict == "refuted"]
    assert refuted
    assert all(any(file in name for file in OF_THE_MLP) for name in refuted)
    assert verdicts["claims/cumsum/test_every_sequence.py::test_no_sequence_is_misclassified"] == "holds"
    of_neurons = {name: verdict for name, verdict in verdicts.items() if "test_neurons.py" in name}
    assert set(of_neurons.values()) == {"not about this model"}
