"""Models of which a claim once said something else than its sentence does: each is judged by what is true of it.

Every one is rebuilt here from the shipped checkpoint, with its weights edited. Claims are called in this process; what
the suite as a whole makes of a checkpoint is in `test_suite`.
"""

import functools
import importlib.util
import inspect
from pathlib import Path

import pytest
import torch
from brute_force import shortened
from pytest_claims.claim import declared
from pytest_claims.measure import Recorder

from cumsum_model import gauge, mutants, reading, variants
from cumsum_model.data import NEG, POS, ZERO, evaluation_set, running_means
from cumsum_model.neurons import read_neurons
from toy_model import statistics, surgery
from toy_model.checkout import ROOT
from toy_model.engine import run
from toy_model.intervention import all_neurons, run_under
from toy_model.surgery import CannotBeMade, copied

CLAIMS = ROOT / "claims" / "cumsum"
HOLDS, REFUTED, NOT_ABOUT = "holds", "refuted", "not about this model"

DATA = evaluation_set(5, 20)


@functools.cache
def claims_of(section):
    """The claims of one file of the suite, by name."""
    spec = importlib.util.spec_from_file_location(f"gaps_{section}", CLAIMS / f"test_{section}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: test for name, test in vars(module).items() if name.startswith("test_") and declared(test)}


SECTIONS = (
    "task",
    "attention",
    "ov_circuit",
    "residual_stream",
    "unembedding",
    "neurons",
    "without_mlp",
    "interventions",
    "explanation",
    "every_sequence",
    "hooks",
)


_PROVED, _COMPUTED = {}, {}
data_of = functools.cache(evaluation_set)


def proved(prove, model):
    """What a proof says of a model, made once for all claims and sections: as the fixture of the suite, by weights."""
    key = prove, type(model), *(tensor.numpy().tobytes() for tensor in model.state_dict().values())
    if key not in _PROVED:
        _PROVED[key] = prove(model)
    return _PROVED[key]


def computed(function, model, *rest):
    """The same of what may depend on how a model is run, too: as the fixture of the suite, by the model itself."""
    key = function, model, *rest
    if key not in _COMPUTED:
        _COMPUTED[key] = function(model, *rest)
    return _COMPUTED[key]


def verdict_of(test, model):
    """What a claim says of `model`, as the suite finds it out."""
    reason = declared(test).unless and declared(test).unless(model)
    if reason is not None:
        return NOT_ABOUT
    cfg, recorder = model.cfg, Recorder(Path(inspect.getfile(test)))
    offered = {
        "model": lambda: model,
        "measure": lambda: recorder,
        "data": lambda: data_of(cfg.max_value, cfg.n_ctx),
        "proved": lambda: proved,
        "computed": lambda: computed,
        "bridge": lambda: model.bridge(),
    }
    try:
        test(**{name: offered[name]() for name in inspect.signature(test).parameters})
    except AssertionError:
        return REFUTED
    assert not recorder.broken()  # nothing was measured to be out of its bound and let pass
    return HOLDS


def judge(model, *names):
    """The verdicts of the named claims."""
    tests = {name: test for section in SECTIONS for name, test in claims_of(section).items() if name in names}
    assert tests.keys() == set(names)
    return {name: verdict_of(test, model) for name, test in tests.items()}


def all_of(section, model, *, proofs=True):
    """The verdicts of all claims of a file, or of those that ask for no proof."""
    chosen = [
        name
        for name, test in claims_of(section).items()
        if proofs or "proved" not in inspect.signature(test).parameters
    ]
    return judge(model, *chosen)


def refuted(verdicts):
    return {name for name, verdict in verdicts.items() if verdict == REFUTED}


def accuracy(model):
    return (run(model, DATA.toks).argmax(-1) == DATA.labels).double().mean().item()


def always_firing(model):
    """b_O moves every pre-activation up by ten units of mean, and no logit past the neurons."""
    made, mlp = copied(model), model.blocks[0].mlp
    read = torch.cat([mlp.W_in, model.W_U], dim=-1).double()
    wanted = torch.cat([10 * read_neurons(model).slope.abs(), torch.zeros(3, dtype=torch.float64)])
    made.blocks[0].attn.b_O += torch.linalg.lstsq(read.T, wanted[:, None], driver="gelsd").solution[:, 0].float()
    return made


def test_neurons_that_always_fire_are_not_one_sided(reference):
    made = always_firing(reference)
    post = made.run_with_cache(DATA.toks)[1]["blocks.0.mlp.hook_post"]
    assert (post[..., read_neurons(made).live] > 0).all()
    about_sides = ("test_neurons_are_one_sided", "test_neurons_of_a_side_are_of_one_kind")
    assert judge(reference, *about_sides) == dict.fromkeys(about_sides, HOLDS)
    assert judge(made, *about_sides) == dict.fromkeys(about_sides, REFUTED)


def zero_at_pos(model):
    """The zero unembedding has a cosine of 0.7 with pos and of -0.7 with neg, at its own length."""
    made, W_U = copied(model), model.W_U.double()
    pos, neg, zero = (W_U[:, label] / W_U[:, label].norm() for label in (POS, NEG, ZERO))
    side = (pos - neg) / (pos - neg).norm()
    rest = zero - torch.linalg.qr(torch.stack([pos, neg], dim=-1)).Q @ (
        torch.linalg.qr(torch.stack([pos, neg], dim=-1)).Q.T @ zero
    )
    share = 0.705 / (side @ pos)
    direction = share * side + (1 - share**2).sqrt() * rest / rest.norm()
    made.unembed.W_U[:, ZERO] = (W_U[:, ZERO].norm() * direction).float()
    return made


def test_zero_that_points_at_pos_takes_a_side(reference):
    made = zero_at_pos(reference)
    assert statistics.cosine(made.W_U[:, ZERO], made.W_U[:, POS]) == pytest.approx(0.705, abs=1e-3)
    assert statistics.cosine(made.W_U[:, ZERO], made.W_U[:, NEG]) == pytest.approx(-0.705, abs=1e-3)
    about_zero = (
        "test_pos_and_neg_have_small_negative_cosines_with_zero",
        "test_zero_takes_no_side",
        "test_neurons_push_their_own_side",
    )
    assert judge(reference, *about_zero) == dict.fromkeys(about_zero, HOLDS)
    verdicts = judge(made, *about_zero)
    assert verdicts.pop("test_pos_and_neg_have_small_negative_cosines_with_zero") in (REFUTED, NOT_ABOUT)
    assert verdicts == dict.fromkeys(about_zero[1:], REFUTED)


def opposite_by_gauge(model):
    """Neg reads at a right angle to pos; one vector added to all three makes the columns exact opposites."""
    made = mutants.unembed_neg_apart_from_pos(model)
    made.unembed.W_U -= ((made.W_U[:, POS] + made.W_U[:, NEG]) / 2)[:, None]
    return made


def test_columns_that_are_opposite_by_their_gauge_alone_are_not_taken_for_it(reference):
    made, apart = opposite_by_gauge(reference), mutants.unembed_neg_apart_from_pos(reference)
    assert statistics.cosine(made.W_U[:, POS], made.W_U[:, NEG]) == pytest.approx(-1, abs=1e-5)
    same = [run(which, DATA.toks).double().softmax(-1) for which in (made, apart)]
    torch.testing.assert_close(*same, atol=1e-5, rtol=0)
    push, columns = (
        "test_what_is_written_pushes_pos_against_neg",
        ("test_pos_and_neg_are_opposite", "test_u_points_from_neg_to_pos"),
    )
    assert judge(reference, push, *columns) == dict.fromkeys((push, *columns), HOLDS)
    verdicts = judge(made, push, *columns)
    assert verdicts[push] == REFUTED
    assert HOLDS not in {verdicts[name] for name in columns}


def confident_on_one_side(model):
    """A dead neuron always fires and pushes pos against neg by six logits, which b_out takes back."""
    made = copied(model)
    mlp = made.blocks[0].mlp
    push = torch.tensor([-3.0, 0.0, 3.0], dtype=torch.float64) @ torch.linalg.pinv(model.W_U.double(), rtol=1e-6)
    mlp.W_in[:, 6], mlp.b_in[6], mlp.W_out[6] = 0, 1, push.float()
    mlp.b_out -= mlp.W_out[6]
    return made


@pytest.mark.parametrize("side", [1, -1])
def test_a_model_that_is_confident_on_one_side_without_its_mlp_is_not_zero_by_default(reference, side):
    made = confident_on_one_side(reference)
    if side < 0:
        step = made.blocks[0].mlp.W_out[6].clone()
        made.blocks[0].mlp.W_out[6] -= 2 * step
        made.blocks[0].mlp.b_out += 2 * step
    assert accuracy(made) == 1
    without = run_under(made, DATA.toks, all_neurons(made)).softmax(-1)
    means = -side * running_means(DATA.values)  # b_out now says the opposite of the neuron
    assert without[(means >= 0.5) & (means < 1)][:, ZERO].mean() < 0.02
    about_default = ("test_it_is_zero_by_default", "test_P_zero_against_the_mean")
    assert judge(reference, *about_default) == dict.fromkeys(about_default, HOLDS)
    assert judge(made, *about_default) == dict.fromkeys(about_default, REFUTED)


def rescaled_a_little(model):
    """Axes between one and 1.4 times as long."""
    return gauge.change_basis(model, torch.linspace(1, 1.4, model.cfg.d_model, dtype=torch.float64).diag())


BASES = {"1.4": rescaled_a_little, "3": mutants.shear_stream, "10": mutants.skew_stream}
"""By their condition numbers."""


@functools.cache
def of_the_stream(mutant):
    from cumsum_model.scope import reference_model

    return refuted(all_of("residual_stream", mutant(reference_model())))


@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize(
    "mutant",
    [mutants.shout_current_value, mutants.shout_off_u, mutants.drift_with_position, mutants.count_signs],
    ids=lambda mutant: mutant.__name__,
)
def test_no_basis_hides_what_is_stored(reference, mutant, basis):
    """The same claims are refuted, but for the one that is about a projection and the basis of the checkpoint."""
    on_u = {"test_projection_on_u_is_monotone_in_the_mean"}
    verdicts = all_of("residual_stream", BASES[basis](mutant(reference)))
    assert refuted(verdicts) - on_u == of_the_stream(mutant) - on_u
    assert of_the_stream(mutant) - on_u
    assert verdicts[on_u.pop()] in (REFUTED, NOT_ABOUT)


WITHOUT_PROOFS = (
    "task",
    "attention",
    "ov_circuit",
    "residual_stream",
    "unembedding",
    "neurons",
    "without_mlp",
    "interventions",
)


@pytest.mark.parametrize("symmetry", mutants.SYMMETRIES, ids=lambda symmetry: symmetry.__name__)
def test_nothing_is_refuted_of_the_shipped_function_in_other_weights(reference, symmetry):
    """Of what is no proof; that proofs are the same is tested with the symmetries, and one by one by the matrix."""
    try:
        made = symmetry(reference)
    except CannotBeMade as error:
        pytest.skip(str(error))
    verdicts, by_number = {}, set()
    for section in WITHOUT_PROOFS:
        verdicts |= all_of(section, made, proofs=False)
        by_number |= {name for name, test in claims_of(section).items() if names_neurons(test, symmetry)}
    assert refuted(verdicts) - by_number == set()
    # Claims that name a basis, a gauge or numbers may not be about it; most are.
    assert list(verdicts.values()).count(HOLDS) > len(verdicts) / 2


def names_neurons(test, symmetry):
    """Whether a claim is about one checkpoint alone, whose neurons it names, and the symmetry changes their names."""
    return declared(test).one_model_only and bool(set(declared(test).depends_on) & set(symmetry.changes))


@pytest.mark.parametrize("symmetry", [mutants.skew_stream, mutants.all_at_once], ids=lambda symmetry: symmetry.__name__)
@pytest.mark.parametrize(
    "section", ["attention", "residual_stream", "interventions", "neurons", "without_mlp", "every_sequence"]
)
def test_nothing_that_is_proved_is_refuted_either(reference, symmetry, section):
    # What float32 may add depends on all of the weights' form, and a claim about that says so.
    about_rounding = {"test_rounding_changes_no_answer"} if symmetry is mutants.all_at_once else set()
    assert refuted(all_of(section, symmetry(reference))) <= about_rounding


@pytest.mark.parametrize("n_ctx", [6, 10])
@pytest.mark.parametrize("section", SECTIONS)
def test_nothing_is_refuted_of_the_shipped_model_cut_short(reference, section, n_ctx):
    """Fewer positions, nothing broken."""
    verdicts = all_of(section, shortened(reference, n_ctx))
    assert refuted(verdicts) == set()
    assert HOLDS in verdicts.values()


def test_a_model_that_is_only_louder_agrees_with_an_independent_implementation(reference):
    """Rounding grows with the logits; eight times as large, they differ by eight times as much."""
    assert refuted(all_of("hooks", surgery.louder(reference, 8))) == set()
    altered = mutants.add_head_output_twice(surgery.louder(reference, 8))
    assert "test_logits_agree" in refuted(all_of("hooks", altered))


def test_a_model_without_relus_needs_none_and_has_no_neurons_that_amplify(reference):
    made = variants.without_relus(reference)
    assert accuracy(made) == 1
    about_relus = ("test_no_relu_is_needed", "test_neurons_amplify")
    assert judge(reference, *about_relus) == dict.fromkeys(about_relus, HOLDS)
    assert judge(made, *about_relus) == {"test_no_relu_is_needed": HOLDS, "test_neurons_amplify": REFUTED}
    assert reading.amplification(made) == pytest.approx(1)
