"""The figures: what they say is what the model does, the same bytes everywhere, of any model there is."""

import re
import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np
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
    numbers,
    scaled,
)

from sorted_list_model import figures, mutants
from sorted_list_model.config import SortedListConfig
from sorted_list_model.figures.every_list import _map
from sorted_list_model.model import SortedListTransformer
from sorted_list_model.proof.certificate import Kind
from sorted_list_model.proof.known import certificate_of
from sorted_list_model.task import untrained

NAMES = [
    "probabilities",
    "attention-patterns",
    "qk-circuit",
    "position-bias",
    "ov-circuit",
    "copying",
    "ablation-by-target",
    "boosts-by-offset",
    "close-triples",
    "direct-path",
    "accuracy-by-jump",
    "accuracy-by-smallest",
    "every-list",
]
OF_BEHAVIOUR = {"probabilities", "accuracy-by-jump", "accuracy-by-smallest"}
BY_HEAD = {"attention-patterns", "qk-circuit", "position-bias", "ov-circuit", "copying", "ablation-by-target"}
FROM_DATA = {"attention-patterns", "ablation-by-target", "close-triples", "probabilities", "accuracy-by-jump"}


@pytest.fixture(scope="module")
def drawn(trained):
    return figures.draw(trained)


@pytest.fixture(scope="module")
def alt(drawn):
    return {figure.name: figure.alt for figure in drawn}


def alt_of(model, draw):
    return draw(figures.subject_of(model)).alt


def test_every_figure_is_drawn_of_the_reference_in_reading_order(drawn):
    assert [figure.name for figure in drawn] == NAMES == list(figures.BELONGS_TO)
    for figure in drawn:
        assert_drawn_with_words(figure)


def test_they_can_be_set_into_a_page_beside_each_other(drawn):
    assert_ids_are_unique_and_referred_to(drawn)
    for figure in drawn:
        assert_nothing_runs_or_loads(figure)
        assert_colours_are_variables(figure)
        assert_nothing_is_black_by_default(figure)
    assert sum(len(figure.svg.encode()) for figure in drawn) < 300_000


