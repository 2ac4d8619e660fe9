"""The figures: the same bytes everywhere, fit to stand side by side in one page, of any model there is."""

import importlib
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
import torch
from embedded import (
    assert_colours_are_variables,
    assert_drawn_with_words,
    assert_ids_are_unique_and_referred_to,
    assert_nothing_is_black_by_default,
    assert_nothing_runs_or_loads,
    assert_says_why_not,
    digest,
    elements,
    numbers,
    scaled,
)
from pytest_claims.drawing.matrix import LONGEST

from cumsum_model import figures, mutants
from cumsum_model.config import CumsumConfig
from cumsum_model.data import evaluation_set
from cumsum_model.model import CumsumTransformer
from cumsum_model.proof.certificate import certify
from cumsum_model.system import SYSTEM
from cumsum_model.task import REFERENCE, untrained
from toy_model.checkpoint.checkpoint import read_checkpoint

NAMES = [
    "attention",
    "ov-circuit",
    "resid-mid",
    "unembedding",
    "neurons",
    "without-mlp",
    "ablation-kinds",
    "moving-along-u",
    "probabilities",
    "worst-margin",
    "within-class",
]
ROWS, COLUMNS = [f"test_{i}" for i in range(65)], [f"mutant_{j}" for j in range(44)]
LETTERS = [("X.! "[i % 4 :] + "X." * 22)[:44] for i in range(65)]

HOSTILE = [
    "<script>alert(1)</script>",
    "$x^$",
    "$\\frac{1}{$",
    "two\nlines\r\tand a tab",
    "\ud800 alone",
    "a" * 10_000,
    "nul \0 and escape \x1b[31m",
    '"quoted" & </text></svg>',
    "url(#a) #1b1f24 http://example.org",
    "שלום 你好 🙂 \u202eturned",
    "row 0",
    "",
]


@pytest.fixture(scope="module")
def drawn(reference):
    """All figures of the reference, and a table."""
    return [*figures.draw(reference, certify(reference)), figures.draw_matrix(ROWS, COLUMNS, LETTERS)]


@pytest.fixture(scope="module")
def drawn_untrained(reference):
    """All figures of a model of the same sizes that has learned nothing."""
    model = mutants.untrained(reference)
    return figures.draw(model, certify(model, budget=0))


def test_every_figure_is_drawn_of_the_reference_in_reading_order(drawn):
    assert [figure.name for figure in drawn] == [*NAMES, "matrix"]
    for figure in drawn:
        assert_drawn_with_words(figure)


