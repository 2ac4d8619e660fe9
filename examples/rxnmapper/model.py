"""The ALBERT that rxnmapper 0.4.3 ships, read from its wheel without executing any of its code.

Twelve layers share one set of weights, and each has eight heads. Layers and heads count from zero, as in the package:
its mapping head is head 5 of layer 10.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertForMaskedLM

from reactions import Reaction

LAYER, HEAD = 10, 5
WEIGHTS = Path("models/transformers/albert_heads_8_uspto_all_1310k")
N_BODY_PARAMETERS = 701_824


@cache
def folder() -> Path:
    """The folder of the wheel with weights, configuration and vocabulary. Raises ValueError if it is not installed."""
    spec = find_spec("rxnmapper")  # finds a top-level package, does not import it
    if spec is None or spec.origin is None:
        raise ValueError("rxnmapper is not installed: pip install --no-deps rxnmapper==0.4.3")
    return Path(spec.origin).parent / WEIGHTS


@cache
def vocabulary() -> dict[str, int]:
    return {token: i for i, token in enumerate((folder() / "vocab.txt").read_text().splitlines())}


def untrained(seed: int) -> AlbertForMaskedLM:
    """Build the network as it is before training, in float32; the global state of random numbers is left alone."""
    config = AlbertConfig.from_json_file(folder() / "config.json")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AlbertForMaskedLM._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():  # transformers attaches what collects attention in the first pass that asks for it
        model(torch.zeros(1, 2, dtype=torch.long), output_attentions=True)
    return model


def load(path: Path | None = None) -> AlbertForMaskedLM:
    """Read the weights at `path`, by default those of the wheel. Raises ValueError if they are not of this network."""
    state = torch.load(path or folder() / "pytorch_model.bin", weights_only=True, map_location="cpu")
    model = untrained(seed=0)
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"not the weights of rxnmapper's ALBERT: {error}") from None
    unexpected = [name for name in unexpected if not name.startswith("albert.pooler.")]  # read by no claim
    if missing or unexpected:
        raise ValueError(f"not the weights of rxnmapper's ALBERT: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return model


def attention_module(model: AlbertForMaskedLM) -> nn.Module:
    """The attention that all layers share."""
    return model.albert.encoder.albert_layer_groups[0].albert_layers[0].attention


def rows_of(head: int) -> slice:
    """Where a head is among the 256 rows of W_Q, W_K, W_V, and among the columns of W_O."""
    return slice(32 * head, 32 * (head + 1))


def token_ids(model: AlbertForMaskedLM, reaction: Reaction) -> Int[Tensor, "1 pos"]:
    """Raises KeyError for a token that is not in the vocabulary."""
    known = vocabulary()
    return torch.tensor([[known[t] for t in ("[CLS]", *reaction.tokens, "[SEP]")]], device=model.device)


@torch.no_grad()
def pattern(model: AlbertForMaskedLM, reaction: Reaction) -> Float[Tensor, "layer head query key"]:
    """All attention weights, with [CLS] at position 0, so that token i of the reaction is at i + 1."""
    return torch.cat(model(token_ids(model, reaction), output_attentions=True).attentions).cpu()
