"""The checker: it accepts what is proved, and nothing that was tampered with."""

import copy
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cumsum_model import mutants
from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import certify
from cumsum_model.proof.certificate_file import to_document
from cumsum_model.proof.check import checker, classes
from cumsum_model.proof.check.checker import Rejected, check
from cumsum_model.proof.check.circuit import Circuit, Exact
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE
from toy_model.checkout import ROOT
from toy_model.checkpoint.checkpoint import read_checkpoint

SHA = "0" * 64
PROOF = ROOT / "cumsum_model" / "proof" / "check"


def weights_of(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def document_of(model):
    return to_document(certify(model), model, "x.safetensors", SHA)


def shortened(model, n_ctx):
    short = CumsumTransformer(CumsumConfig(**{**model.cfg.__dict__, "n_ctx": n_ctx}))
    short.load_state_dict({**model.state_dict(), "pos_embed.W_pos": model.W_pos[:n_ctx]})
    return short.requires_grad_(False)


def verify(document, model, sha256=SHA):
    return check(json.dumps(document).encode(), weights_of(model), sha256)


@pytest.fixture(scope="module")
def short(reference):
    """The fixture with a context of four, so that a check takes a moment."""
    return shortened(reference, 4)


@pytest.fixture(scope="module")
def document(short):
    return document_of(short)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The certificate of the shipped checkpoint, as `certify` writes it."""
    path = tmp_path_factory.mktemp("proof") / "cert.json"
    assert main(["certify", "--out", str(path)]) == 0
    return path


def tampered(document, change):
    changed = copy.deepcopy(document)
    change(changed)
    return changed


def test_the_fixtures_certificate_is_accepted(written, capsys):
    assert main(["check", str(written)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("ACCEPTED")
    assert "verified 21120 classes, which are all 672749994932560009201 sequences" in told


def test_a_margin_raised_by_a_millionth_is_rejected_at_full_length(written, reference):
    document = json.loads(written.read_bytes())
    sha256 = document["checkpoint"]["sha256"]
    told = document["smallest_margin"]
    length = document["lengths"][told["length"] - 1]
    query = length["queries"][told["values"][-1] + 5]
    place = told["sum"] - query["lowest_sum"]
    told["proved"] += 1e-6
    length["smallest_margin"] += 1e-6
    query["smallest"][place] += 1e-6
    # Twice over: a sequence is at hand that has a smaller margin, and without it the bound cannot be proved.
    place_in_words = r"length 20, last value -5, sum \+1: the smallest margin .* is "
    with pytest.raises(Rejected, match=place_in_words + "contradicted by"):
        verify(document, reference, sha256)
    query["smallest_witness"][place] = None
    with pytest.raises(Rejected, match=place_in_words + "not proved"):
        verify(document, reference, sha256)


def every_class(document):
    for length in document["lengths"]:
        for query in length["queries"]:
            for place in range(len(query["labels"])):
                yield length, query, place


def test_no_margin_can_be_raised_anywhere(short, document):
    """Each class in turn, a millionth above what a sequence in it has: a stride of them, to save time."""
    certificate = certify(short, refine_all=True)
    for length, query, place in itertools.islice(every_class(document), 0, None, 31):
        true = certificate.lengths[length["length"] - 1].smallest[query["last"] + 5, place]

        def change(changed, length=length, query=query, place=place, true=true):
            query = changed["lengths"][length["length"] - 1]["queries"][query["last"] + 5]
            query["smallest"][place] = true + 1e-6
            query["smallest_witness"][place] = None

        with pytest.raises(Rejected, match="not proved"):
            verify(tampered(document, change), short)


def query_of(document, n=3, last=2):
    return document["lengths"][n - 1]["queries"][last + 5]


def put(query, name, place, entry):
    query[name] = query[name][:place] + entry + query[name][place + 1 :]


def drop(query, *names):
    for name in names:
        query[name] = query[name][:-1]


LISTS = ("labels", "verdicts", "signs", "smallest", "smallest_witness", "largest", "largest_witness", "right")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: drop(query_of(d), *LISTS), "is of 20 classes, there are 21"),
        (lambda d: drop(query_of(d), "verdicts"), '"verdicts" is of 20 classes'),
        (lambda d: query_of(d).update(lowest_sum=-9), "other sums"),
        (lambda d: d["lengths"][2]["queries"].pop(), "lacks queries"),
        (lambda d: d["lengths"].pop(), "has 3 lengths, the checkpoint has 4"),
        (lambda d: d["lengths"].reverse(), "length 1 is missing"),
        (lambda d: put(query_of(d), "labels", 4, "p"), "sum -4: the label is not 'p'"),
        (lambda d: put(query_of(d), "labels", 8, "p"), "sum \\+0: the label is not 'p'"),
        (lambda d: put(query_of(d), "verdicts", 4, "W"), '"smallest" does not belong to its verdict'),
        (lambda d: put(query_of(d), "verdicts", 4, "U"), '"smallest" does not belong to its verdict'),
        (lambda d: query_of(d)["largest"].__setitem__(4, 9.0), '"largest" does not belong to its verdict'),
        (lambda d: query_of(d)["right"].__setitem__(4, ["0", "0"]), '"right" does not belong to its verdict'),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+-?*+-?*"), "signs of neurons"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5.0, -1.0, 2.0]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, ["-5", "-1", "2"]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, True, 2]), "witness is no sequence"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, -(2**70), 2]), "witness is no sequence"),
        (lambda d: d["smallest_margin"].update(length=0), "hardest sequence is no sequence"),
        (lambda d: d["smallest_margin"].update(length=1, sum=5, values=[5]), "not of the class of the smallest margin"),
        (lambda d: d["smallest_margin"].update(sum=-999), "hardest sequence has another sum"),
        (lambda d: d.update(proved_right=1), "does not follow from the classes"),
        (lambda d: put(query_of(d), "verdicts", 4, "X"), "no verdict"),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+" * 8), "neuron . is not always '.'"),
        (lambda d: query_of(d)["signs"].__setitem__(4, "+"), "1 signs of neurons"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, -1.0), "called right with a smallest margin of -1.0"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, 0.0), "called right with a smallest margin of 0.0"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, None), "no bound"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-4, -3, 3]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-5, 0, 2]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, float("nan")), "nan is no bound"),
        (lambda d: query_of(d)["smallest"].__setitem__(4, True), "True is no bound"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [1, 1, 1]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-12, 6, 2]), "witness is not in its class"),
        (lambda d: query_of(d)["smallest_witness"].__setitem__(4, [-3, -3]), "inhomogeneous|not in its class"),
        (lambda d: d["lengths"][2].update(right=["1330", "1331"]), "does not follow from the classes"),
        (lambda d: d["lengths"][2].update(sequences="1332"), "does not follow from the classes"),
        (lambda d: d.update(sequences="14642"), "does not follow from the classes"),
        (lambda d: d.update(proved_right=False), "does not follow from the classes"),
        (lambda d: d.update(right_at_every_position=["0", "14641"]), "does not follow from the classes"),
        (lambda d: d["smallest_margin"].update(proved=0.5), "its smallest margin is 0.5"),
        (lambda d: d["smallest_margin"].update(proved=5.0), "its smallest margin is 5.0"),
        (lambda d: d["lengths"][1].update(smallest_margin=0.5), "length 2: the smallest margin is 0.5"),
        (lambda d: d["smallest_margin"].update(values=[0]), "hardest sequence is no sequence|another sum|no witness"),
        (lambda d: d.update(version=2), "its version is '2'"),
        (lambda d: d.update(format="recipe"), "not a certificate of this kind"),
        (lambda d: d.pop("lengths"), "not a complete certificate"),
        (lambda d: d["checkpoint"].update(sha256="1" * 64), "of another checkpoint"),
    ],
)
def test_what_was_tampered_with_is_rejected(short, document, change, reason):
    assert verify(document, short).counted_on_trust == 0
    with pytest.raises(Rejected, match=reason) as caught:
        verify(tampered(document, change), short)
    assert "\n" not in str(caught.value)


def test_another_checkpoint_is_rejected(short, document):
    """Not by its name alone: every single weight moved by a little makes some proof fail or is a checkpoint as good."""
    with pytest.raises(Rejected, match=r"of another checkpoint: sha256 '000000000000'\.\., not '111111111111'"):
        verify(document, short, "1" * 64)
    for broken in (mutants.silence_strongest_neuron, mutants.swap_verdicts, mutants.favour_zero, mutants.clip_values):
        with pytest.raises(Rejected):
            verify(document, shortened(broken(short), 4))
    seven = shortened(read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model, 4)
    with pytest.raises(Rejected):
        verify(document, seven)


def test_a_perturbed_weight_is_found(short, document):
    for name, by in (("b_in", 1.0), ("W_E", 0.2), ("W_pos", 0.5), ("W_U", 0.1)):
        perturbed = copy.deepcopy(short)
        next(value for key, value in perturbed.named_parameters() if key.endswith(name))[0] += by
        with pytest.raises(Rejected):
            verify(document, perturbed)


@pytest.mark.parametrize("broken", [mutants.silence_strongest_neuron, mutants.clip_values, mutants.swap_verdicts])
def test_a_certificate_of_a_broken_model_is_accepted_for_what_it_says(short, broken):
    model = shortened(broken(short), 4)
    document = document_of(model)
    checked = verify(document, model)
    assert checked.right[0] < checked.sequences
    assert document["smallest_margin"] is None
    verdicts = "".join(query["verdicts"] for length in document["lengths"] for query in length["queries"])
    assert checked.counted_on_trust <= verdicts.count("S") + verdicts.count("U")
    # To call a class right that is not is refused whatever margin is named.
    _, query, place = next(found for found in every_class(document) if found[1]["verdicts"][found[2]] != "R")
    put(query, "verdicts", place, "R")
    query["smallest"][place] = 1e-12
    with pytest.raises(Rejected):
        verify(document, model)


def test_a_count_that_is_off_by_one_is_rejected(short):
    """The checker counts for itself where right and wrong sequences mix."""
    model = shortened(mutants.silence_strongest_neuron(short), 4)
    document = document_of(model)
    assert verify(document, model).counted_on_trust == 0
    mixed = [(length, query, place) for length, query, place in every_class(document) if query["right"][place]]
    assert mixed
    _, query, place = mixed[-1]
    count = int(query["right"][place][0])
    query["right"][place] = [str(count - 1)] * 2
    with pytest.raises(Rejected, match=f"{count} sequences are right"):
        verify(document, model)


def test_too_many_open_signs_are_refused_and_not_worked_through(short, document, monkeypatch):
    def change(changed):
        for _, query, place in every_class(changed):
            query["signs"][place] = "?" * 8

    verify(tampered(document, change), short)  # it is true in all cases, and these are few
    with monkeypatch.context() as few:
        few.setattr(classes, "MAX_ROWS", 1000)
        with pytest.raises(Rejected, match=r"too many cases of undecided signs$"):
            verify(tampered(document, change), short)
    monkeypatch.setattr(checker, "MAX_ROWS_OF_FEW", 0)
    verify(document, short)
    with pytest.raises(Rejected, match=r"too many cases of undecided signs so far$"):
        verify(tampered(document, change), short)


def test_scores_that_say_nothing_are_refused(short, document):
    extreme = copy.deepcopy(short)
    extreme.blocks[0].attn.W_Q[:] = 1e30
    extreme.blocks[0].attn.W_K[:] = 1e30
    with pytest.raises(Rejected):
        verify(document, extreme)


@pytest.fixture(scope="module")
def broken(short):
    """A model that says the opposite, so that most classes are wrong, with its certificate."""
    model = shortened(mutants.swap_verdicts(short), 3)
    return model, document_of(model)


def first_of(document, verdict):
    return next((query, place) for _, query, place in every_class(document) if query["verdicts"][place] == verdict)


def test_a_largest_margin_cannot_be_lowered(broken):
    model, document = broken
    truth = certify(model, refine_all=True)
    for length, query, place in itertools.islice(every_class(document), 0, None, 17):
        if query["verdicts"][place] != "W":
            continue
        largest = truth.lengths[length["length"] - 1].most[query["last"] + 5, place]

        def change(changed, n=length["length"], last=query["last"], place=place, largest=largest, witness=True):
            query = query_of(changed, n, last)
            query["largest"][place] = largest - 1e-6
            if not witness:
                query["largest_witness"][place] = None

        with pytest.raises(Rejected, match=r"contradicted by|not proved"):
            verify(tampered(document, change), model)
        with pytest.raises(Rejected, match=r"the largest margin .* is not proved"):
            verify(tampered(document, lambda changed, change=change: change(changed, witness=False)), model)


def test_what_is_said_of_wrong_classes_is_verified(short, document, broken):
    model, of_broken = broken

    def positive(changed):
        query, place = first_of(changed, "W")
        query["largest"][place] = 1.0

    with pytest.raises(Rejected, match=r"called wrong with a largest margin of 1.0"):
        verify(tampered(of_broken, positive), model)

    def slander(changed):
        query, place = query_of(changed), 4
        put(query, "verdicts", place, "W")
        query["largest"][place], query["smallest"][place], query["smallest_witness"][place] = -1.0, None, None

    with pytest.raises(Rejected, match=r"the largest margin -1.0 is not proved"):
        verify(tampered(document, slander), short)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda q, s: q["right"].__setitem__(s, ["2", "1"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["-1", "1"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["0", "999999"]), "count of right sequences is impossible"),
        (lambda q, s: q["right"].__setitem__(s, ["0", "0"]), "count of right sequences is impossible"),
        (lambda q, s: q["smallest_witness"].__setitem__(s, None), "a witness is missing"),
        (lambda q, s: q["smallest_witness"].__setitem__(s, q["largest_witness"][s]), "its witness is not wrong"),
        (lambda q, s: q["largest_witness"].__setitem__(s, q["smallest_witness"][s]), "its witness is not right"),
    ],
)
def test_what_is_said_of_mixed_classes_is_verified(short, change, reason):
    model = shortened(mutants.silence_strongest_neuron(short), 4)
    document = document_of(model)
    change(*first_of(document, "S"))
    with pytest.raises(Rejected, match=reason):
        verify(document, model)


def test_an_undecided_neuron_counts_with_both_its_signs(short, document):
    """To call a sign unknown is no lie, but then both cases have to hold: no margin can be raised by it."""
    for place in range(21):

        def unknown(changed, place=place, raised=0.0):
            query = query_of(changed)
            query["signs"][place] = "?" * 8
            query["smallest"][place] += raised
            query["smallest_witness"][place] = None

        with pytest.raises(Rejected, match="not proved"):
            verify(tampered(document, lambda changed, unknown=unknown: unknown(changed, raised=0.5)), short)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000])
def test_what_is_no_certificate_is_rejected(short, content):
    with pytest.raises(Rejected):
        check(content, weights_of(short), SHA)


def test_a_truncated_file_is_rejected(written, tmp_path, capsys):
    content = written.read_bytes()
    for kept in (0, 1, len(content) // 2, len(content) - 1):
        cut = tmp_path / "cut.json"
        cut.write_bytes(content[:kept])
        assert main(["check", str(cut)]) == 1
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith(f"REJECTED {cut}")
        assert told.err.count("\n") == 1


def test_the_command_refuses_another_checkpoint(written, capsys):
    assert main(["check", str(written), str(REFERENCE.with_name("seed7.safetensors"))]) == 1
    assert "of another checkpoint" in capsys.readouterr().err


def test_files_that_cannot_be_read_are_one_line(written, tmp_path, capsys):
    for arguments in (
        ["check", str(tmp_path / "none.json")],
        ["check", str(tmp_path)],
        ["check", str(written), str(tmp_path / "none.safetensors")],
        ["certify", str(tmp_path / "none.safetensors")],
    ):
        assert main(arguments) == 4
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.count("\n") == 1


def test_certify_says_what_is_wrong_and_exits_1(reference, tmp_path, capsys):
    from toy_model.checkpoint.checkpoint import write_checkpoint

    path = tmp_path / "broken.safetensors"
    write_checkpoint(path, mutants.open_back_door(reference), {})
    out = tmp_path / "cert.json"
    assert main(["certify", str(path), "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert "NOT proved right" in told
    assert "wrong at length 20: 17291 of 672749994932560009201 sequences" in told
    assert "the model itself says there" in told
    assert json.loads(out.read_bytes())["proved_right"] is False
    assert main(["check", str(out), str(path)]) == 0
    told = capsys.readouterr().out
    assert "right at the last position: 672749994932559991910" in told  # counted again: all but 17291
    assert "taken from the certificate" not in told
    assert main(["certify", str(path), "--out", str(out)]) == 1  # not replaced unasked
    assert "--force" in capsys.readouterr().err
    (tmp_path / "file").write_text("in the way")
    assert main(["certify", "--out", str(tmp_path / "file" / "cert.json")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_checker_shares_no_code_with_the_search():
    script = (
        "import sys; from cumsum_model.proof.check import checker, classes; "
        "print(*sorted(name for name in sys.modules if name.startswith('cumsum_model.') or name == 'torch'))"
    )
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == [
        "cumsum_model.proof",
        "cumsum_model.proof.check",
        "cumsum_model.proof.check.checker",
        "cumsum_model.proof.check.circuit",
        "cumsum_model.proof.check.classes",
        "cumsum_model.proof.check.recount",
    ]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 2), st.integers(1, 3), st.sampled_from([0.1, 0.5, 2.0]), st.booleans())
def test_every_certificate_that_the_search_makes_is_accepted(seed, max_value, n_ctx, scale, uniform):
    generator = torch.Generator().manual_seed(seed)
    cfg = CumsumConfig(max_value=max_value, n_ctx=n_ctx, d_model=3, d_head=2, d_mlp=3)
    model = CumsumTransformer(cfg).requires_grad_(False)
    for parameter in model.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator)
    if uniform:
        model.blocks[0].attn.W_K *= 1e-3
    verify(document_of(model), model)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=5))
def test_exact_numbers_are_exact(numbers):
    from fractions import Fraction

    assume(numbers)
    exact = Exact.of(np.array(numbers, dtype=np.float32))
    assert [Fraction(int(whole), 2**exact.digits) for whole in exact.whole] == [Fraction(number) for number in numbers]


def test_the_checkers_circuit_is_the_models(reference):
    """Its scores and columns, rounded, are what the model computes."""
    model = shortened(reference, 3)
    circuit = Circuit.of({name.split(".")[-1]: tensor.numpy() for name, tensor in model.state_dict().items()})
    tokens = torch.tensor([[3, 7, 10]])
    double = copy.deepcopy(model).double()
    _, cache = double.run_with_cache(tokens)
    scores = circuit.scores.whole[2, 10, np.arange(3), [3, 7, 10]].astype(float) / 2.0**circuit.scores.digits
    expected = cache["blocks.0.attn.hook_attn_scores"][0, 0, 2].numpy()
    assert scores / 12**0.5 == pytest.approx(expected, abs=1e-15)