def test_another_process_draws_the_same_bytes(drawn):
    script = (
        # One thread, as in this run: the order of a sum is part of its last digits.
        "import hashlib, torch; torch.set_num_threads(1)\n"
        "from cumsum_model import figures\n"
        "from cumsum_model.scope import reference_model\n"
        "from cumsum_model.proof.certificate import certify\n"
        "model = reference_model()\n"
        f"table = figures.draw_matrix({ROWS!r}, {COLUMNS!r}, {LETTERS!r})\n"
        "drawn = [*figures.draw(model, certify(model)), table]\n"
        "print(hashlib.sha256(repr(drawn).encode()).hexdigest())\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    other_digest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert other_digest == digest(drawn)


def test_drawing_twice_gives_the_same_bytes(reference, drawn):
    assert digest(figures.draw(reference, certify(reference))) == digest(drawn[:-1])


def test_they_can_be_set_into_a_page_beside_each_other(drawn):
    assert_ids_are_unique_and_referred_to(drawn)
    for figure in drawn:
        assert_nothing_runs_or_loads(figure)
        assert_colours_are_variables(figure)
        assert_nothing_is_black_by_default(figure)


def test_all_figures_together_are_small(drawn):
    assert sum(len(figure.svg.encode()) for figure in drawn) < 450_000


@pytest.mark.parametrize("name", NAMES)
def test_the_text_alternative_is_read_off_what_is_drawn(name, drawn, drawn_untrained):
    """It differs for a model that differs in what the figure shows."""
    alt, untrained_alt = ({figure.name: figure.alt for figure in of}[name] for of in (drawn, drawn_untrained))
    assert len(numbers(alt)) >= 2
    assert numbers(alt) != numbers(untrained_alt)


def test_numbers_in_text_alternatives_are_those_of_the_claims(drawn):
    """Measured by an independent reproduction; the notes on the write-up give them."""
    alt = {figure.name: figure.alt for figure in drawn}
    assert "the first 22.01" in alt["ov-circuit"]
    assert "slope 2.099" in alt["ov-circuit"]
    assert "0.435" in alt["resid-mid"]
    assert "0.999986" in alt["resid-mid"]
    assert "u with pos +0.970, u with neg -0.958" in alt["unembedding"]
    assert "0.07317 nats" in alt["without-mlp"]
    assert "0.5222 nats, 71.6% right" in alt["without-mlp"]
    assert "neuron 2 (0.0982 nats)" in alt["ablation-kinds"]
    assert "neuron 2 (0.2016 nats)" in alt["ablation-kinds"]
    assert "on positive means: 2, 7; on negative means: 0, 1, 3, 4, 5, 6." in alt["neurons"]
    assert "the smallest of all is +0.2852, at length 20" in alt["worst-margin"]
    assert "sum 1, +0.285" in alt["within-class"]


def test_published_figures_are_said_of_the_reference_only(drawn):
    def published(all_figures):
        return [figure.name for figure in all_figures if "ublished" in figure.caption]

    assert published(drawn) == ["unembedding", "neurons", "without-mlp", "ablation-kinds"]
    assert published(figures.draw(read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model)) == []


def test_captions_name_the_data_and_its_seed(drawn):
    for figure in drawn:
        if figure.name in (
            "attention",
            "resid-mid",
            "without-mlp",
            "ablation-kinds",
            "moving-along-u",
            "probabilities",
        ):
            assert "CumsumDataset(1000, 5, 20, seed=42)" in figure.caption


STRANGE = {
    "seed7": lambda _: read_checkpoint(REFERENCE.with_name("seed7.safetensors"), SYSTEM).model,
    "length40": lambda _: read_checkpoint(REFERENCE.with_name("length40.safetensors"), SYSTEM).model,
    "short and small": lambda _: untrained(CumsumConfig(n_ctx=12, max_value=3), seed=0),
    "two heads": lambda _: untrained(CumsumConfig(n_heads=2, d_mlp=5), seed=0),
    "one neuron": lambda _: untrained(CumsumConfig(d_mlp=1), seed=0),
    "forty neurons": lambda _: untrained(CumsumConfig(d_mlp=40), seed=0),
    "only ones": lambda _: untrained(CumsumConfig(max_value=1), seed=0),
    "huge logits": lambda model: scaled(model, W_U=1e6),
    "hardly any input": lambda model: scaled(model, W_E=1e-30),
    "neurons read nothing": lambda model: scaled(model, W_in=0),
    "neurons write nothing": lambda model: scaled(model, W_out=0),
    "attend_to_last": mutants.attend_to_last,
    "count_signs": mutants.count_signs,
    "silence_mlp": mutants.silence_mlp,
    "move_kinks": mutants.move_kinks,
    "swap_verdicts": mutants.swap_verdicts,
}


@pytest.mark.parametrize("make", STRANGE.values(), ids=STRANGE)
def test_a_strange_model_is_drawn_all_the_same(reference, make):
    model = make(reference)
    for figure in figures.draw(model, certify(model, budget=0)):
        assert figure.missing is None
        ET.fromstring(figure.svg)
        assert not re.search(r"\b(nan|inf)\b", figure.svg + figure.alt)


PROOFS = {"worst-margin", "within-class"}
UNFIT = {
    "two layers": (lambda _: untrained(CumsumConfig(n_layers=2), seed=0), {"probabilities"}),
    "context of three": (lambda _: untrained(CumsumConfig(n_ctx=3), seed=0), {"probabilities", *PROOFS}),
    "context of one": (lambda _: untrained(CumsumConfig(n_ctx=1), seed=0), {"probabilities", *PROOFS}),
    "nothing at all": (lambda _: CumsumTransformer().requires_grad_(False), {"probabilities", *PROOFS}),
    "the head moves nothing": (lambda model: scaled(model, W_V=0), {"probabilities", *PROOFS}),
    "no unembedding": (lambda model: scaled(model, W_U=0), {"probabilities", *PROOFS}),
    "logits overflow": (
        lambda model: scaled(model, W_U=1e38, b_U=1e38),
        {"attention", "ov-circuit", "resid-mid", "unembedding", "neurons", *PROOFS},
    ),
}


@pytest.mark.parametrize(("make", "fit"), UNFIT.values(), ids=UNFIT)
def test_a_figure_that_says_nothing_of_a_model_says_why(reference, make, fit):
    model = make(reference)
    certificate = None if model.cfg.n_layers > 1 else certify(model, budget=0)
    drawn = figures.draw(model, certificate, "it has two layers")
    assert {figure.name for figure in drawn if figure.svg} == fit
    for figure in drawn:
        if figure.name not in fit:
            assert_says_why_not(figure)


def test_without_a_certificate_it_says_what_was_said_of_it(reference):
    *_, margin, within = figures.draw(reference, None, "out of range")
    assert margin.missing == within.missing == "out of range"
    *_, margin, _ = figures.draw(reference)
    assert margin.missing == "nothing was proved of this model"


def test_an_error_of_ours_is_not_taken_for_a_figure_that_says_nothing(reference, monkeypatch):
    def fail(*_):
        raise RuntimeError("ours")

    drawing = importlib.import_module("cumsum_model.figures.ov_circuit")  # which its function hides in the package
    monkeypatch.setattr(drawing, "value_outputs", fail)
    with pytest.raises(RuntimeError, match="ours"):
        figures.draw(reference)


def test_hostile_names_stay_text():
    table = figures.draw_matrix(HOSTILE, HOSTILE, ["X" * len(HOSTILE)] * len(HOSTILE))
    texts = [element.text for element in elements(table) if element.tag.endswith("text")]
    assert "<script" not in table.svg
    assert "</svg>" not in table.svg[:-6]
    assert texts.count("<script>alert(1)</script>") == 2
    assert texts.count("$x^$") == 2
    assert texts.count("two\ufffdlines\ufffd\ufffdand a tab") == 2
    assert texts.count("\ufffd alone") == 2
    assert texts.count("url(#a) #1b1f24 http://example.org") == 2
    assert texts.count("row 0") == 2
    assert max(map(len, filter(None, texts))) == LONGEST
    table.svg.encode()
    assert not any(ord(character) < 32 for character in table.svg)


def test_the_table_shows_every_cell_as_what_it_is():
    table = figures.draw_matrix(["a", "b", "c"], ["m", "n"], ["XX", "X.", "! "])
    assert "3 claims by 2 mutants: 3 of 5 cells refuted, 1 in error" in table.alt
    assert "refuted by 0 to 2 mutants, a mutant noticed by 1 to 2 claims" in table.alt
    texts = [element.text for element in elements(table) if element.tag.endswith("text")]
    assert texts[:2] == ["a", "2"]
    assert sorted(texts) == sorted(["a", "2", "b", "1", "c", "0", "m", "2", "n", "1"])
    changed = figures.draw_matrix(["a", "b", "c"], ["m", "n"], ["XX", "..", "! "])
    assert changed.svg != table.svg


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_table_says_so(shape):
    rows, columns = ["a"] * shape[0], ["m"] * shape[1]
    table = figures.draw_matrix(rows, columns, ["X" * shape[1]] * shape[0])
    assert table.svg is None
    assert table.missing == "no claim was run on any mutant"


def test_a_table_of_one_cell_or_of_very_many_is_drawn():
    assert figures.draw_matrix(["a"], ["m"], ["."]).svg
    assert figures.draw_matrix(["a"] * 300, ["m"] * 100, ["X." * 50] * 300).svg


def test_importing_the_figures_imports_no_matplotlib():
    script = "import sys, cumsum_model.figures; assert not any('matplotlib' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_style_of_somebodys_own_plays_no_part_and_stays(drawn):
    import matplotlib

    matplotlib.rcParams.update({"axes.facecolor": "red", "axes.grid": True, "lines.marker": "x"})
    try:
        settings, chance = matplotlib.rcParams.copy(), torch.get_rng_state()
        table = figures.draw_matrix(ROWS, COLUMNS, LETTERS)
        assert matplotlib.rcParams.copy() == settings  # a copy: to ask for the backend would choose one
        assert torch.equal(torch.get_rng_state(), chance)
        assert "matplotlib.pyplot" not in sys.modules
        assert table == drawn[-1]
    finally:
        matplotlib.rcdefaults()


def test_each_function_of_the_list_draws_one_figure(reference):
    subject = figures.Subject(reference, evaluation_set(5, 20), certify(reference), None)
    assert [figure(subject).name for figure in figures.FIGURES] == NAMES