def test_another_process_draws_the_same_bytes(drawn):
    script = (
        # One thread, as in this run: the order of a sum is part of its last digits.
        "import hashlib, torch; torch.set_num_threads(1)\n"
        "from sorted_list_model import figures\n"
        "from sorted_list_model.scope import reference_model\n"
        "print(hashlib.sha256(repr(figures.draw(reference_model())).encode()).hexdigest())\n"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == digest(drawn)


def test_captions_name_the_data_and_its_seed(drawn):
    for figure in drawn:
        assert ("SortedListDataset(10000, 10, 50, seed=43)" in figure.caption) == (figure.name in FROM_DATA)


def test_published_figures_are_said_of_the_reference_only(drawn):
    def published(all_figures):
        return [figure.name for figure in all_figures if "ublished" in figure.caption]

    assert published(drawn) == ["copying", "ablation-by-target"]
    assert published(figures.draw(untrained(SortedListConfig(), seed=0))) == []


def test_numbers_in_text_alternatives_are_those_that_an_independent_reproduction_measured(alt):
    assert "Of 10 answers 10 are right" in alt["probabilities"]
    assert "In the list 0, 40 to 48," in alt["attention-patterns"]
    assert "wrong answers: 0 in place of 40." in alt["attention-patterns"]
    assert "Head 0 copies 2, 28 to 37, and adds the most of all heads to the own logit of 28 to 35," in alt["copying"]
    assert "Head 1 copies 0 to 28, 35 to 50," in alt["copying"]
    assert "Copied by no head: none." in alt["copying"]
    assert "Head 0: 12 of 51 numbers raise their own logit" in alt["ov-circuit"]
    assert "40 goes from +1.44 to -2.5" in alt["position-bias"]
    assert "40 goes from -2.07 to -5.2" in alt["position-bias"]
    without_lesser, without_main = re.split(r"(?<=\.) (?=Without)", alt["ablation-by-target"])
    assert without_lesser.startswith("Without head 0 the log probability falls by 0.920 nats")
    assert without_lesser.endswith("it is the costliest for 28 to 35.")
    assert without_main.startswith("Without head 1 the log probability falls by 4.97")
    assert "-1 +0.120, above 0 for 50 of 50; +0 +0.4" in alt["boosts-by-offset"]
    assert "+0 -0.050, above 0 for 3 of 51; +1 +0.021, above 0 for 50 of 50" in alt["direct-path"]
    assert "42 smallest numbers (the largest: 22)" in alt["accuracy-by-smallest"]
    assert "for jumps of 16 of 42 sizes (the largest: 16) and below one half for" in alt["accuracy-by-jump"]
    assert "On the validation set it is 0.9989" in alt["accuracy-by-jump"]


def test_what_is_drawn_of_every_list_is_what_is_proved(alt, trained):
    certificate = certificate_of(trained)
    kinds = Counter(proved.kind for proved in certificate.proved)
    assert f"{kinds[Kind.RIGHT]:,} are right on every list, " in alt["every-list"]
    assert f"{kinds[Kind.WRONG]:,} wrong on every list" in alt["every-list"]
    assert f"of {kinds[Kind.KNOWN]:,} a wrong list is known, {kinds[Kind.OPEN]:,} are open" in alt["every-list"]
    low, high = certificate.accuracy
    assert f"between {float(low):.4f} and {float(high):.4f}" in alt["every-list"]
    assert "; number 9 0.9999 to 1.0000." in alt["every-list"]


def test_each_kind_of_class_has_a_colour_of_its_own(trained):
    """Of the last position: right, wrong and known to hold a wrong list; what is no class has none."""
    image = _map(certificate_of(trained), 9)
    assert len(np.unique(image.reshape(-1, 4), axis=0)) == 5
    assert not image[:9].any()  # nine numbers are smaller than the right answer
    assert not image[20, 20:].any()


def test_triples_are_close_and_their_third_number_gets_more_attention(alt):
    shown = re.findall(r"attends (\S+) to y and (\S+) to z; y to y (\S+), z to y (\S+), y to z (\S+), z to z (\S+)\.",
                       alt["close-triples"])  # fmt: skip
    assert len(shown) == 4
    for to_y, to_z, y_to_y, z_to_y, y_to_z, z_to_z in (map(float, row) for row in shown):
        assert to_z > to_y
        assert y_to_z < 0 < min(y_to_y, z_to_y, z_to_z)
        assert y_to_y + z_to_y > y_to_z + z_to_z


EXPECTED = {
    "answer_one_higher": ("probabilities", "Of 10 answers 0 are right"),
    "exchange_QK": ("attention-patterns", "head 1 attends most to SEP (0.33); wrong answers: 28 in place of 4, "),
    "transpose_QK": ("qk-circuit", "Head 0: the number of the highest score is above the current one for 0 of 51"),
    "reverse_sorted_positions": ("position-bias", "Head 0: from position 11 to 19 the score of the smallest against "
                                 "those just above 40 goes from -2.56 to +1.44"),
    "negate_OV": ("ov-circuit", "Head 0: 39 of 51 numbers raise their own logit, by 0.28 at most"),
    "silence_lesser_head": ("copying", "Copied by no head: 29 to 34."),
    "exchange_heads": ("ablation-by-target", "Without head 1 the log probability falls by 0.9"),
    "suppress_nothing_above": ("boosts-by-offset", "+1 -0.012, above 0 for 16 of 50"),
    "mirror_cross_terms": ("close-triples", "The total to y is above the total to z at 232 of all 403"),
    "shun_the_first_number": ("accuracy-by-smallest", "above 0.99 for 0 of 42 smallest numbers and "),
}  # fmt: skip


@pytest.mark.parametrize("mutant", EXPECTED)
def test_what_a_mutant_changes_is_in_the_figure_of_it(trained, alt, mutant):
    name, said = EXPECTED[mutant]
    assert said not in alt[name]
    assert said in alt_of(getattr(mutants, mutant)(trained), figures.FIGURES[NAMES.index(name)])


@pytest.fixture(scope="module")
def small():
    """A model whose weights are large enough to attend to something."""
    return scaled(untrained(SortedListConfig(max_value=9, n_ctx=7, d_model=12, d_head=6), seed=4), W_Q=4, W_K=4)


@torch.no_grad()
def scores_by_brute_force(model):
    """[head, query position, current, attended to], mean over unsorted positions: one run for each pair of numbers."""
    n, n_numbers = model.cfg.list_len, model.cfg.max_value + 1
    toks = torch.tensor(
        [[key] * n + [model.cfg.sep] + [now] * n for now in range(n_numbers) for key in range(n_numbers)]
    )
    scores = model.run_with_cache(toks)[1]["blocks.0.attn.hook_attn_scores"][:, :, n + 1 : 2 * n, :n].mean(-1)
    return scores.view(n_numbers, n_numbers, model.cfg.n_heads, n - 1).permute(2, 3, 0, 1)


def test_the_highest_scores_are_those_of_the_model(small):
    above = (scores_by_brute_force(small).mean(1).argmax(-1) > torch.arange(10)).sum(-1).tolist()
    said = re.findall(r"is above the current one for (\d+) of 10", alt_of(small, figures.FIGURES[2]))
    assert [int(number) for number in said] == above


def test_the_score_of_the_smallest_is_that_of_the_model(small):
    scores = scores_by_brute_force(small)
    bias = scores[:, :, 7, :3].mean(-1) - scores[:, :, 7, 8:10].mean(-1)
    said = re.findall(r"7 goes from (\S+) to ([^\s;]+)", alt_of(small, figures.FIGURES[3]))
    assert [[float(number) for number in pair] for pair in said] == [
        pytest.approx([per_head[0].item(), per_head[-1].item()], abs=0.006) for per_head in bias
    ]


def test_wrong_answers_are_counted_by_position(small):
    subject = figures.subject_of(small)
    answers = small(subject.data.toks)[:, 3:6].argmax(-1)
    wrong = (answers != subject.data.lists.sort(-1).values).sum(0).tolist()
    assert figures.FIGURES[10](subject).alt.endswith(f"wrong answers by position: {', '.join(map(str, wrong))}.")


STRANGE = {
    "small": SortedListConfig(max_value=9, n_ctx=9),
    "three heads": SortedListConfig(n_heads=3, d_model=16, d_head=8),
    "one head": SortedListConfig(n_heads=1, d_model=16, d_head=8),
    "nine heads": SortedListConfig(n_heads=9, d_model=16, d_head=2),
    "long lists": SortedListConfig(n_ctx=41, d_head=4, d_model=8),
}


@pytest.mark.parametrize("cfg", STRANGE.values(), ids=STRANGE)
def test_a_strange_model_is_drawn_all_the_same(cfg):
    for figure in figures.draw(untrained(cfg, seed=0)):
        if figure.name == "close-triples" and figure.missing:
            continue
        if figure.name == "every-list" and cfg.n_heads > 2:
            assert figure.missing == f"this proof is about one or two heads, the model has {cfg.n_heads}"
            continue
        assert_drawn_with_words(figure)
        ET.fromstring(figure.svg)
        assert not re.search(r"\b(nan|inf)\b", figure.svg + figure.alt)
        assert len(numbers(figure.alt)) >= 2
        assert ("The first 4 of 9 heads." in figure.caption) == (cfg.n_heads == 9 and figure.name in BY_HEAD)


UNFIT = {
    "two layers": (SortedListConfig(n_layers=2), OF_BEHAVIOUR),
    "lists of one number": (
        SortedListConfig(n_ctx=3, max_value=9),
        set(NAMES) - {"qk-circuit", "position-bias", "close-triples", "direct-path", "accuracy-by-jump"},
    ),
    "all numbers in each list": (
        SortedListConfig(n_ctx=9, max_value=3),
        set(NAMES) - {"position-bias", "close-triples", "accuracy-by-smallest"},
    ),
}


@pytest.mark.parametrize(("cfg", "fit"), UNFIT.values(), ids=UNFIT)
def test_a_figure_that_says_nothing_of_a_model_says_why(cfg, fit):
    drawn = figures.draw(untrained(cfg, seed=0))
    assert {figure.name for figure in drawn if figure.svg} | {"close-triples"} == fit | {"close-triples"}
    for figure in drawn:
        if not figure.svg:
            assert_says_why_not(figure)


def test_a_model_of_zeros_is_drawn(trained):
    drawn = figures.draw(SortedListTransformer().requires_grad_(False))
    assert {figure.name for figure in drawn if not figure.svg} <= {"close-triples"}


def test_logits_that_overflow_leave_what_is_read_off_the_attention(trained):
    drawn = figures.draw(scaled(trained, W_U=1e38, b_U=1e38))
    assert {"qk-circuit", "position-bias"} <= {figure.name for figure in drawn if figure.svg}
    for name in ("probabilities", "ablation-by-target", "accuracy-by-jump", "accuracy-by-smallest"):
        assert_says_why_not(drawn[NAMES.index(name)])


def test_importing_the_figures_imports_no_matplotlib():
    script = "import sys, sorted_list_model.figures; assert not any('matplotlib' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
