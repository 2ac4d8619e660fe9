"""The direct path against forward passes without attention, and on a model that was made to have one."""

import pytest
import torch
from sorting_by_hand import LIST_LEN, MAX_VALUE, N_POS, any_model, sorter

from sorted_list_model.direct_path import by_offset, direct_path
from sorted_list_model.mutants import exchange_heads, shift_unembeddings

N = MAX_VALUE + 1


@pytest.fixture(scope="module")
def model():
    return any_model()


def test_it_is_what_is_left_of_the_logits_without_attention(model):
    """Before the division by the final scale and without biases, mean over positions, relative to the numbers' mean."""
    toks = torch.arange(N)[:, None].expand(N, N_POS)
    hooks = {"blocks.0.hook_attn_out": torch.zeros_like, "ln_final.hook_scale": torch.ones_like}
    bias = model.ln_final.b @ model.W_U + model.unembed.b_U
    logits = (model.run_with_hooks(toks, hooks) - bias)[:, LIST_LEN + 1 : 2 * LIST_LEN, :N].mean(1)
    torch.testing.assert_close(direct_path(model), logits - logits.mean(-1, keepdim=True))


def test_a_model_that_was_made_to_speak_against_its_own_number_does():
    expected = -2 * (torch.eye(N) - 1 / N).double()
    torch.testing.assert_close(direct_path(sorter(direct=-2)), expected)
    offsets = by_offset(sorter(direct=-2))
    assert len(offsets) == 2 * N - 1
    assert offsets[N - 1].item() == pytest.approx(-2 * (1 - 1 / N))
    others = torch.cat([offsets[: N - 1], offsets[N:]])
    torch.testing.assert_close(others, torch.full_like(others, 2 / N))


def test_offsets_are_how_far_the_answer_is_above_the_current_number(model):
    path, found = direct_path(model), by_offset(model)
    for offset in range(-MAX_VALUE, MAX_VALUE + 1):
        of_offset = [path[x, x + offset].item() for x in range(N) if 0 <= x + offset < N]
        assert found[MAX_VALUE + offset].item() == pytest.approx(sum(of_offset) / len(of_offset))


@pytest.mark.parametrize("same", [exchange_heads, shift_unembeddings])
def test_it_is_nothing_of_heads_or_of_what_all_logits_have_in_common(model, same):
    torch.testing.assert_close(direct_path(same(model)), direct_path(model))
