"""The page about weights that no training gives: it is drawn, and the box says what can be said."""

import pytest
import torch
from browsing import page_of

from cumsum_model.config import CumsumConfig
from cumsum_model.data import labels_of
from cumsum_model.task import untrained

LARGEST = torch.finfo(torch.float32).max
SMALLEST = torch.finfo(torch.float32).smallest_normal / 2**20


def filled(value, *names):
    """An untrained model with one number in every weight whose name holds one of `names`, or in all."""
    model = untrained(CumsumConfig(), seed=3)
    state = {
        name: torch.full_like(tensor, value) if not names or any(part in name for part in names) else tensor
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def alternating(value, n_layers=1):
    """Weights of one size in both signs. In two layers the largest give scores beyond all numbers, and then none."""
    model = untrained(CumsumConfig(n_layers=n_layers), seed=3)
    state = {name: value * tensor.sign() for name, tensor in model.state_dict().items()}
    model.load_state_dict(state)
    return model


HOSTILE = {
    "all as large as they come": lambda: filled(LARGEST),
    "all as large, in both signs": lambda: alternating(LARGEST),
    "all as large, in two layers": lambda: alternating(LARGEST, n_layers=2),
    "all as small as they come": lambda: filled(SMALLEST),
    "all zero": lambda: filled(0.0),
    "large unembedding": lambda: filled(LARGEST, "unembed"),
    "large attention": lambda: filled(LARGEST, "W_Q", "W_K"),
    "large embedding": lambda: filled(-LARGEST, "embed.W_E"),
    "large neurons": lambda: alternating(1e30),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_page_is_drawn_and_the_box_answers_or_says_that_it_cannot(visit, tmp_path, name):
    page = visit(page_of(tmp_path, HOSTILE[name]()))
    for values in ([1, -1, 0, 5], [5] * 20, [-5, 5] * 10):
        page.get_by_label("Values, separated by").fill(" ".join(map(str, values)))
        rows = page.locator("#positions tbody tr").all_inner_texts()
        assert len(rows) == len(values)
        for row, right in zip(rows, labels_of(torch.tensor([values]))[0].tolist(), strict=True):
            cells = row.split("\t")
            *_, neg, zero, pos, answer = cells
            assert "undefined" not in row
            assert "NaN" not in row
            chances = [neg, zero, pos]
            label = ("neg", "zero", "pos")[right]
            if "no number" in chances:
                assert answer == f"{label}, says nothing"
            else:
                assert all(0 <= float(chance) <= 1 for chance in chances)
                assert answer.startswith(label)
    assert "undefined" not in page.locator("#answers").inner_text()


def test_where_no_number_comes_out_no_answer_is_right(visit, tmp_path):
    page = visit(page_of(tmp_path, alternating(LARGEST, n_layers=2)))
    page.get_by_label("Values, separated by").fill("1 2 -3")
    assert page.locator("#answers").inner_text() == "0 of 3 answers are right."
    assert page.locator("#positions tr.wrong").count() == 3
    assert page.get_by_text("says nothing").count() == 3
