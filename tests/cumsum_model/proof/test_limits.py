"""Models of which nothing is proved: a proof would take gigabytes, or the logits may overflow."""

import json

import pytest
import torch

from cumsum_model.__main__ import main
from cumsum_model.config import CumsumConfig
from cumsum_model.scope import reference_model
from cumsum_model.task import untrained
from toy_model.checkpoint.checkpoint import write_checkpoint


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CumsumConfig(n_ctx=100, max_value=49, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=3333, max_value=1, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=1, max_value=4999, d_model=2, d_head=1, d_mlp=1), "attention scores"),
        (CumsumConfig(n_ctx=2, d_model=2, n_heads=257, d_head=1, d_mlp=1), "has 257 heads, more than the 256"),
    ],
    ids=["many states", "long", "many tokens", "many heads"],
)
def test_a_small_file_asks_for_no_gigabytes(tmp_path, capsys, config, message):
    path = tmp_path / "small.safetensors"
    write_checkpoint(path, untrained(config, seed=1), {"made_of": {}})
    assert path.stat().st_size < 100_000
    (tmp_path / "certificate.json").write_text(
        json.dumps({"format": "cumsum certificate", "version": 1, "checkpoint": {}, "lengths": []})
    )
    for words in (["certify", str(path)], ["check", str(tmp_path / "certificate.json"), str(path)]):
        assert main(words) == 4
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_what_may_overflow_as_computed_is_not_proved_right(tmp_path, capsys):
    model = reference_model()
    state = {
        name: 3e37 * tensor if name.startswith("unembed") else tensor for name, tensor in model.state_dict().items()
    }
    large = untrained(model.cfg, seed=1)
    large.load_state_dict(state)
    assert not torch.isfinite(large(torch.full((1, 20), 10))).all()
    path = tmp_path / "large.safetensors"
    write_checkpoint(path, large, {"made_of": {}})
    assert main(["certify", str(path)]) == 1
    assert "logits may overflow, so as computed nothing is proved" in capsys.readouterr().out
